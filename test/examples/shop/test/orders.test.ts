import { drain, fixturesOf, memoryApp, passUntil, sentMessages, VirtualClock } from 'tq-runtime/testing'
import { test as base, expect } from 'vitest'
import { app } from '../src/app.ts'
import { placeOrder } from '../src/checkout.ts'
import '../src/tasks/mail.ts' // a worker has to know the tasks that it runs
import { charge, flaky, type Order } from '../src/tasks/orders.ts'

// The shop's own app: for each test on a memory broker of its own, and closed after it.
const test = base.extend(fixturesOf(app))

const order: Order = {
  id: 'order-7',
  customer: { name: 'Ada', email: 'ada@example.org' },
  items: [{ name: 'pen', cents: 250, count: 2 }],
}

test('placing an order sends two tasks', async ({ tqApp }) => {
  await placeOrder(order)

  expect((await sentMessages(tqApp)).map(({ task, args }) => [task, args[0]])).toEqual([
    ['orders.checkout', order],
    ['mail.send', expect.objectContaining({ to: 'ada@example.org' })],
  ])
})

test('all that comes of an order is done', async ({ tqApp }) => {
  const { orderId } = await placeOrder(order)

  await drain(tqApp)

  const [charged] = await tqApp.result(orderId).children()
  expect(await charged?.get()).toEqual({ id: 'order-7', charged: 500 })
})

test('a worker takes the order', async ({ tqWorker }) => {
  const result = await charge.delay('order-7', 500)

  expect(await result.get({ timeout: 5 })).toEqual({ id: 'order-7', charged: 500 })
  expect(tqWorker.queues).toEqual(['celery'])
})

test('one task by itself, its retries without their pauses', async ({ tqApp: _ }) => {
  const result = await flaky.apply([3])

  expect([await result.state(), result.eager]).toEqual(['FAILURE', { attempts: 4, simulatedMs: 7000 }])
})

test('an hour passes at once', async () => {
  const clock = new VirtualClock()
  const hourly = memoryApp('hourly', { clock })
  const remind = hourly.task('remind', (who: string) => `remember, ${who}`)
  await hourly.startWorker()

  const result = await remind.applyAsync(['Ada'], { countdown: 3600 })

  expect(await passUntil(clock, result.get())).toBe('remember, Ada')
  await passUntil(clock, hourly.close())
})
