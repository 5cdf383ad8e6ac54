import { app } from './app.ts'

namespace Names {
  export const PREFIX = 'mail'
  export const send = PREFIX + '.send'
}
export const send = app.task(Names.send, () => 0)
