import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, ConnectionError } from '../../runtime/src/core/errors.ts'
import type { RawMessage } from '../../runtime/src/core/message.ts'
import type { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import type { ExchangeType, Queue } from '../../runtime/src/transports/topology.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import type {
  ConnectionState,
  Delivery,
  DeliveryInfo,
  Subscription,
  Transport,
} from '../../runtime/src/transports/transport.ts'
import type { Condition } from '../helpers/clock.ts'
import { failure, numbered, rawMessage, success, textOf, texts, toQueue } from '../helpers/messages.ts'

/** One empty broker, made anew for each test. */
export interface TransportFixture {
  /** A further client of the same broker, over a connection of its own, not connected yet. The suite closes it. */
  open(): Promise<Transport>
  /** The broker's clock where it is a virtual one; absent where time is real. */
  readonly clock?: VirtualClock | undefined
  /** `waitFor` or `waitForOn(clock)` of helpers/clock.ts. */
  waitFor(condition: Condition): Promise<void>
  /** Called after the clients are closed. */
  cleanup(): Promise<void>
  /** A result backend whose plans these transports carry out, not connected yet; absent where there is none. */
  readonly plan?: (() => Promise<ResultBackend>) | undefined
}

interface Expected {
  readonly nativeEta?: boolean
  readonly priority?: boolean
  readonly plans?: boolean
}

type Behaviour = (title: string, run: () => Promise<void>) => void

/**
 * What every transport does. Queue `q` is declared by the client that `connected()` gives. `nativeEta` is the feature of that
 * name: whether the broker itself holds a message until it is due. `priority` is the feature, too; `plans` tells whether a
 * result backend of the same driver exists. What a transport cannot do has no test of it, but that it says so.
 */
export function describeTransport(
  name: string,
  factory: () => Promise<TransportFixture>,
  { nativeEta = true, priority = true, plans = true }: Expected = {},
): void {
  const withPriorities: Behaviour = (title, run) => {
    if (priority) test(title, run)
  }
  const withPlans: Behaviour = (title, run) => {
    if (plans) test(title, run)
  }

  describe(`${name} transport`, () => {
    let fixture: TransportFixture
    let opened: { close(): Promise<void> }[] = []

    beforeEach(async () => {
      fixture = await factory()
    })

    afterEach(async () => {
      try {
        for (const client of opened) await client.close()
      } finally {
        opened = []
        await fixture.cleanup()
      }
    })

    async function unconnected(): Promise<Transport> {
      const transport = await fixture.open()
      opened.push(transport)
      return transport
    }

    async function connected(queues: readonly Queue[] = [directQueue('q')]): Promise<Transport> {
      const transport = await unconnected()
      await transport.connect()
      await transport.declare({ queues })
      return transport
    }

    async function connectedBackend(): Promise<ResultBackend> {
      if (!fixture.plan) throw new Error('The fixture has no result backend: say `plans: false`.')
      const backend = await fixture.plan()
      opened.push(backend)
      await backend.connect()
      return backend
    }

    async function consumed(transport: Transport, queues: readonly string[] = ['q'], prefetch = 0): Promise<Inbox> {
      const inbox = new Inbox((condition) => fixture.waitFor(condition), nowMs)
      await inbox.consume(transport, queues, prefetch)
      return inbox
    }

    const nowMs = (): number => (fixture.clock ?? systemClock).now()

    describe('publishing and consuming', () => {
      test('messages of one priority arrive in the order they were published', async () => {
        const transport = await connected()
        for (const text of numbered(5)) await transport.publish([toQueue('q', text)])

        const inbox = await consumed(transport)

        expect(texts(await inbox.take(5))).toEqual(numbered(5))
      })

      test('a batch arrives whole and in its order', async () => {
        const transport = await connected()
        const inbox = await consumed(transport)

        await transport.publish(numbered(500).map((text) => toQueue('q', text)))

        expect(texts(await inbox.take(500))).toEqual(numbered(500))
      })

      test('an empty batch is accepted', async () => {
        const transport = await connected()

        await transport.publish([])

        expect((await transport.queueInfo('q')).ready).toBe(0)
      })

      test('the transport says whether it has priorities', async () => {
        expect((await unconnected()).features.priority).toBe(priority)
      })

      withPriorities('the lowest priority number is served first', async () => {
        const transport = await connected()
        const order = [9, 0, 6, 3, 0]
        await transport.publish(order.map((priority, at) => toQueue('q', `${priority}-${at}`, urgent(priority))))

        const inbox = await consumed(transport)
        const taken = await inbox.take(5)

        expect(texts(taken)).toEqual(['0-1', '0-4', '3-3', '6-2', '9-0'])
        expect(taken.map((delivery) => delivery.info.priority)).toEqual([0, 0, 3, 6, 9])
      })

      test('one subscription serves several queues and says which one a message came from', async () => {
        const transport = await connected([directQueue('q'), directQueue('r'), directQueue('s')])
        const inbox = await consumed(transport, ['q', 'r', 's'])

        await transport.publish(['q', 'r', 's', 'q'].map((queue, at) => toQueue(queue, `${queue}${at}`)))

        const taken = await inbox.take(4)
        expect(texts(taken).toSorted()).toEqual(['q0', 'q3', 'r1', 's2'])
        expect(taken.every((delivery) => delivery.info.queue === textOf(delivery).charAt(0))).toBe(true)
      })

      test('a first delivery is not redelivered and is the first', async () => {
        const transport = await connected()
        await transport.publish([{ exchange: 'q', routingKey: 'q', message: rawMessage('one') }])

        const delivery = await (await consumed(transport)).next()

        const expected: Partial<DeliveryInfo> = {
          queue: 'q',
          exchange: 'q',
          routingKey: 'q',
          redelivered: false,
          deliveries: 1,
        }
        expect(delivery.info).toMatchObject(expected)
      })

      test('two consumers share a queue and nothing is delivered to both', async () => {
        const publisher = await connected()
        const inboxes = [await consumed(await connected(), ['q'], 10), await consumed(await connected(), ['q'], 10)]
        for (const inbox of inboxes) inbox.autoAck = true

        await publisher.publish(numbered(1000).map((text) => toQueue('q', text)))

        const all = (): Delivery[] => inboxes.flatMap((inbox) => inbox.all)
        await fixture.waitFor(() => all().length >= 1000)
        await fixture.waitFor(async () => isEmpty(await publisher.queueInfo('q')))
        expect(texts(all()).toSorted()).toEqual(numbered(1000).toSorted())
      })

      test('two subscriptions of one client share a queue too', async () => {
        const transport = await connected()
        const inboxes = [await consumed(transport, ['q'], 5), await consumed(transport, ['q'], 5)]
        for (const inbox of inboxes) inbox.autoAck = true

        await transport.publish(numbered(100).map((text) => toQueue('q', text)))

        const all = (): Delivery[] => inboxes.flatMap((inbox) => inbox.all)
        await fixture.waitFor(async () => all().length >= 100 && isEmpty(await transport.queueInfo('q')))
        expect(texts(all()).toSorted()).toEqual(numbered(100).toSorted())
      })

      test('a consumer hears what its own process publishes while it is idle', async () => {
        const transport = await connected()
        const inbox = await consumed(transport)

        await transport.publish([toQueue('q', 'first')])
        await inbox.ack(await inbox.next())
        await quiet()
        await transport.publish([toQueue('q', 'second')])

        expect(textOf(await inbox.next())).toBe('second')
      })

      test('an idle consumer never misses a wake-up', async () => {
        const count = 2000
        const publisher = await connected()
        const consumer = await connected()
        let stalls = 0
        let publishedMs = 0
        const send = (at: number): Promise<void> => {
          publishedMs = nowMs()
          return publisher.publish([toQueue('q', `m${at}`)])
        }

        await new Promise<void>((resolve, reject) => {
          let arrived = 0
          const next = async (delivery: Delivery): Promise<void> => {
            if (nowMs() - publishedMs > stallMs) stalls++
            await delivery.ack()
            arrived++
            if (arrived === count) resolve()
            else await send(arrived)
          }
          consumer
            .subscribe(['q'], { prefetch: 1 }, (deliveries) => {
              for (const delivery of deliveries) next(delivery).catch(reject)
            })
            .then(() => send(0))
            .catch(reject)
        })

        // A driver's polling net hides a lost wake-up, but not the time it takes. A busy machine may cause a few.
        expect(stalls).toBeLessThan(5)
      })
    })

    describe('prefetch', () => {
      test('no more than the prefetch is unsettled, and settling brings more', async () => {
        const transport = await connected()
        await transport.publish(numbered(20).map((text) => toQueue('q', text)))
        const inbox = await consumed(transport, ['q'], 3)

        for (let taken = 0; taken < 20; taken++) await inbox.ack(await inbox.next())

        expect(texts(inbox.all)).toEqual(numbered(20))
        expect(inbox.mostUnsettled).toBeLessThanOrEqual(3)
      })

      test('the whole prefetch is used', async () => {
        const transport = await connected()
        await transport.publish(numbered(20).map((text) => toQueue('q', text)))

        const inbox = await consumed(transport, ['q'], 3)

        await inbox.take(3)
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 17, held: 3 })
      })

      test('0 is no limit', async () => {
        const transport = await connected()
        await transport.publish(numbered(300).map((text) => toQueue('q', text)))

        const inbox = await consumed(transport, ['q'], 0)

        expect(texts(await inbox.take(300))).toEqual(numbered(300))
      })

      test('a larger prefetch brings more without anything being settled', async () => {
        const transport = await connected()
        await transport.publish(numbered(5).map((text) => toQueue('q', text)))
        const inbox = await consumed(transport, ['q'], 1)
        await inbox.take(1)
        await quiet()

        inbox.subscription.setPrefetch(4)

        expect(texts(await inbox.take(3))).toEqual(['m1', 'm2', 'm3'])
        expect(inbox.mostUnsettled).toBe(4)
      })

      test('a smaller prefetch holds back until enough is settled', async () => {
        const transport = await connected()
        await transport.publish(numbered(6).map((text) => toQueue('q', text)))
        const inbox = await consumed(transport, ['q'], 3)
        const first = await inbox.take(3)

        inbox.subscription.setPrefetch(1)
        for (const delivery of first) await inbox.ack(delivery)
        inbox.mostUnsettled = 0
        for (let taken = 3; taken < 6; taken++) await inbox.ack(await inbox.next())

        expect(inbox.mostUnsettled).toBe(1)
      })
    })

    describe('settling', () => {
      test('an acknowledged message is gone', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()

        expect(await delivery.ack()).toBe('ok')

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0, parked: 0 })
      })

      test('settling a second time answers as the first did and changes nothing', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()
        await delivery.ack()

        expect(await delivery.ack()).toBe('ok')
        expect(await delivery.reject({ requeue: true })).toBe('ok')

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0, parked: 0 })
      })

      test('two settlements at once answer the same', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()

        expect(await Promise.all([delivery.ack(), delivery.ack()])).toEqual(['ok', 'ok'])
      })

      test('a requeued message comes back marked as redelivered', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const inbox = await consumed(transport)

        expect(await (await inbox.next()).reject({ requeue: true })).toBe('ok')

        const again = await inbox.next()
        expect(textOf(again)).toBe('one')
        expect(again.info.redelivered).toBe(true)
        expect(await again.ack()).toBe('ok')
      })

      test('a dropped message is gone', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()

        expect(await delivery.reject({ requeue: false })).toBe('ok')

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0, parked: 0 })
      })

      test('a parked message comes back when it is due and counts as no delivery', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const inbox = await consumed(transport)
        const dueMs = nowMs() + 30

        expect(await (await inbox.next()).park(dueMs)).toBe('ok')

        const again = await inbox.next()
        expect(inbox.arrivedMs(again)).toBeGreaterThanOrEqual(dueMs)
        expect(textOf(again)).toBe('one')
        expect(again.info).toMatchObject({ redelivered: false, deliveries: 1 })
        expect(await again.ack()).toBe('ok')
      })

      test('a parked message leaves room in the prefetch', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one'), toQueue('q', 'two')])
        const inbox = await consumed(transport, ['q'], 1)

        await (await inbox.next()).park(nowMs() + hourMs)

        expect(textOf(await inbox.next())).toBe('two')
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 1, parked: 1 })
      })

      test('a message that is parked until a time gone by comes back at once', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const inbox = await consumed(transport)

        await (await inbox.next()).park(nowMs() - 1000)

        expect(textOf(await inbox.next())).toBe('one')
      })

      test('a message that another process parked comes back when it is due', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const gone = await consumed(transport)
        await (await gone.next()).park(nowMs() + 30)
        await gone.subscription.close()
        await transport.close()

        const inbox = await consumed(await connected())

        expect(textOf(await inbox.next())).toBe('one')
      })
    })

    const heldBack = (): void => {
      test('a message is not delivered before its time', async () => {
        const transport = await connected()
        const inbox = await consumed(transport)
        const dueMs = nowMs() + 40

        await transport.publish([toQueue('q', 'later', { dueMs }), toQueue('q', 'now')])

        const taken = await inbox.take(2)
        const later = taken.find((delivery) => textOf(delivery) === 'later')
        expect(texts(taken).toSorted()).toEqual(['later', 'now'])
        expect(later && inbox.arrivedMs(later)).toBeGreaterThanOrEqual(dueMs)
        expect(later?.info).toMatchObject({ redelivered: false, deliveries: 1 })
      })

      test('each message waits for its own time', async () => {
        const transport = await connected()
        const inbox = await consumed(transport)
        const startMs = nowMs()

        await transport.publish([60, 20, 40].map((ms) => toQueue('q', `${ms}`, { dueMs: startMs + ms })))

        const taken = await inbox.take(3)
        expect(texts(taken).toSorted()).toEqual(['20', '40', '60'])
        for (const delivery of taken) {
          expect(inbox.arrivedMs(delivery)).toBeGreaterThanOrEqual(startMs + Number(textOf(delivery)))
        }
      })

      test('a message that falls due before the one that was waited for is not late', async () => {
        const transport = await connected()
        const inbox = await consumed(await connected())
        await transport.publish([toQueue('q', 'first'), toQueue('q', 'in an hour', { dueMs: nowMs() + hourMs })])
        await inbox.take(1)
        await quiet()

        await transport.publish([toQueue('q', 'soon', { dueMs: nowMs() + 20 })])

        expect(textOf(await inbox.next())).toBe('soon')
      })

      test('a message that is due in the future is counted as parked', async () => {
        const transport = await connected()

        await transport.publish([toQueue('q', 'later', { dueMs: nowMs() + hourMs }), toQueue('q', 'now')])

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 1, held: 0, parked: 1 })
      })
    }

    const notHeldBack = (): void => {
      test('hold nothing back: the message is delivered at once, for a worker to park', async () => {
        const transport = await connected()
        const inbox = await consumed(transport)

        await transport.publish([toQueue('q', 'later', { dueMs: nowMs() + hourMs })])

        expect(transport.features.nativeEta).toBe(false)
        expect(textOf(await inbox.next())).toBe('later')
      })
    }

    describe('due times', nativeEta ? heldBack : notHeldBack)

    describe('looking at queues', () => {
      test('queue counts tell ready, held and parked messages apart', async () => {
        const transport = await connected()
        await transport.publish(numbered(6).map((text) => toQueue('q', text)))
        const inbox = await consumed(transport, ['q'], 3)
        const [first] = await inbox.take(3)
        await inbox.subscription.pause()

        await first?.park(nowMs() + hourMs)

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 3, held: 2, parked: 1 })
        expect(await (await connected()).queueInfo('q')).toMatchObject({ ready: 3, held: 2, parked: 1 })
      })

      test('a queue that nobody uses is empty', async () => {
        expect(await (await connected()).queueInfo('nowhere')).toMatchObject({ ready: 0, held: 0, parked: 0 })
      })

      test('queue names hold what was declared, sorted', async () => {
        const transport = await connected([directQueue('zebra'), directQueue('ant')])
        await transport.publish([toQueue('zebra', 'one'), toQueue('ant', 'one')])

        const names = await transport.queueNames()

        expect(names).toEqual(names.toSorted())
        expect(names).toEqual(expect.arrayContaining(['ant', 'zebra']))
      })

      test('peek shows the next message first and takes none', async () => {
        const transport = await connected()
        await transport.publish(numbered(5).map((text) => toQueue('q', text)))

        expect(texts(await transport.peek('q', { limit: 3, state: 'ready' }))).toEqual(['m0', 'm1', 'm2'])

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 5, held: 0 })
        expect(texts(await (await consumed(transport)).take(5))).toEqual(numbered(5))
      })

      withPriorities('peek goes by priority', async () => {
        const transport = await connected()
        await transport.publish([9, 3, 0].map((priority) => toQueue('q', `p${priority}`, urgent(priority))))

        expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toEqual(['p0', 'p3', 'p9'])
      })

      test('peek shows held and parked messages too', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'parked'), toQueue('q', 'held'), toQueue('q', 'ready')])
        const inbox = await consumed(transport, ['q'], 2)
        const [first] = await inbox.take(2)
        await inbox.subscription.pause()
        await first?.park(nowMs() + hourMs)

        for (const state of ['ready', 'held', 'parked'] as const) {
          expect(texts(await transport.peek('q', { limit: 10, state }))).toEqual([state])
        }
      })

      test('purge deletes ready and parked messages and leaves held ones', async () => {
        const transport = await connected()
        await transport.publish(numbered(5).map((text) => toQueue('q', text)))
        const inbox = await consumed(transport, ['q'], 2)
        const [first, second] = await inbox.take(2)
        await inbox.subscription.pause()
        await first?.park(nowMs() + hourMs)

        expect(await transport.purge('q')).toBe(4)

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 1, parked: 0 })
        expect(await second?.ack()).toBe('ok')
      })

      test('purge leaves other queues alone', async () => {
        const transport = await connected([directQueue('q'), directQueue('r')])
        await transport.publish([toQueue('q', 'one'), toQueue('r', 'two')])

        expect(await transport.purge('q')).toBe(1)

        expect((await transport.queueInfo('r')).ready).toBe(1)
      })
    })

    describe('subscriptions', () => {
      test('closing gives back what is unsettled, first in its queue and marked as redelivered', async () => {
        const transport = await connected()
        await transport.publish(numbered(4).map((text) => toQueue('q', text)))
        const first = await consumed(transport, ['q'], 3)
        const [acked] = await first.take(3)
        await acked?.ack()
        await fixture.waitFor(() => first.all.length === 4)

        await first.subscription.close()
        await transport.publish([toQueue('q', 'newer')])

        const taken = await (await consumed(await connected())).take(4)
        expect(texts(taken)).toEqual(['m1', 'm2', 'm3', 'newer'])
        expect(taken.map((delivery) => delivery.info.redelivered)).toEqual([true, true, true, false])
      })

      test('what was given back cannot be settled by its former holder', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const inbox = await consumed(transport)
        const delivery = await inbox.next()
        await inbox.subscription.close()

        expect(await delivery.ack()).toBe('lost')
        expect(await delivery.ack()).toBe('lost')

        expect(await transport.queueInfo('q')).toMatchObject({ ready: 1, held: 0 })
      })

      test('a former holder does not settle the delivery of the next one', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const former = await consumed(transport)
        const old = await former.next()
        await former.subscription.close()
        const current = await (await consumed(await connected())).next()

        expect(await old.ack()).toBe('lost')

        expect((await transport.queueInfo('q')).held).toBe(1)
        expect(await current.ack()).toBe('ok')
      })

      test('closing the transport gives back what is unsettled', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        await (await consumed(transport)).next()

        await transport.close()

        const again = await (await consumed(await connected())).next()
        expect(again.info.redelivered).toBe(true)
      })

      test('what one consumer gives back wakes another that is idle', async () => {
        const publisher = await connected()
        await publisher.publish([toQueue('q', 'first'), toQueue('q', 'second')])
        const leaving = await consumed(await connected(), ['q'], 2)
        await leaving.take(2)
        const idle = await consumed(await connected())
        await publisher.publish([toQueue('q', 'third')])
        await idle.ack(await idle.next())
        await quiet()

        await leaving.subscription.close()

        expect(texts(await idle.take(2))).toEqual(['first', 'second'])
      })

      test('closing while messages arrive loses none', async () => {
        const publisher = await connected()
        const leaving = await consumed(await connected(), ['q'], 10)
        const publishing = publisher.publish(numbered(200).map((text) => toQueue('q', text)))
        await leaving.subscription.close()
        await publishing

        const staying = await consumed(await connected())

        expect(texts(await staying.take(200)).toSorted()).toEqual(numbered(200).toSorted())
        expect(await publisher.queueInfo('q')).toMatchObject({ ready: 0, held: 200 })
      })

      test('closing twice is harmless', async () => {
        const transport = await connected()
        const inbox = await consumed(transport)

        await inbox.subscription.close()
        await inbox.subscription.close()
        await transport.close()
        await transport.close()
      })

      test('a paused subscription gets nothing and keeps what it holds', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'held')])
        const paused = await consumed(transport)
        const held = await paused.next()

        await paused.subscription.pause()
        await transport.publish([toQueue('q', 'for another')])
        const other = await consumed(await connected())

        expect(textOf(await other.next())).toBe('for another')
        expect(texts(paused.all)).toEqual(['held'])
        expect(await held.ack()).toBe('ok')
      })

      test('a resumed subscription gets what came meanwhile', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'before')])
        const inbox = await consumed(transport)
        await inbox.ack(await inbox.next())
        await inbox.subscription.pause()
        await transport.publish([toQueue('q', 'meanwhile')])
        await quiet()

        inbox.subscription.resume()

        expect(textOf(await inbox.next())).toBe('meanwhile')
      })

      test('a queue that is added is consumed, with what waited in it', async () => {
        const transport = await connected([directQueue('q'), directQueue('r')])
        await transport.publish([toQueue('r', 'waited')])
        const inbox = await consumed(transport, ['q'])

        await inbox.subscription.add('r')
        expect(textOf(await inbox.next())).toBe('waited')
        await transport.publish([toQueue('r', 'new')])

        expect(textOf(await inbox.next())).toBe('new')
      })

      test('a queue that is removed is consumed no more, and its held messages stay held', async () => {
        const transport = await connected([directQueue('q'), directQueue('r')])
        const inbox = await consumed(transport, ['q', 'r'])
        await transport.publish([toQueue('r', 'held')])
        const held = await inbox.next()

        await inbox.subscription.remove('r')
        await transport.publish([toQueue('r', 'unheard')])
        await transport.publish([toQueue('q', 'heard')])

        expect(textOf(await inbox.next())).toBe('heard')
        expect(await transport.queueInfo('r')).toMatchObject({ ready: 1, held: 1 })
        expect(await held.ack()).toBe('ok')
      })

      test('a subscription without queues waits for the first', async () => {
        const transport = await connected()
        const inbox = await consumed(transport, [])
        await quiet()

        await inbox.subscription.add('q')
        await transport.publish([toQueue('q', 'one')])

        expect(textOf(await inbox.next())).toBe('one')
      })
    })

    describe('exchanges', () => {
      const bound = (name: string, exchange: string, type: ExchangeType, routingKey: string): Queue => ({
        name,
        exchange: { name: exchange, type },
        routingKey,
      })

      async function reached(queues: readonly Queue[], exchange: string, routingKey: string): Promise<string[]> {
        const transport = await connected(queues)
        await transport.publish([{ exchange, routingKey, message: rawMessage('one') }])
        const hit: string[] = []
        for (const queue of queues) if ((await transport.queueInfo(queue.name)).ready === 1) hit.push(queue.name)
        return hit
      }

      test('a direct exchange reaches the queues bound with the same key', async () => {
        const queues = [bound('a', 'd', 'direct', 'x'), bound('b', 'd', 'direct', 'y'), bound('c', 'd', 'direct', 'x')]

        expect(await reached(queues, 'd', 'x')).toEqual(['a', 'c'])
      })

      test('a topic exchange reaches the queues whose pattern matches', async () => {
        const queues = [
          bound('all', 't', 'topic', '#'),
          bound('one', 't', 'topic', 'mail.*'),
          bound('deep', 't', 'topic', 'mail.#'),
          bound('other', 't', 'topic', 'image.#'),
        ]

        expect(await reached(queues, 't', 'mail.send.now')).toEqual(['all', 'deep'])
      })

      test('a fanout exchange reaches every queue bound to it', async () => {
        const queues = [bound('a', 'f', 'fanout', ''), bound('b', 'f', 'fanout', 'x'), directQueue('c')]

        expect(await reached(queues, 'f', 'any')).toEqual(['a', 'b'])
      })

      test('a fanout exchange reaches the queues that other clients consume, and no more than these', async () => {
        const [first, second] = [await unconnected(), await unconnected()]
        const own = (name: string): Queue => ({ ...bound(name, 'news', 'fanout', 'k'), autoDelete: true })
        for (const [transport, name] of [
          [first, 'a'],
          [second, 'b'],
        ] as const) {
          await transport.connect()
          await transport.declare({ queues: [own(name)] })
        }
        const inboxes = [await consumed(first, ['a']), await consumed(second, ['b'])]
        const sender = await connected([])
        await sender.declare({ queues: [], exchanges: [{ name: 'news', type: 'fanout' }] })

        await sender.publish([{ exchange: 'news', routingKey: 'k', message: rawMessage('one') }])
        await first.publish([{ exchange: 'news', routingKey: 'k', message: rawMessage('two') }])

        for (const inbox of inboxes) {
          expect([textOf(await inbox.next()), textOf(await inbox.next())].toSorted()).toEqual(['one', 'two'])
        }
      })

      test('what is published to a fanout exchange without queues is dropped', async () => {
        const transport = await connected()
        await transport.declare({ queues: [], exchanges: [{ name: 'void', type: 'fanout' }] })

        await transport.publish([{ exchange: 'void', routingKey: 'k', message: rawMessage('unheard') }])

        expect((await transport.queueInfo('q')).ready).toBe(0)
      })

      test('a queue that deletes itself goes with its last consumer', async () => {
        const transport = await unconnected()
        await transport.connect()
        const queue: Queue = { ...bound('own', 'news', 'fanout', 'k'), autoDelete: true }
        await transport.declare({ queues: [queue], exchanges: [queue.exchange] })
        const subscription = await transport.subscribe(['own'], { prefetch: 0 }, () => {})

        await subscription.close()
        await transport.publish([{ exchange: 'news', routingKey: 'k', message: rawMessage('late') }])

        expect((await transport.queueInfo('own')).ready).toBe(0)
      })

      test('the anonymous exchange reaches the queue that the key names', async () => {
        expect(await reached([bound('a', 'd', 'direct', 'x'), directQueue('x')], '', 'a')).toEqual(['a'])
      })

      test('declaring twice is harmless', async () => {
        const transport = await connected()
        await transport.declare({ queues: [directQueue('q')] })
        await (await connected()).publish([{ exchange: 'q', routingKey: 'q', message: rawMessage('one') }])

        expect((await transport.queueInfo('q')).ready).toBe(1)
      })
    })

    describe('listening', () => {
      test('a broadcast reaches every listener of the exchange', async () => {
        const [first, second, sender] = [await connected(), await connected(), await connected()]
        const heard: string[][] = [[], [], []]
        await first.listen('events', {}, (message) => heard[0]?.push(textOf(message)))
        await second.listen('events', {}, (message) => heard[1]?.push(textOf(message)))
        await second.listen('control', {}, (message) => heard[2]?.push(textOf(message)))

        for (const text of numbered(3)) await sender.broadcast('events', rawMessage(text), 'task.sent')
        await sender.broadcast('control', rawMessage('other'))

        await fixture.waitFor(() => heard.every((own) => own.length > 0) && heard.flat().length >= 7)
        expect(heard).toEqual([numbered(3), numbered(3), ['other']])
      })

      test('a listener hears its own broadcasts', async () => {
        const transport = await connected()
        const heard: string[] = []
        await transport.listen('events', {}, (message) => heard.push(textOf(message)))

        await transport.broadcast('events', rawMessage('mine'), 'worker.online')

        await fixture.waitFor(() => heard.length > 0)
        expect(heard).toEqual(['mine'])
      })

      test('a listener hears the routing keys that its pattern matches', async () => {
        const transport = await connected()
        const heard: string[] = []
        await transport.listen('events', { pattern: 'task.#' }, (message) => heard.push(textOf(message)))

        await transport.broadcast('events', rawMessage('a worker'), 'worker.online')
        await transport.broadcast('events', rawMessage('a task'), 'task.sent')

        await fixture.waitFor(() => heard.length > 0)
        expect(heard).toEqual(['a task'])
      })

      test('a listener hears only what comes after it', async () => {
        const [sender, receiver] = [await connected(), await connected()]
        await sender.broadcast('events', rawMessage('before'), 'task.sent')
        const heard: string[] = []

        await receiver.listen('events', {}, (message) => heard.push(textOf(message)))
        await sender.broadcast('events', rawMessage('after'), 'task.sent')

        await fixture.waitFor(() => heard.length > 0)
        expect(heard).toEqual(['after'])
      })

      test('a closed listener hears nothing more', async () => {
        const transport = await connected()
        const heard: string[] = []
        const closed = await transport.listen('events', {}, () => heard.push('closed'))
        await transport.listen('events', {}, () => heard.push('open'))

        await closed.close()
        await transport.broadcast('events', rawMessage('one'), 'task.sent')

        await fixture.waitFor(() => heard.length > 0)
        expect(heard).toEqual(['open'])
      })

      test('a broadcast carries its body and headers unchanged', async () => {
        const transport = await connected()
        const heard: RawMessage[] = []
        await transport.listen('events', {}, (message) => heard.push(message))
        const sent = rawMessage('one', { body: everyByte(), headers: { hostname: 'celery@büro', clock: 7 } })

        await transport.broadcast('events', sent, 'task.sent')

        await fixture.waitFor(() => heard.length > 0)
        expect(heard[0]?.headers).toMatchObject(sent.headers)
        expect(sameBytes(heard[0]?.body, sent.body)).toBe(true)
      })

      test('a reply reaches the reply address, and that alone', async () => {
        const [asker, other, worker] = [await connected(), await connected(), await connected()]
        const heard: string[] = []
        const listenFor = (transport: Transport, ticket: string): Promise<unknown> =>
          transport.listen('replies', { pattern: ticket, replyQueue: `${ticket}.replies` }, (message) =>
            heard.push(`${ticket}: ${textOf(message)}`),
          )
        await listenFor(asker, 'ticket-1')
        await listenFor(other, 'ticket-2')

        await worker.broadcast('replies', rawMessage('not a reply'), 'ticket-1')
        await worker.reply({ exchange: 'replies', routingKey: 'ticket-1' }, rawMessage('pong'))
        await worker.reply({ exchange: 'replies', routingKey: 'ticket-2' }, rawMessage('last'))

        await fixture.waitFor(() => heard.length >= 2)
        expect(heard.toSorted()).toEqual(['ticket-1: pong', 'ticket-2: last'])
      })

      test('a reply to an address that is gone is dropped', async () => {
        const transport = await connected()
        const listening = await transport.listen(
          'replies',
          { pattern: 'ticket', replyQueue: 'ticket.replies' },
          () => {},
        )
        await listening.close()

        await transport.reply({ exchange: 'replies', routingKey: 'ticket' }, rawMessage('late'))
      })
    })

    describe('quarantine', () => {
      test('a quarantined message leaves its queue and keeps headers and bytes', async () => {
        const transport = await connected()
        const sent = rawMessage('broken', { body: everyByte(), contentType: 'application/x-python-serialize' })
        await transport.publish([{ exchange: '', routingKey: 'q', message: sent }])
        const delivery = await (await consumed(transport)).next()

        await transport.quarantine.put(delivery, 'content type refused')

        const [kept] = await (await connected()).quarantine.list(10)
        expect(kept).toMatchObject({ queue: 'q', reason: 'content type refused' })
        expect(kept?.raw).toMatchObject({ headers: sent.headers, contentType: sent.contentType })
        expect(sameBytes(kept?.raw.body, sent.body)).toBe(true)
        expect(Math.abs((kept?.atMs ?? 0) - nowMs())).toBeLessThan(hourMs)
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0, parked: 0 })
        expect(await delivery.ack()).toBe('ok')
      })

      test('the newest stands first and the limit is kept', async () => {
        const transport = await connected()
        await transport.publish(numbered(3).map((text) => toQueue('q', text)))
        for (const delivery of await (await consumed(transport)).take(3)) {
          await transport.quarantine.put(delivery, textOf(delivery))
        }

        expect((await transport.quarantine.list(2)).map((kept) => kept.reason)).toEqual(['m2', 'm1'])
      })

      test('a restored message is delivered from the queue it came from', async () => {
        const transport = await connected()
        const sent = rawMessage('broken', { body: everyByte() })
        await transport.publish([{ exchange: '', routingKey: 'q', message: sent }])
        const inbox = await consumed(transport)
        await transport.quarantine.put(await inbox.next(), 'unknown task')
        const [kept] = await transport.quarantine.list(1)

        await transport.quarantine.restore(kept?.id ?? '')

        const again = await inbox.next()
        expect(again.info.queue).toBe('q')
        expect(sameBytes(again.raw.body, sent.body)).toBe(true)
        expect(await transport.quarantine.list(10)).toEqual([])
      })

      test('a dropped message is gone', async () => {
        const transport = await connected()
        await transport.publish([toQueue('q', 'broken')])
        await transport.quarantine.put(await (await consumed(transport)).next(), 'unknown task')
        const [kept] = await transport.quarantine.list(1)

        await transport.quarantine.drop(kept?.id ?? '')

        expect(await transport.quarantine.list(10)).toEqual([])
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0, parked: 0 })
      })
    })

    describe('leases', () => {
      test('a lease is given to one at a time', async () => {
        const [first, second] = [await connected(), await connected()]

        expect(await first.lease('beat', hourMs)).toBeDefined()

        expect(await second.lease('beat', hourMs)).toBeUndefined()
        expect(await second.lease('another', hourMs)).toBeDefined()
      })

      test('a released lease can be taken', async () => {
        const [first, second] = [await connected(), await connected()]
        const lease = await first.lease('beat', hourMs)

        await lease?.release()

        expect(await second.lease('beat', hourMs)).toBeDefined()
        expect(await lease?.renew()).toBe(false)
      })

      test('releasing a lease that somebody else has by now changes nothing', async () => {
        const [first, second] = [await connected(), await connected()]
        const old = await first.lease('beat', hourMs)
        await old?.release()
        const current = await second.lease('beat', hourMs)

        await old?.release()

        expect(await current?.renew()).toBe(true)
        expect(await first.lease('beat', hourMs)).toBeUndefined()
      })

      test('a lease that is not renewed expires', async () => {
        const [first, second] = [await connected(), await connected()]
        const lease = await first.lease('beat', 40)

        await fixture.waitFor(async () => (await second.lease('beat', hourMs)) !== undefined)

        expect(await lease?.renew()).toBe(false)
      })

      test('a lease that is renewed stays for another full time', async () => {
        const ttlMs = 600
        const [first, second] = [await connected(), await connected()]
        const lease = await first.lease('beat', ttlMs)
        const start = nowMs()
        let taken = false

        await fixture.waitFor(async () => {
          expect(await lease?.renew()).toBe(true)
          taken ||= (await second.lease('beat', ttlMs)) !== undefined
          return nowMs() - start > ttlMs * 1.3
        })

        expect(taken).toBe(false)
      })
    })

    describe('what a message carries', () => {
      async function roundTrip(message: RawMessage): Promise<RawMessage> {
        const transport = await connected()
        await transport.publish([{ exchange: '', routingKey: 'q', message }])
        return (await (await consumed(await connected())).next()).raw
      }

      test('all byte values survive in the body', async () => {
        const message = rawMessage('bytes', {
          body: everyByte(),
          contentType: 'application/octet-stream',
          contentEncoding: 'binary',
        })

        const arrived = await roundTrip(message)

        expect(sameBytes(arrived.body, message.body)).toBe(true)
        expect(arrived).toMatchObject({ contentType: 'application/octet-stream', contentEncoding: 'binary' })
      })

      test('an empty body survives', async () => {
        expect((await roundTrip(rawMessage('empty', { body: new Uint8Array() }))).body.length).toBe(0)
      })

      test('a body of one megabyte survives', async () => {
        const body = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 31) & 0xff)

        expect(sameBytes((await roundTrip(rawMessage('large', { body }))).body, body)).toBe(true)
      })

      test('a text body with unicode survives', async () => {
        const text = JSON.stringify([['größe 中文 🎉 \u0000 \u2028 "quoted" \\ back'], {}, null])

        expect(textOf(await roundTrip(rawMessage('text', { body: new TextEncoder().encode(text) })))).toBe(text)
      })

      test('headers survive, unicode and nesting included', async () => {
        const headers = {
          id: 'größe-中文-🎉',
          lang: 'js',
          nothing: null,
          yes: true,
          count: 12,
          ratio: 0.25,
          'spaced key "quoted"\\': 'line\nbreak \u2028 \ud83d\ude80',
          stamps: { deep: [{ list: [1, 'two', null] }] },
          empty: {},
          none: [],
        }

        expect((await roundTrip(rawMessage('headers', { headers }))).headers).toEqual(headers)
      })

      test('properties survive', async () => {
        const properties = {
          correlationId: 'corr-größe',
          replyTo: 'reply-queue',
          deliveryMode: 1,
          priority: 3,
        } as const

        const arrived = await roundTrip(rawMessage('properties', { properties }))

        expect(arrived.properties).toMatchObject(properties)
      })

      // A driver that cuts the tag out of the stored text by its name must not be misled by the same words in a header.
      test('headers that speak of delivery tags do not mislead the driver', async () => {
        const headers = { delivery_tag: 'mine', text: '"delivery_tag": "11111111-2222-3333-4444-555555555555"' }
        const body = new TextEncoder().encode('{"delivery_tag": "x", "properties": {"delivery_tag": "y"}}')
        const transport = await connected()
        await transport.publish([
          { exchange: '', routingKey: 'q', message: rawMessage('trap', { headers, body }) },
          toQueue('q', 'neighbour'),
        ])
        const inbox = await consumed(transport)
        const [trap] = await inbox.take(2)

        expect(await trap?.reject({ requeue: true })).toBe('ok')

        const again = await inbox.next()
        expect(again.raw.headers).toEqual(headers)
        expect(sameBytes(again.raw.body, body)).toBe(true)
        expect(await again.ack()).toBe('ok')
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 1 })
      })

      test('a message is the same when it is delivered again', async () => {
        const sent = rawMessage('again', { body: everyByte(), headers: { id: 'again', größe: ['x', null] } })
        const transport = await connected()
        await transport.publish([{ exchange: '', routingKey: 'q', message: sent }])
        const inbox = await consumed(transport)

        await (await inbox.next()).reject({ requeue: true })
        await (await inbox.next()).park(nowMs() + 5)

        const { raw } = await inbox.next()
        expect(raw).toMatchObject({ headers: sent.headers, contentType: sent.contentType })
        expect(sameBytes(raw.body, sent.body)).toBe(true)
      })
    })

    describe('connection', () => {
      test('states are reported until the listener is taken away', async () => {
        const transport = await unconnected()
        const states: ConnectionState[] = []
        const early: ConnectionState[] = []
        transport.onState((state) => states.push(state))
        const unsubscribe = transport.onState((state) => early.push(state))

        await transport.connect()
        unsubscribe()
        await transport.close()

        expect(states.filter((state) => state !== 'connecting')).toEqual(['ready', 'closed'])
        expect(early).not.toContain('closed')
      })

      test('connecting twice is harmless', async () => {
        const transport = await connected()

        await transport.connect()
        await transport.publish([toQueue('q', 'one')])

        expect((await transport.queueInfo('q')).ready).toBe(1)
      })

      test('publishing after close rejects with a ConnectionError', async () => {
        const transport = await connected()
        await transport.close()

        await expect(transport.publish([toQueue('q', 'one')])).rejects.toBeInstanceOf(ConnectionError)

        expect((await (await connected()).queueInfo('q')).ready).toBe(0)
      })

      test('subscribing after close rejects with a ConnectionError', async () => {
        const transport = await connected()
        await transport.close()

        await expect(transport.subscribe(['q'], { prefetch: 1 }, () => {})).rejects.toBeInstanceOf(ConnectionError)
      })

      test('an announcement is accepted', async () => {
        await (await connected()).announce({ name: 'celery@host', kind: 'worker', queues: ['q'] })
      })
    })

    describe('acknowledging with a result', () => {
      if (!plans) {
        test('no plan is carried out', async () => {
          expect((await unconnected()).driver).toBeUndefined()
        })
      }

      withPlans('the result is stored and the message is gone', async () => {
        const backend = await connectedBackend()
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()
        const storing = backend.plan(success('one', { größe: [1, 2] }), { ttlMs: hourMs })

        expect(storing).toBeDefined()
        expect(await delivery.ack({ storing })).toBe('ok')

        expect((await backend.fetch(['one']))[0]).toMatchObject(success('one', { größe: [1, 2] }))
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0 })
      })

      withPlans('the transport says whose plans it carries out', async () => {
        const backend = await connectedBackend()
        const transport = await connected()

        expect(transport.driver).toBeDefined()

        expect(transport.driver).toBe(backend.plan(success('one'), { ttlMs: hourMs })?.driver)
      })

      withPlans('a plan of another driver is refused, and the message can still be settled', async () => {
        const backend = await connectedBackend()
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()
        const plan = backend.plan(success('one'), { ttlMs: hourMs })
        const storing = plan && { ...plan, driver: 'another:1' }

        await expect(delivery.ack({ storing })).rejects.toBeInstanceOf(ChannelError)

        expect((await transport.queueInfo('q')).held).toBe(1)
        expect(await backend.fetch(['one'])).toEqual([undefined])
        expect(await delivery.ack()).toBe('ok')
      })

      withPlans('each result of many acknowledgements at once is stored', async () => {
        const backend = await connectedBackend()
        const transport = await connected()
        await transport.publish(numbered(50).map((text) => toQueue('q', text)))
        const taken = await (await consumed(transport)).take(50)

        const storing = (delivery: Delivery) => backend.plan(success(textOf(delivery), textOf(delivery)), { ttlMs: 0 })
        const answers = await Promise.all(taken.map((delivery) => delivery.ack({ storing: storing(delivery) })))

        expect(answers.every((answer) => answer === 'ok')).toBe(true)
        const metas = await backend.fetch(numbered(50))
        expect(metas.map((meta) => meta?.result)).toEqual(numbered(50))
      })

      withPlans('a watcher of another connection sees it', async () => {
        const backend = await connectedBackend()
        const watching = await connectedBackend()
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()
        const seen: unknown[] = []
        const watched = (async () => {
          for await (const meta of watching.watch(['one'], new AbortController().signal)) seen.push(meta.state)
        })()

        await backend.store([{ id: 'one', state: 'STARTED' }], { ttlMs: hourMs })
        await fixture.waitFor(() => seen.length > 0)
        await delivery.ack({ storing: backend.plan(success('one'), { ttlMs: hourMs }) })

        await fixture.waitFor(() => seen.length > 1)
        await watched
        expect(seen).toEqual(['STARTED', 'SUCCESS'])
      })

      withPlans('a stored SUCCESS is not overwritten, and the message is gone all the same', async () => {
        const backend = await connectedBackend()
        const transport = await connected()
        await backend.store([success('one')], { ttlMs: hourMs })
        await transport.publish([toQueue('q', 'one')])
        const delivery = await (await consumed(transport)).next()

        expect(await delivery.ack({ storing: backend.plan(failure('one'), { ttlMs: hourMs }) })).toBe('ok')

        expect((await backend.fetch(['one']))[0]).toMatchObject({ state: 'SUCCESS' })
        expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 0 })
      })

      withPlans('a delivery that was lost stores nothing', async () => {
        const backend = await connectedBackend()
        const transport = await connected()
        await transport.publish([toQueue('q', 'one')])
        const inbox = await consumed(transport)
        const delivery = await inbox.next()
        await inbox.subscription.close()

        expect(await delivery.ack({ storing: backend.plan(success('one'), { ttlMs: hourMs }) })).toBe('lost')

        expect(await backend.fetch(['one'])).toEqual([undefined])
      })
    })
  })
}

const hourMs = 3_600_000
const stallMs = 200

/** Collects what a subscription delivers; each delivery is handed out once, in order of arrival. */
class Inbox {
  readonly all: Delivery[] = []
  /** Largest number of deliveries that were unsettled at one time; only where all are settled through `ack` below. */
  mostUnsettled = 0
  autoAck = false
  readonly #waitFor: (condition: Condition) => Promise<void>
  readonly #nowMs: () => number
  readonly #arrivals = new Map<Delivery, number>()
  #subscription: Subscription | undefined
  #failure: unknown
  #unsettled = 0
  #taken = 0

  constructor(waitFor: (condition: Condition) => Promise<void>, nowMs: () => number) {
    this.#waitFor = waitFor
    this.#nowMs = nowMs
  }

  get subscription(): Subscription {
    if (!this.#subscription) throw new Error('not subscribed yet')
    return this.#subscription
  }

  async consume(transport: Transport, queues: readonly string[], prefetch: number): Promise<void> {
    this.#subscription = await transport.subscribe(queues, { prefetch }, (deliveries) => this.#collect(deliveries))
  }

  async take(count: number): Promise<readonly Delivery[]> {
    await this.#waitFor(() => this.#failure !== undefined || this.all.length >= this.#taken + count)
    if (this.#failure !== undefined) throw this.#failure
    this.#taken += count
    return this.all.slice(this.#taken - count, this.#taken)
  }

  arrivedMs(delivery: Delivery): number | undefined {
    return this.#arrivals.get(delivery)
  }

  async next(): Promise<Delivery> {
    const [delivery] = await this.take(1)
    if (!delivery) throw new Error('nothing was delivered')
    return delivery
  }

  // Counted down before the answer: the next claim may ride in the same exchange and be delivered first.
  async ack(delivery: Delivery): Promise<void> {
    this.#unsettled--
    expect(await delivery.ack()).toBe('ok')
  }

  #collect(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) this.#failure = new Error('onDeliveries was called with an empty list')
    this.all.push(...deliveries)
    for (const delivery of deliveries) this.#arrivals.set(delivery, this.#nowMs())
    this.#unsettled += deliveries.length
    this.mostUnsettled = Math.max(this.mostUnsettled, this.#unsettled)
    if (!this.autoAck) return
    for (const delivery of deliveries) {
      this.ack(delivery).catch((error: unknown) => {
        this.#failure = error
      })
    }
  }
}

/** A few turns of the event loop: a claim that was under way is over, and what wakes the consumer now is what the test does. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

function urgent(priority: number): Partial<RawMessage> {
  return { properties: { priority } }
}

function everyByte(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => value)
}

function sameBytes(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left !== undefined && Buffer.compare(left, right) === 0
}

function isEmpty(queue: { readonly ready: number; readonly held: number; readonly parked: number }): boolean {
  return queue.ready === 0 && queue.held === 0 && queue.parked === 0
}
