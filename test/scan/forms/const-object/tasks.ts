import { app } from './app.ts'

const NAMES = { mail: { send: 'mail.send' }, 'odd-key': 'odd' } as const
export const send = app.task(NAMES.mail.send, (to: string) => to)
export const odd = app.task(NAMES['odd-key'], () => 0)
