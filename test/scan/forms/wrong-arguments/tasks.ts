import { app } from './app.ts'

export const add = app.task('math.add', (x: number, y: number, note?: string) => x + y)
app.sendTask('math.add', ['2', 2])
app.sendTask('math.add', [2])
app.sendTask('math.add', [2], { y: 2 })
app.sendTask('math.add', [1, 2, 'x', 4])
