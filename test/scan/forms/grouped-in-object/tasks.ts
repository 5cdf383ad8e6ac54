import { app } from './app.ts'

export const mail = {
  /** Sends. */
  send: app.task('mail.send', (to: string) => to),
  inner: { drop: app.task('mail.drop', (id: string) => id) },
}
