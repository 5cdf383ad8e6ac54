import { app } from './app.ts'
import { more } from 'elsewhere'

const NAMES = { send: 'mail.send', ...more }
export const send = app.task(NAMES.send, () => 0)
