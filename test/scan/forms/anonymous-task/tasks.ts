import { app } from './app.ts'

export const add = app.task((x: number) => x)
