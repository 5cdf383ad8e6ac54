import { describe, expect, test } from 'vitest'
import { directQueue } from '../../../runtime/src/transports/topology.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../../helpers/messages.ts'
import { hourMs, urgent, type TransportSuite } from './suite.ts'

/** The part of the suite about looking at queues, quarantine, leases. */
export function describeQueues(suite: TransportSuite): void {
  const { connected, consumed, nowMs, withPriorities } = suite

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

      await suite.fixture.waitFor(async () => (await second.lease('beat', hourMs)) !== undefined)

      expect(await lease?.renew()).toBe(false)
    })

    test('a lease that is renewed stays for another full time', async () => {
      const ttlMs = 600
      const [first, second] = [await connected(), await connected()]
      const lease = await first.lease('beat', ttlMs)
      const start = nowMs()
      let taken = false

      await suite.fixture.waitFor(async () => {
        expect(await lease?.renew()).toBe(true)
        taken ||= (await second.lease('beat', ttlMs)) !== undefined
        return nowMs() - start > ttlMs * 1.3
      })

      expect(taken).toBe(false)
    })
  })
}

function everyByte(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => value)
}

function sameBytes(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left !== undefined && Buffer.compare(left, right) === 0
}
