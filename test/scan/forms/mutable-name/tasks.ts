import { app } from './app.ts'

let name = 'mail.send'
export const send = app.task(name, () => 0)
export const other = app.task('mail.send', () => 0)
name = 'other'
