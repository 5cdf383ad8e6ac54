import { app } from './app.ts'
import { type Order, checkout } from './tasks/orders.ts'

/** What the shop's web server calls: the order by symbol, the mail by name, as another service would. */
export async function placeOrder(order: Order): Promise<{ readonly orderId: string; readonly mailId: string }> {
  const placed = await checkout.delay(order)
  const { email, name } = order.customer
  const mail = await app.sendTask('mail.send', [{ to: email, subject: `Thank you, ${name}` }])
  return { orderId: placed.id, mailId: mail.id }
}
