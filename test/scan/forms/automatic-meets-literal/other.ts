import { app } from './app.ts'

export const plus = app.task('proj.tasks.add', () => 0)
