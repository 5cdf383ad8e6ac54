import { app } from './app.ts'

export const add = app.external<(x: number, y: number) => number>('proj.py.add')
add.delay(1, 2)
app.sendTask('proj.py.add', [1, 2])
