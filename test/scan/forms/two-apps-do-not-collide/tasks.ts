import { app } from './app.ts'

export const add = app.task('math.add', () => 0)
