import { app } from './app.ts'

export const add = app.task('math.add', (x: number, y: number) => x + y)
app.sendTask('math.ad', [1, 2])
app.sendTask('billing.python.charge', [])
