import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../../runtime/src/core/errors.ts'
import type { EventBase, WorkerEvent } from '../../runtime/src/events/event.ts'
import {
  decodeEvents,
  decodeGoodEvents,
  dictToEvent,
  encodeEvents,
  eventToDict,
} from '../../runtime/src/wire/event-dict.ts'

const base: EventBase = {
  hostname: 'w1@host',
  pid: 17,
  clock: 9,
  timestampMs: 1_767_323_045_123.456,
  utcoffset: -1,
}

const baseDict = { hostname: 'w1@host', pid: 17, clock: 9, timestamp: 1_767_323_045.123456, utcoffset: -1 }

const described = { uuid: 'a', name: 'tasks.add', args: '(1, 2)', kwargs: '{}', retries: 0 }
const describedDict = { ...described, root_id: 'a', parent_id: null, eta: null, expires: null }
const pulse = {
  freq: 2,
  active: 1,
  processed: 5,
  loadavg: [0.5, 0.25, 0],
  swIdent: 'tq',
  swVer: '0.1.0',
  swSys: 'linux',
}
const pulseDict = {
  freq: 2,
  active: 1,
  processed: 5,
  loadavg: [0.5, 0.25, 0],
  sw_ident: 'tq',
  sw_ver: '0.1.0',
  sw_sys: 'linux',
}

const golden: readonly (readonly [WorkerEvent, Record<string, unknown>])[] = [
  [
    { type: 'task-sent', ...base, ...described, rootId: 'a', queue: 'celery', exchange: '', routingKey: 'celery' },
    { type: 'task-sent', ...baseDict, ...describedDict, queue: 'celery', exchange: '', routing_key: 'celery' },
  ],
  [
    { type: 'task-received', ...base, ...described, rootId: 'a' },
    { type: 'task-received', ...baseDict, ...describedDict },
  ],
  [
    { type: 'task-started', ...base, uuid: 'a' },
    { type: 'task-started', ...baseDict, uuid: 'a' },
  ],
  [
    { type: 'task-succeeded', ...base, uuid: 'a', result: '3', runtime: 0.25 },
    { type: 'task-succeeded', ...baseDict, uuid: 'a', result: '3', runtime: 0.25 },
  ],
  [
    { type: 'task-failed', ...base, uuid: 'a', exception: "ValueError('bad')", traceback: 'Traceback' },
    { type: 'task-failed', ...baseDict, uuid: 'a', exception: "ValueError('bad')", traceback: 'Traceback' },
  ],
  [
    { type: 'task-retried', ...base, uuid: 'a', exception: "ValueError('bad')" },
    { type: 'task-retried', ...baseDict, uuid: 'a', exception: "ValueError('bad')", traceback: null },
  ],
  [
    { type: 'task-rejected', ...base, uuid: 'a', requeue: true },
    { type: 'task-rejected', ...baseDict, uuid: 'a', requeue: true },
  ],
  [
    { type: 'task-revoked', ...base, uuid: 'a', terminated: true, signum: 'SIGTERM', expired: false },
    { type: 'task-revoked', ...baseDict, uuid: 'a', terminated: true, signum: 'SIGTERM', expired: false },
  ],
  [
    { type: 'worker-heartbeat', ...base, ...pulse },
    { type: 'worker-heartbeat', ...baseDict, ...pulseDict },
  ],
  [
    { type: 'custom', ...base, name: 'worker-elect', fields: { id: 'x', topic: 'task', cver: 1 } },
    { type: 'worker-elect', ...baseDict, id: 'x', topic: 'task', cver: 1 },
  ],
]

describe.each(golden)('event $type', (event, dict) => {
  test('is written with the fields that Celery writes', () => {
    expect(eventToDict(event)).toEqual(dict)
  })

  test('is read back as it was', () => {
    expect(dictToEvent(dict)).toEqual(event)
  })
})

test('a task event of Celery 5.2 without the later fields is read', () => {
  expect(dictToEvent({ type: 'task-received', hostname: 'w', timestamp: 1, uuid: 'a' })).toMatchObject({
    uuid: 'a',
    name: '',
    retries: 0,
    pid: 0,
    clock: 0,
  })
})

test.each([
  ['no object', 7],
  ['no type', { ...baseDict }],
  ['no time', { type: 'task-started', hostname: 'w', uuid: 'a' }],
  ['no uuid', { type: 'task-started', ...baseDict }],
  ['a time that no calendar has', { type: 'task-started', ...baseDict, uuid: 'a', timestamp: 1e300 }],
  ['no sender', { type: 'task-started', timestamp: 1, uuid: 'a' }],
])('an event with %s is refused', (_, value) => {
  expect(() => dictToEvent(value)).toThrow(DecodeError)
})

describe('encodeEvents', () => {
  const started = (uuid: string): WorkerEvent => ({ type: 'task-started', ...base, uuid })
  const text = (body: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(body))

  test('sends one event as a dict under its own key', () => {
    const { message, routingKey } = encodeEvents([started('a')])

    expect(routingKey).toBe('task.started')
    expect(text(message.body)).toEqual({ type: 'task-started', ...baseDict, uuid: 'a' })
    expect(message).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: { hostname: 'w1@host' },
      properties: { deliveryMode: 1 },
    })
  })

  test('sends several events as a list under task.multi', () => {
    const { message, routingKey } = encodeEvents([started('a'), started('b')])

    expect(routingKey).toBe('task.multi')
    expect(text(message.body)).toMatchObject([{ uuid: 'a' }, { uuid: 'b' }])
  })

  test('gives a custom event the key of its own name, and its dates a tag', () => {
    const when = new Date(Date.UTC(2026, 0, 2))
    const { message, routingKey } = encodeEvents([
      { type: 'custom', ...base, name: 'shop-order-paid', fields: { when } },
    ])

    expect(routingKey).toBe('shop.order.paid')
    expect(text(message.body)).toMatchObject({ when: { __type__: 'datetime' } })
  })

  test('is read back by decodeEvents, alone and as a list', () => {
    const events = golden.map(([event]) => event)

    expect(decodeEvents(encodeEvents(events).message)).toEqual(events)
    for (const event of events) expect(decodeEvents(encodeEvents([event]).message)).toEqual([event])
  })

  test('decodeEvents refuses a list with one bad event, decodeGoodEvents counts it', () => {
    const { message } = encodeEvents([started('a'), started('')])

    expect(() => decodeEvents(message)).toThrow(DecodeError)
    expect(decodeGoodEvents(message)).toMatchObject({ events: [{ uuid: 'a' }], bad: 1 })
  })

  test.each([
    ['another serializer', { contentType: 'application/x-msgpack' }],
    ['bytes that are no text', { body: Uint8Array.of(0xff, 0xfe) }],
    ['half a text', { body: Buffer.from('{"type"') }],
  ])('a message in %s is refused and counted', (_, changes) => {
    const message = { ...encodeEvents([started('a')]).message, ...changes }

    expect(() => decodeEvents(message)).toThrow(DecodeError)
    expect(decodeGoodEvents(message)).toEqual({ events: [], bad: 1 })
  })
})

test('any JSON value is an event or a DecodeError', () => {
  const types = fc.constantFrom(...golden.map(([, dict]) => dict['type']))
  const keys = fc.constantFrom(
    ...new Set([...golden.flatMap(([, dict]) => Object.keys(dict)), '__proto__', 'toString']),
  )
  const likeAnEvent = fc
    .tuple(types, fc.dictionary(keys, fc.jsonValue()))
    .map(([type, fields]) => ({ ...baseDict, uuid: 'a', ...fields, type }))

  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), likeAnEvent), (value) => {
      let event: WorkerEvent
      try {
        event = dictToEvent(JSON.parse(JSON.stringify(value)))
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
        return
      }
      // What was read can be written, and reads the same; a time far from ours may lose its last bit.
      const again = dictToEvent(JSON.parse(JSON.stringify(eventToDict(event))))
      expect({ ...again, timestampMs: 0 }).toEqual({ ...event, timestampMs: 0 })
    }),
  )
})
