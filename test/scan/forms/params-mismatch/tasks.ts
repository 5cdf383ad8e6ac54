import { app } from './app.ts'

export const send = app.task('mail.send', { params: ['to', 'subject'] }, (to: string, title: string) => to)
