import { describe, expect, test } from 'vitest'
import { directQueue } from '../../../runtime/src/transports/topology.ts'
import { numbered, textOf, texts, toQueue } from '../../helpers/messages.ts'
import { quiet, type TransportSuite } from './suite.ts'

/** The part of the suite about subscriptions. */
export function describeSubscriptions(suite: TransportSuite): void {
  const { connected, consumed } = suite

  describe('subscriptions', () => {
    test('closing gives back what is unsettled, first in its queue and marked as redelivered', async () => {
      const transport = await connected()
      await transport.publish(numbered(4).map((text) => toQueue('q', text)))
      const first = await consumed(transport, ['q'], 3)
      const [acked] = await first.take(3)
      await acked?.ack()
      await suite.fixture.waitFor(() => first.all.length === 4)

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
}
