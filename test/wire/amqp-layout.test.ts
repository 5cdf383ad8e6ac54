import { describe, expect, test } from 'vitest'
import type { RawMessage } from '../../runtime/src/core/message.ts'
import { topicMatches } from '../../runtime/src/transports/topology.ts'
import {
  broadcastExchange,
  delayedFor,
  delayEntry,
  delayKey,
  delayLevels,
  delayPattern,
  delayQueues,
  fromAmqp,
  listenerQueue,
  longestDelaySeconds,
  replyToExchange,
  resultMessage,
  toAmqp,
  withDue,
} from '../../runtime/src/wire/amqp-layout.ts'
import { rawMessage, success } from '../helpers/messages.ts'

describe('names', () => {
  test("remote control and events have Celery's exchanges", () => {
    expect(broadcastExchange('celery.pidbox')).toEqual({ name: 'celery.pidbox', type: 'fanout', durable: false })
    expect(broadcastExchange('celeryev')).toEqual({ name: 'celeryev', type: 'topic', durable: true })
    expect(replyToExchange('reply.celery.pidbox')).toEqual({
      name: 'reply.celery.pidbox',
      type: 'direct',
      durable: false,
    })
  })

  test("listeners have Celery's queues", () => {
    expect(listenerQueue('celery.pidbox', 'id')).toMatchObject({
      name: 'id.celery.pidbox',
      autoDelete: true,
      arguments: { 'x-expires': 10_000, 'x-message-ttl': 300_000 },
    })
    expect(listenerQueue('celeryev', 'id')).toMatchObject({
      name: 'celeryev.id',
      autoDelete: true,
      arguments: { 'x-expires': 60_000, 'x-message-ttl': 5000 },
    })
  })
})

describe('delayed delivery', () => {
  /** Seconds that a message waits in all, and where it comes out: the bindings followed as a broker does. */
  function travel(routingKey: string): number {
    const levels = delayLevels('classic')
    let seconds = 0
    for (let at = levels[0]; at; at = levels.find(({ exchange }) => exchange.name === at?.next)) {
      const waits = topicMatches(at.queuePattern, routingKey)
      expect(topicMatches(at.nextPattern, routingKey)).toBe(!waits)
      if (waits) seconds += Number(at.queue.arguments['x-message-ttl']) / 1000
      expect(at.queue.arguments['x-dead-letter-exchange']).toBe(at.next)
    }
    return seconds
  }

  test.each([0, 1, 2, 3, 5, 60, 86_399, 2 ** 27, longestDelaySeconds])('%i seconds are waited for', (seconds) => {
    expect(travel(delayKey(seconds, 'mail'))).toBe(seconds)
  })

  test('a delay beyond the longest is the longest, a fraction is dropped', () => {
    expect(travel(delayKey(2 ** 30, 'mail'))).toBe(longestDelaySeconds)
    expect(travel(delayKey(3.9, 'mail'))).toBe(3)
  })

  test('the layout is that of Celery 5.5', () => {
    const [first, second] = delayLevels('quorum')
    const last = delayLevels('quorum').at(-1)

    expect(delayEntry).toBe('celery_delayed_27')
    expect(delayQueues).toHaveLength(28)
    expect(first).toEqual({
      exchange: { name: 'celery_delayed_27', type: 'topic', durable: true },
      queue: {
        name: 'celery_delayed_27',
        durable: true,
        autoDelete: false,
        exclusive: false,
        arguments: {
          'x-queue-type': 'quorum',
          'x-overflow': 'reject-publish',
          'x-message-ttl': 134_217_728_000,
          'x-dead-letter-exchange': 'celery_delayed_26',
          'x-dead-letter-strategy': 'at-least-once',
        },
      },
      queuePattern: '1.#',
      next: 'celery_delayed_26',
      nextPattern: '0.#',
    })
    expect(second?.queuePattern).toBe('*.1.#')
    expect(last).toMatchObject({ next: 'celery_delayed_delivery', queue: { arguments: { 'x-message-ttl': 1000 } } })
  })

  test('a queue gets its own delayed messages and not those of one whose name ends as its own', () => {
    expect(topicMatches(delayPattern('mail'), delayKey(5, 'mail'))).toBe(true)
    expect(topicMatches(delayPattern('high.mail'), delayKey(5, 'high.mail'))).toBe(true)
    expect(topicMatches(delayPattern('mail'), delayKey(5, 'high.mail'))).toBe(false)
    expect(delayedFor(delayKey(5, 'high.mail'))).toBe('high.mail')
    expect(delayedFor('mail')).toBeUndefined()
  })
})

describe('messages', () => {
  const there = (message: RawMessage): ReturnType<typeof fromAmqp> => fromAmqp(message.body, toAmqp(message))

  test('further properties have their own names and come back', () => {
    const extra = { message_id: 'm', timestamp: 1_700_000_000, type: 't', user_id: 'guest', app_id: 'abc' }
    const message = rawMessage('one', { properties: { extra, expirationMs: 1234.5 } })

    expect(toAmqp(message)).toMatchObject({
      messageId: 'm',
      timestamp: 1_700_000_000,
      type: 't',
      userId: 'guest',
      appId: 'abc',
      expiration: '1234',
    })
    expect(there(message).raw.properties).toMatchObject({ extra, expirationMs: 1234 })
  })

  test('a time to wait for is told apart from the headers, and ends no life in a delay queue', () => {
    const message = rawMessage('one', { properties: { expirationMs: 500 } })

    const { raw, dueMs } = there(withDue(message, 12_345.2))

    expect(dueMs).toBe(12_346)
    expect(raw.headers).toEqual(message.headers)
    expect(raw.properties.expirationMs).toBeUndefined()
  })

  test('the trace of the delay queues is taken out, that of other queues stays', () => {
    const delay = { queue: 'celery_delayed_3', reason: 'expired', count: 1 }
    const own = { queue: 'orders', reason: 'rejected', count: 2 }
    const first = { 'x-first-death-queue': 'orders', 'x-last-death-reason': 'rejected' }
    const headersAfter = (headers: Record<string, unknown>): unknown =>
      there(rawMessage('one', { headers })).raw.headers

    expect(headersAfter({ id: 'one', 'x-death': [delay], ...first })).toEqual({ id: 'one' })
    expect(headersAfter({ id: 'one', 'x-death': [delay, own], ...first })).toEqual({
      id: 'one',
      'x-death': [own],
      ...first,
    })
  })

  test('earlier deliveries are counted by quorum queues', () => {
    expect(there(rawMessage('one', { headers: { 'x-delivery-count': 3 } })).earlierDeliveries).toBe(3)
    expect(there(rawMessage('one')).earlierDeliveries).toBeUndefined()
  })

  test('a result has the five fields of Celery', () => {
    const message = resultMessage({ ...success('a', 4), children: [] }, { persistent: false, encode: JSON.stringify })

    expect(JSON.parse(Buffer.from(message.body).toString())).toEqual({
      task_id: 'a',
      status: 'SUCCESS',
      result: 4,
      traceback: null,
      children: [],
    })
    expect(toAmqp(message)).toMatchObject({ correlationId: 'a', deliveryMode: 1, contentType: 'application/json' })
  })
})
