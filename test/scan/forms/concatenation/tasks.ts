import { app } from './app.ts'

const PREFIX = 'mail'
export const send = app.task(PREFIX + '.' + 'send', (to: string) => to)
