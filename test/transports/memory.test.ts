import { describe, expect, test } from 'vitest'
import { MemoryBackend, MemoryResults } from '../../runtime/src/backends/memory.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'
import type { Delivery, Subscription } from '../../runtime/src/transports/transport.ts'
import { describeTransport } from '../conformance/transport.ts'
import { waitForOn } from '../helpers/clock.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../helpers/messages.ts'

describeTransport('memory', async () => {
  const clock = new VirtualClock()
  const results = new MemoryResults()
  const broker = new MemoryBroker(results)
  return {
    clock,
    waitFor: waitForOn(clock),
    open: async () => new MemoryTransport(broker, { clock, logger: silentLogger }),
    plan: async () => new MemoryBackend(results, { clock }),
    cleanup: async () => {},
  }
})

async function connected() {
  const clock = new VirtualClock()
  const errors: string[] = []
  const transport = new MemoryTransport(new MemoryBroker(), {
    clock,
    logger: { ...silentLogger, error: (message) => errors.push(message) },
  })
  await transport.connect()
  const arrived: Delivery[] = []
  const consume = (): Promise<Subscription> =>
    transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
  return { clock, transport, errors, arrived, consume }
}

describe('memory transport alone', () => {
  test('a parked message comes back in the very millisecond it is due', async () => {
    const { clock, transport, arrived, consume } = await connected()
    await consume()
    await transport.publish([toQueue('q', 'one', { dueMs: clock.now() + 1000 })])

    await clock.advance(999)
    expect(arrived).toEqual([])
    await clock.advance(1)

    expect(texts(arrived)).toEqual(['one'])
  })

  test('a requeued message counts its deliveries, a parked one does not', async () => {
    const { clock, transport, arrived, consume } = await connected()
    await consume()
    await transport.publish([toQueue('q', 'one')])

    await clock.advance(0)
    await arrived[0]?.park(clock.now() + 5)
    await clock.advance(5)
    await arrived[1]?.reject({ requeue: true })
    await clock.advance(0)

    expect(arrived.map((delivery) => delivery.info.deliveries)).toEqual([1, 1, 2])
  })

  test('a closed subscription leaves no timer behind', async () => {
    const { clock, transport, consume } = await connected()
    const subscription = await consume()
    for (const ms of [1000, 500, 2000]) {
      await transport.publish([toQueue('q', 'one', { dueMs: clock.now() + ms })])
      await clock.advance(0)
    }
    expect(clock.pending).toBe(1)

    await subscription.close()

    expect(clock.pending).toBe(0)
  })

  test('a batch with a message that reaches no queue is refused as a whole', async () => {
    const { transport } = await connected()
    const lost = { exchange: 'nowhere', routingKey: 'x', message: rawMessage('lost') }

    await expect(transport.publish([toQueue('q', 'one'), lost])).rejects.toThrow(/No queue is bound to .*'nowhere'/)

    expect((await transport.queueInfo('q')).ready).toBe(0)
  })

  test('a consumer that throws is reported and gets what comes next', async () => {
    const { clock, transport, errors } = await connected()
    const heard: string[][] = []
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => {
      heard.push(texts(deliveries))
      throw new Error('boom')
    })

    for (const text of ['one', 'two']) {
      await transport.publish([toQueue('q', text)])
      await clock.advance(0)
    }

    expect(heard).toEqual([['one'], ['two']])
    expect(errors.length).toBe(2)
  })

  test('the quarantine keeps the newest 1,000 of the last 7 days', async () => {
    const { clock, transport, arrived, consume } = await connected()
    await consume()
    await transport.publish(numbered(1003).map((text) => toQueue('q', text)))
    await clock.advance(0)

    for (const delivery of arrived) await transport.quarantine.put(delivery, textOf(delivery))
    expect((await transport.quarantine.list(2000)).map((kept) => kept.reason)).toEqual(
      numbered(1003).slice(3).toReversed(),
    )
    await clock.advance(7 * 24 * 3_600_000 + 1)

    expect(await transport.quarantine.list(10)).toEqual([])
  })

  test('a transport that was never connected says so', async () => {
    const transport = new MemoryTransport(new MemoryBroker(), { clock: new VirtualClock(), logger: silentLogger })

    await expect(transport.publish([toQueue('q', 'one')])).rejects.toThrow(/Call connect\(\) first/)
  })
})
