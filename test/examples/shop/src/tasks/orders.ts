import { app } from '../app.ts'
import { type Item, total } from '../lib/price.ts'

export interface Order {
  id: string
  customer: { name: string; email: string }
  items: Item[]
}

/** Charges a customer; `cents` must be positive. */
export const charge = app.task('orders.charge', (id: string, cents: number): { id: string; charged: number } => {
  if (!Number.isInteger(cents) || cents <= 0) throw new RangeError(`cannot charge ${cents} cents`)
  return { id, charged: cents }
})

/** Checks an order out: the charge is a task of its own. Gives what will be charged. */
export const checkout = app.task('orders.checkout', async (order: Order): Promise<number> => {
  const cents = total(order.items)
  await charge.delay(order.id, cents)
  return cents
})

/** Fails on odd input: three retries, each after twice the time of the one before, then the error stands. */
export const flaky = app.task('orders.flaky', { bind: true, maxRetries: 3 }, (self, n: number): number => {
  if (n % 2 !== 0) self.retry({ countdown: 2 ** self.retries, exc: new Error('odd input') })
  return n
})
