import { app } from '../app.ts'

export const send = app.task(function send(to: string) {
  return to
})
const drop = (id: string) => id
export const dropped = app.task(drop)
export const again = app.task({ queue: 'mail' }, async function again() {})
