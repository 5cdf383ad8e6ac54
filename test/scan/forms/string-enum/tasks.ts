import { app } from './app.ts'

enum Names { Send = 'mail.send' }
const enum Short { Drop = 'mail.drop' }
export const send = app.task(Names.Send, () => 0)
export const drop = app.task(Short.Drop, () => 0)
