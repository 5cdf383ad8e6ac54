import { app } from './app.ts'

export default app.task('mail.send', (to: string) => to)
