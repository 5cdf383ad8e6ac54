import { describe, expect, test } from 'vitest'
import { ConnectionError } from '../../../runtime/src/core/errors.ts'
import type { ConnectionState } from '../../../runtime/src/transports/transport.ts'
import type { RawMessage } from '../../../runtime/src/core/message.ts'
import { rawMessage, textOf, toQueue } from '../../helpers/messages.ts'
import type { TransportSuite } from './suite.ts'

/** The part of the suite about what a message carries, connection. */
export function describeMessages(suite: TransportSuite): void {
  const { connected, unconnected, consumed, nowMs } = suite

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
}

function everyByte(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => value)
}

function sameBytes(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left !== undefined && Buffer.compare(left, right) === 0
}
