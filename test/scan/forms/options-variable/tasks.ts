import { app } from './app.ts'

const base = { queue: 'mail', priority: 3 }
const options = { ...base, bind: true } as const
export const send = app.task('mail.send', options, (self, to: string) => to)
