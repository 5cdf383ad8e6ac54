import { describe, expect, test } from 'vitest'
import { textOf, texts, toQueue } from '../../helpers/messages.ts'
import { hourMs, quiet, type TransportSuite } from './suite.ts'

/** The part of the suite about settling, due times. */
export function describeSettling(suite: TransportSuite): void {
  const { connected, consumed, nowMs, nativeEta } = suite

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
}
