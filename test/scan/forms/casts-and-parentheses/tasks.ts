import { app } from './app.ts'

const NAME = ('mail.send' satisfies string) as string
export const send = app.task((NAME!), ((to: string) => to) as (to: string) => string)
