import { z } from 'zod'
import { app } from './app.ts'

export const send = app.task('mail.send', { queue: 'mail', validate: [z.email(), z.number().default(1)] }, (to, times) => [
  to,
  times,
])
export const order = app.task(
  'orders.place',
  { validate: { args: [z.object({ id: z.string() })], result: z.string() } },
  ({ id }) => id,
)
// The second argument has a default by its schema.
export const call = app.sendTask('mail.send', ['ann@example.org'])
