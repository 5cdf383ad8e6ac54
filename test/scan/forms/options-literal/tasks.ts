import { app } from './app.ts'

export const send = app.task('mail.send', { queue: 'mail', maxRetries: null, softTimeLimit: 60, throws: [TypeError], params: ['to', 'n?'] }, (to: string, n?: number) => to)
