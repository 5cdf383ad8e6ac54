import { describe, expect, test } from 'vitest'
import { ChannelError, ConnectionError } from '../../runtime/src/core/errors.ts'
import { directQueue, type Queue } from '../../runtime/src/transports/topology.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { decodeTask } from '../../runtime/src/wire/task-protocol.ts'
import { waitFor } from '../helpers/clock.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../helpers/messages.ts'
import { requireService } from '../helpers/services.ts'
import { amqpRecordings } from '../wire/recordings.ts'
import { amqpClients } from './amqp-clients.ts'

describe.skipIf(!requireService('rabbitmq'))('the RabbitMQ transport declares and publishes', () => {
  const on = amqpClients()
  const { connected, consumed, first } = on

  const withArguments = (args: Record<string, unknown>): Queue => ({ ...directQueue('q'), arguments: args })

  describe('declarations', () => {
    test("are Celery's: a durable queue on a durable direct exchange of its name", async () => {
      await connected([directQueue('celery')])

      await on.foreign.assertExchange('celery', 'direct', { durable: true })
      await on.foreign.assertQueue('celery', { durable: true, autoDelete: false, exclusive: false })
      on.foreign.publish('celery', 'celery', Buffer.from('one'))
      await waitFor(async () => (await on.foreign.checkQueue('celery')).messageCount === 1)
    })

    test('one that does not fit names the argument, both values and what to do', async () => {
      await on.foreign.assertQueue('q', { durable: true, arguments: { 'x-max-priority': 10 } })

      const refused = connected()

      await expect(refused).rejects.toBeInstanceOf(ChannelError)
      await expect(refused).rejects.toThrow(
        /queue 'q' exists .* with x-max-priority 10, and this program declares it with nothing\. .*delete_queue q/,
      )
    })

    test('a refused declaration hinders nothing else', async () => {
      await on.foreign.assertQueue('other', { durable: true, arguments: { 'x-max-length': 5 } })
      const transport = await connected()

      await expect(transport.declare({ queues: [directQueue('other')] })).rejects.toBeInstanceOf(ChannelError)
      await transport.publish([toQueue('q', 'one')])

      expect((await transport.queueInfo('q')).ready).toBe(1)
    })

    test('arguments are passed on: a full queue that refuses says so to the sender', async () => {
      const transport = await connected([withArguments({ 'x-max-length': 1, 'x-overflow': 'reject-publish' })])
      await transport.publish([toQueue('q', 'one')])

      await expect(transport.publish([toQueue('q', 'two')])).rejects.toThrow(/queue is full/)

      expect((await transport.queueInfo('q')).ready).toBe(1)
    })

    test('a queue that goes with its last consumer is made and used', async () => {
      const bcast: Queue = {
        name: 'bcast.1',
        exchange: { name: 'f', type: 'fanout' },
        routingKey: '',
        autoDelete: true,
      }
      const transport = await connected([bcast])
      const arrived = await consumed(transport, ['bcast.1'])

      await transport.publish([{ exchange: 'f', routingKey: '', message: rawMessage('all') }])

      expect(textOf(await first(arrived))).toBe('all')
      await transport.close()
      await expect(on.foreign.checkQueue('bcast.1')).rejects.toThrow(/NOT_FOUND/)
    })
  })

  describe('publishing', () => {
    test('a queue that was deleted is made again instead of losing the message', async () => {
      const transport = await connected()
      await on.foreign.deleteQueue('q')

      await transport.publish(numbered(3).map((text) => toQueue('q', text)))

      expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toEqual(numbered(3))
    })

    test('an exchange that is not there is an error of those who publish to it alone', async () => {
      const transport = await connected()
      const wrong = transport.publish([{ exchange: 'nowhere', routingKey: 'x', message: rawMessage('one') }])
      const right = transport.publish([toQueue('q', 'two')])

      await expect(wrong).rejects.toThrow(/no exchange 'nowhere'/)
      await right.catch((error: unknown) => expect(error).toBeInstanceOf(ConnectionError))
      await transport.publish([toQueue('q', 'three')])

      expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toContain('three')
    })

    test('the highest priority goes first where the queue knows priorities', async () => {
      const transport = await connected([withArguments({ 'x-max-priority': 10 })])
      const order = [0, 9, 3, 9]
      await transport.publish(
        order.map((priority, at) => toQueue('q', `${priority}-${at}`, { properties: { priority } })),
      )

      const arrived = await consumed(transport)

      await first(arrived, 3)
      expect(texts(arrived)).toEqual(['9-1', '9-3', '3-2', '0-0'])
      expect(arrived.map(({ info }) => info.priority)).toEqual([9, 9, 3, 0])
    })

    test('what Python sent is read, and sent again with the same properties and bytes', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      await on.foreign.assertQueue('copy')
      let at = 0
      for (const { sent } of amqpRecordings()) {
        for (const { properties, body } of sent) {
          const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.base64, 'base64')
          const { application_headers: headers, expiration, priority, correlation_id: correlationId } = properties
          const plain = {
            contentType: properties.content_type,
            contentEncoding: properties.content_encoding,
            headers,
            deliveryMode: Number(properties['delivery_mode']),
            correlationId: String(correlationId),
            replyTo: String(properties['reply_to']),
            ...(priority === undefined ? {} : { priority: Number(priority) }),
            ...(expiration === undefined ? {} : { expiration: text(expiration) }),
            ...(properties['app_id'] === undefined ? {} : { appId: text(properties['app_id']) }),
          }
          on.foreign.publish('', 'q', bytes, plain)
          const { raw } = await first(arrived, at++)

          expect(decodeTask({ headers: raw.headers, properties: raw.properties, body: [[], {}, {}] }).id).toBe(
            headers['id'],
          )
          await transport.publish([{ exchange: '', routingKey: 'copy', message: raw }])

          const copy = await on.foreign.get('copy', { noAck: true })
          if (!copy) throw new Error('no copy')
          const known = Object.entries(copy.properties).filter(([, value]) => value !== undefined)
          expect(Object.fromEntries(known)).toEqual({ priority: 0, ...plain })
          expect(copy.content.equals(bytes)).toBe(true)
        }
      }
      expect(at).toBeGreaterThan(60)
    })
  })

  describe('quorum queues', () => {
    const quorum = (name: string): Queue => ({ ...directQueue(name), arguments: { 'x-queue-type': 'quorum' } })

    test('the prefetch holds for all queues together, and changes while running', async () => {
      const transport = await connected([quorum('a'), quorum('b')])
      await transport.publish(numbered(10).map((text) => toQueue('a', text)))
      await transport.publish(numbered(10).map((text) => toQueue('b', text)))
      const arrived: Delivery[] = []
      const subscription = await transport.subscribe(['a', 'b'], { prefetch: 4 }, (some) => arrived.push(...some))
      await first(arrived, 3)
      await transport.queueInfo('a')
      expect(arrived).toHaveLength(4)

      subscription.setPrefetch(6)
      await first(arrived, 5)
      await transport.queueInfo('a')
      expect(arrived).toHaveLength(6)

      for (let at = 0; at < 20; at++) expect(await (await first(arrived, at)).ack()).toBe('ok')
      expect(new Set(arrived).size).toBe(20)
    })

    test('deliveries are counted', async () => {
      const transport = await connected([quorum('a')])
      await transport.publish([toQueue('a', 'one')])
      const arrived = await consumed(transport, ['a'])

      for (let at = 0; at < 3; at++) await (await first(arrived, at)).reject({ requeue: true })

      const last = await first(arrived, 3)
      expect(arrived.map(({ info }) => info.deliveries)).toEqual([1, 2, 3, 4])
      expect(last.raw.headers).not.toHaveProperty('x-delivery-count')
    })

    test('one that somebody else declared is consumed without being told its type', async () => {
      await on.foreign.assertQueue('theirs', { durable: true, arguments: { 'x-queue-type': 'quorum' } })
      const transport = await connected()
      const arrived = await consumed(transport, ['q', 'theirs'], 3)

      on.foreign.sendToQueue('theirs', Buffer.from('one'))

      expect(textOf(await first(arrived))).toBe('one')
    })
  })
})

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
