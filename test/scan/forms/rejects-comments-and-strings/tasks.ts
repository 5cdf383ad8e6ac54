import { app } from './app.ts'

// app.task('in.comment', () => 0)
/* app.sendTask('in.comment') */
export const text = "app.task('in.string', () => 0)"
export const { main } = app
