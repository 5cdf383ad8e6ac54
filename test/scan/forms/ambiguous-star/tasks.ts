import { app } from './app.ts'
import { SEND } from './names.ts'

export const send = app.task(SEND, () => 0)
