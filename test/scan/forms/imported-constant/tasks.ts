import { app } from './app.ts'
import { SEND as NAME } from './names'

export const send = app.task(NAME, () => 0)
