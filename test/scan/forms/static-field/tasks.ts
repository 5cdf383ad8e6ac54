import { app } from './app.ts'

class Names {
  static readonly send = 'mail.send'
}
export const send = app.task(Names.send, () => 0)
