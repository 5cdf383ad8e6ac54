import { app } from './app.ts'

export const define = app.task.bind(app)
