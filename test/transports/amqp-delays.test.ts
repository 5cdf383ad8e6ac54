import { describe, expect, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpTransport } from '../../runtime/src/transports/amqp.ts'
import { directQueue, type Queue } from '../../runtime/src/transports/topology.ts'
import { delayEntry, delayKey, delayQueues } from '../../runtime/src/wire/amqp-layout.ts'
import { waitFor } from '../helpers/clock.ts'
import { rawMessage, textOf, texts, toQueue } from '../helpers/messages.ts'
import { requireService } from '../helpers/services.ts'
import { amqpClients } from './amqp-clients.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe.skipIf(!requireService('rabbitmq'))('the RabbitMQ transport keeps what is not due', () => {
  const on = amqpClients()
  const { connection, connected, consumed, first } = on

  describe('delays', () => {
    test('whole seconds are waited for in the broker, and nothing of it is seen afterwards', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      const dueMs = systemClock.now() + 1300

      await transport.publish([toQueue('q', 'later', { dueMs })])

      const delivery = await first(arrived)
      expect(systemClock.now()).toBeGreaterThanOrEqual(dueMs)
      expect(delivery.info).toMatchObject({ exchange: '', routingKey: 'q', redelivered: false, deliveries: 1 })
      expect(delivery.raw.headers).toEqual(rawMessage('later').headers)
    })

    test('a message may wait again and again', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      await transport.publish([toQueue('q', 'one')])

      for (let at = 0; at < 2; at++) await (await first(arrived, at)).park(systemClock.now() + 1050)

      expect(textOf(await first(arrived, 2))).toBe('one')
    })

    test('it reaches its own queue alone, though the name of another ends in the same words', async () => {
      const transport = await connected([directQueue('mail'), directQueue('high.mail')])
      const arrived = await consumed(transport, ['mail', 'high.mail'])

      await transport.publish([
        toQueue('high.mail', 'high', { dueMs: systemClock.now() + 1010 }),
        toQueue('mail', 'low', { dueMs: systemClock.now() + 1010 }),
      ])

      await first(arrived, 1)
      await transport.queueInfo('mail')
      expect(arrived.map(({ info, raw }) => `${info.queue} ${textOf(raw)}`).toSorted()).toEqual([
        'high.mail high',
        'mail low',
      ])
    })

    test("a message that Celery 5.5 delayed arrives, and is counted and purged as the queue's", async () => {
      const transport = await connected([directQueue('q'), directQueue('r')])
      await transport.publish([toQueue('q', 'ours', { dueMs: systemClock.now() + 3_600_000 })])
      await transport.publish([toQueue('r', 'other', { dueMs: systemClock.now() + 3_600_000 })])
      const arrived = await consumed(transport)

      on.foreign.publish(delayEntry, delayKey(1, 'q'), Buffer.from('theirs'), { correlationId: 'theirs' })
      expect(textOf(await first(arrived))).toBe('theirs')
      on.foreign.publish(delayEntry, delayKey(4000, 'q'), Buffer.from('theirs'), { correlationId: 'theirs' })

      await waitFor(async () => (await transport.queueInfo('q')).parked === 2)
      expect(texts(await transport.peek('q', { limit: 9, state: 'parked' }))).toEqual(['ours', 'theirs'])
      expect(await transport.purge('q')).toBe(2)
      expect(await transport.queueInfo('q')).toMatchObject({ parked: 0 })
      expect(await transport.queueInfo('r')).toMatchObject({ parked: 1 })
    })

    test('what an exchange delivers too early is put back by the consumer', async () => {
      const all: Queue = { ...directQueue('q'), exchange: { name: 't', type: 'topic' }, routingKey: '#' }
      const transport = await connected([all])
      const arrived = await consumed(transport)
      const dueMs = systemClock.now() + 1700
      const toAll = (text: string, due: number): Promise<void> =>
        transport.publish([{ exchange: 't', routingKey: 'any', message: rawMessage(text), dueMs: due }])

      await toAll('much later', systemClock.now() + 3_600_000)
      await toAll('soon', dueMs)

      expect(textOf(await first(arrived))).toBe('soon')
      expect(systemClock.now()).toBeGreaterThanOrEqual(dueMs)
      await waitFor(async () => (await transport.queueInfo('q')).parked === 1)
      expect(texts(await transport.peek('q', { limit: 9, state: 'parked' }))).toEqual(['much later'])
    })

    test('delay queues of another type are taken as they are', async () => {
      const before = await connected()
      await before.publish([toQueue('q', 'early', { dueMs: systemClock.now() + 3_600_000 })])

      const transport = await connected(undefined, { delayQueueType: 'quorum' })
      await transport.publish([toQueue('q', 'later', { dueMs: systemClock.now() + 3_600_000 })])

      expect((await transport.queueInfo('q')).parked).toBe(2)
    })

    test('the delay queues are quorum queues unless told otherwise, and delay', async () => {
      const transport = new AmqpTransport(connection(), deps)
      on.closeLater(transport)
      await transport.connect()
      await transport.declare({ queues: [directQueue('q')] })
      const arrived = await consumed(transport)

      await transport.publish([toQueue('q', 'later', { dueMs: systemClock.now() + 1050 })])

      expect(textOf(await first(arrived))).toBe('later')
      await on.foreign.assertQueue(delayQueues[27] ?? '', {
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-overflow': 'reject-publish',
          'x-message-ttl': 1000,
          'x-dead-letter-exchange': 'celery_delayed_delivery',
          'x-dead-letter-strategy': 'at-least-once',
        },
      })
    })
  })
})
