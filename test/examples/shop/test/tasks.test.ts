import { TaskFailedError } from 'tq-runtime'
import { fixturesOf, type TqFixtures } from 'tq-runtime/testing'
import { beforeAll, describe, expect, test as base } from 'vitest'
import { app } from '../src/app.ts'
import { placeOrder } from '../src/checkout.ts'
import { fetch, publish, resize } from '../src/tasks/images.ts'
import { digest, send } from '../src/tasks/mail.ts'
import { add, mul, xsum } from '../src/tasks/math.ts'
import { charge, checkout, flaky, type Order } from '../src/tasks/orders.ts'
import { daily, exportRows, slow } from '../src/tasks/reports.ts'

const order: Order = {
  id: 'order-7',
  customer: { name: 'Ada', email: 'ada@example.org' },
  items: [
    { name: 'pen', cents: 250, count: 2 },
    { name: 'ink', cents: 900, count: 1 },
  ],
}

// A worker in each test, whether it asks for it or not.
const { tqWorker, ...fixtures } = fixturesOf(app)
const test = base.extend<TqFixtures>({ ...fixtures, tqWorker: [tqWorker, { auto: true }] })
test.override({ tqWorkerOptions: { concurrency: 4 } })

beforeAll(() => {
  app.logLevel = 'silent' // tasks fail here on purpose
})

describe('on a worker', () => {
  test('sums are computed', async () => {
    const results = await Promise.all([add.delay(2, 2), mul.delay(3, 4), xsum.delay([1, 2, 3])])

    expect(await Promise.all(results.map((result) => result.get({ timeout: 90 })))).toEqual([4, 12, 6])
  })

  test('a mail goes out, and one without an address fails with a TypeError', async () => {
    const good = await send.delay({ to: 'ada@example.org', subject: 'Hello', body: 'How are you?' })
    const bad = await send.delay({ to: 'nobody', subject: 'Hello' })

    expect(await good.get({ timeout: 90 })).toBe('to ada@example.org: Hello\n\nHow are you?')
    await expect(bad.get({ timeout: 90 })).rejects.toMatchObject({ type: 'TypeError' })
    await expect(bad.get({ timeout: 90 })).rejects.toBeInstanceOf(TaskFailedError)
  })

  test('a date arrives as a date', async () => {
    const result = await digest.delay('ada@example.org', new Date('2026-01-31T12:00:00Z'))

    expect(await result.get({ timeout: 90 })).toBe('digest for ada@example.org of 2026-01-31')
  })

  test('images are fetched, resized and published', async () => {
    const id = await (await fetch.delay('https://example.org/a.png')).get({ timeout: 90 })
    const copies = await Promise.all([resize.delay(id, 100), resize.delay(id, 200)])
    const ids = await Promise.all(copies.map((copy) => copy.get({ timeout: 90 })))

    expect(await (await publish.delay(ids)).get({ timeout: 90 })).toBe(`/gallery?i=${id}@100&i=${id}@200`)
  })

  test('a checkout charges in a task of its own', async () => {
    const result = await checkout.delay(order)

    expect(await result.get({ timeout: 90 })).toBe(1400)
    const [charged] = await result.children()
    expect(await charged?.get({ timeout: 90 })).toEqual({ id: 'order-7', charged: 1400 })
  })

  test('an amount that cannot be charged fails', async () => {
    const result = await charge.delay('order-7', 0)

    await expect(result.get({ timeout: 90 })).rejects.toThrow('cannot charge 0 cents')
  })

  test('placing an order sends the order and the mail', async () => {
    const { orderId, mailId } = await placeOrder(order)

    expect(await app.result(orderId).get({ timeout: 90 })).toBe(1400)
    expect(await app.result(mailId).get({ timeout: 90 })).toBe('to ada@example.org: Thank you, Ada')
  })

  test('an export tells how far it is', async () => {
    const result = await exportRows.delay(100)
    const seen: unknown[] = []
    const value = await result.get({ timeout: 5, onMessage: (meta) => seen.push(meta.state) })

    expect(value).toBe('100 rows')
    expect(seen.at(-1)).toBe('SUCCESS')
  })

  test('a report is written', async () => {
    expect(await (await daily.delay('2026-01-31')).get({ timeout: 90 })).toBe('report of 2026-01-31')
  })

  test('a slow report stops when it is terminated', async () => {
    const result = await slow.delay(3600)
    const running = async (): Promise<boolean> => {
      const active = Object.values(await app.control.inspect('active', { timeoutMs: 100, limit: 1 }))
      return active.flat().some((task) => 'id' in task && task.id === result.id)
    }
    while (!(await running()));
    await result.revoke({ terminate: true })

    await expect(result.get({ timeout: 90 })).rejects.toThrow('terminated')
  })
})

test('an odd number fails after three retries, without waiting for them', async () => {
  const [odd, even] = [await flaky.apply([3]), await flaky.apply([4])]

  expect(odd.value).toMatchObject({ type: 'Error', message: 'Error: odd input' })
  expect(even.value).toBe(4)
})
