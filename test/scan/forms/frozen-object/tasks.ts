import { app } from './app.ts'

const NAMES = Object.freeze({ send: 'mail.send' })
export const send = app.task(NAMES.send, () => 0)
