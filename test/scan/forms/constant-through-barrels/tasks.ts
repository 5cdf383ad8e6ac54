import { app } from './app.ts'
import { FALLBACK, SEND, mail } from './names'

export const send = app.task(SEND, () => 0)
export const fallback = app.task(FALLBACK, () => 0)
export const again = app.task(mail.SEND + '.again', () => 0)
