import { app } from './app.ts'

export class Jobs {
  static send = app.task('mail.send', (to: string) => to)
  drop = app.task('mail.drop', (id: string) => id)
}
Jobs.send.delay('x')
