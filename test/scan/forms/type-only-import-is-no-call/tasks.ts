import { app } from './app.ts'

export const add = app.task('math.add', (x: number) => x)
