import { app } from './app.ts'

export const add = app.task<(x: number) => number>('math.add', (x) => x)
