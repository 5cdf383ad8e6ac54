import { describe, expect, test } from 'vitest'
import { directQueue } from '../../../runtime/src/transports/topology.ts'
import type { Delivery, DeliveryInfo } from '../../../runtime/src/transports/transport.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../../helpers/messages.ts'
import { stallMs, quiet, urgent, type TransportSuite } from './suite.ts'

/** The part of the suite about publishing and consuming, prefetch. */
export function describePublishing(suite: TransportSuite): void {
  const { connected, unconnected, consumed, nowMs, withPriorities, priority } = suite

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
      await suite.fixture.waitFor(() => all().length >= 1000)
      await suite.fixture.waitFor(async () => isEmpty(await publisher.queueInfo('q')))
      expect(texts(all()).toSorted()).toEqual(numbered(1000).toSorted())
    })

    test('two subscriptions of one client share a queue too', async () => {
      const transport = await connected()
      const inboxes = [await consumed(transport, ['q'], 5), await consumed(transport, ['q'], 5)]
      for (const inbox of inboxes) inbox.autoAck = true

      await transport.publish(numbered(100).map((text) => toQueue('q', text)))

      const all = (): Delivery[] => inboxes.flatMap((inbox) => inbox.all)
      await suite.fixture.waitFor(async () => all().length >= 100 && isEmpty(await transport.queueInfo('q')))
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
      let arrived = 0
      let failure: unknown
      const taken = async (delivery: Delivery): Promise<void> => {
        await delivery.ack()
        arrived++
      }
      await consumer.subscribe(['q'], { prefetch: 1 }, (deliveries) => {
        for (const delivery of deliveries) {
          taken(delivery).catch((error: unknown) => {
            failure = error
          })
        }
      })

      let stalls = 0
      for (let sent = 0; sent < count; sent++) {
        await publisher.publish([toQueue('q', `m${sent}`)])
        const publishedMs = nowMs()
        let looks = 0
        while (arrived <= sent && failure === undefined) {
          await quiet()
          if (nowMs() - publishedMs < 20) continue
          await publisher.queueInfo('q')
          looks++
        }
        if (looks >= 100 && nowMs() - publishedMs > stallMs) stalls++
        if (failure !== undefined) throw failure
      }

      // A driver's polling net hides a lost wake-up, but not the time it takes: others get a hundred answers meanwhile.
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
}

function isEmpty(queue: { readonly ready: number; readonly held: number; readonly parked: number }): boolean {
  return queue.ready === 0 && queue.held === 0 && queue.parked === 0
}
