import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, EncodeError } from '../../runtime/src/core/errors.ts'
import { decodeEnvelope, encodeEnvelope, parkedBy } from '../../runtime/src/wire/envelope.ts'
import { rawMessage } from '../helpers/messages.ts'

const delivery = { exchange: '', routingKey: 'celery', deliveryTag: 'tag-1' }

describe('encodeEnvelope', () => {
  test('writes what kombu writes', () => {
    const message = rawMessage('id-1', {
      properties: { replyTo: 'me', priority: 7, deliveryMode: 1, expirationMs: 60_000.5 },
    })

    expect(JSON.parse(encodeEnvelope(message, delivery))).toEqual({
      body: 'aWQtMQ==',
      'content-encoding': 'utf-8',
      'content-type': 'application/json',
      headers: { id: 'id-1', task: 'tests.add' },
      properties: {
        correlation_id: 'id-1',
        reply_to: 'me',
        delivery_mode: 1,
        expiration: '60000',
        delivery_info: { exchange: '', routing_key: 'celery' },
        priority: 7,
        body_encoding: 'base64',
        delivery_tag: 'tag-1',
      },
    })
  })

  test('the delivery tag is the last text of that name, whatever the headers and properties say', () => {
    const message = rawMessage('a', {
      headers: { delivery_tag: 'header' },
      properties: { extra: { delivery_tag: 'forged', app_id: '"delivery_tag": "inner"', body_encoding: 'x' } },
    })

    const text = encodeEnvelope(message, delivery)

    expect(text.endsWith('"delivery_tag": "tag-1"}}')).toBe(true)
    expect(decodeEnvelope(text).deliveryTag).toBe('tag-1')
    expect(decodeEnvelope(text).raw.properties.extra).toEqual({ app_id: '"delivery_tag": "inner"' })
  })

  test('a body as text has a null encoding, which kombu 5.2 reads too', () => {
    const message = rawMessage('a', { body: new TextEncoder().encode('["ä"]') })

    const envelope: unknown = JSON.parse(encodeEnvelope(message, { ...delivery, bodyEncoding: 'utf-8' }))

    expect(envelope).toMatchObject({ body: '["ä"]', properties: { body_encoding: null } })
  })

  test('refuses headers that JSON cannot hold', () => {
    expect(() => encodeEnvelope(rawMessage('a', { headers: { big: 1n } }), delivery)).toThrow(EncodeError)
  })
})

describe('decodeEnvelope', () => {
  test('properties without a name of their own come back out', () => {
    const message = rawMessage('a', { properties: { extra: { app_id: 'abc', timestamp: 5, none: null } } })

    const { raw } = decodeEnvelope(encodeEnvelope(message, delivery))

    expect(raw.properties.extra).toEqual({ app_id: 'abc', timestamp: 5, none: null })
    expect(decodeEnvelope(encodeEnvelope(raw, delivery)).raw).toEqual(raw)
  })

  test('the least that kombu sends is enough', () => {
    const { raw, exchange, routingKey, redelivered } = decodeEnvelope(
      '{"body": "[]", "headers": null, "properties": {"delivery_tag": "t", "delivery_info": null}}',
    )

    expect(new TextDecoder().decode(raw.body)).toBe('[]')
    expect(raw).toMatchObject({ contentType: 'application/data', headers: {} })
    expect({ exchange, routingKey, redelivered }).toEqual({ exchange: '', routingKey: '', redelivered: false })
  })

  test.each(['{"headers": {"redelivered": true}', '{"headers": {}, "x": 1'])('%s tells a redelivery', (start) => {
    const inInfo = !start.includes('redelivered')
    const text = `${start}, "body": "", "properties": {"delivery_tag": "t", "delivery_info": {"redelivered": ${String(inInfo)}}}}`

    expect(decodeEnvelope(text).redelivered).toBe(true)
  })

  test.each([
    '',
    '[]',
    'null',
    '{}',
    '{"body": 1, "properties": {"delivery_tag": "t"}}',
    '{"body": "", "properties": {}}',
    '{"body": "", "properties": {"delivery_tag": 5}}',
    '{"body": "", "headers": [], "properties": {"delivery_tag": "t"}}',
    '{"body": "", "properties": {"delivery_tag": "t", "body_encoding": "rot13"}}',
    '{"body": "", "properties": {"delivery_tag": "t", "priority": "high"}}',
    '{"body": "", "properties": {"delivery_tag": "t", "delivery_info": "x"}}',
  ])('%s is no envelope', (text) => {
    expect(() => decodeEnvelope(text)).toThrow(DecodeError)
  })

  test('throws nothing but DecodeError, whatever the JSON', () => {
    const field = fc.oneof(fc.constantFrom('base64', 'utf-8', 't', '', null), fc.jsonValue({ maxDepth: 1 }))
    const properties = fc.record(
      {
        delivery_tag: field,
        delivery_info: fc.oneof(field, fc.record({ exchange: field, routing_key: field })),
        priority: field,
        body_encoding: field,
        correlation_id: field,
        __proto__: field,
      },
      { requiredKeys: [] },
    )
    const envelope = fc.oneof(
      fc.jsonValue(),
      fc.record({ body: field, headers: field, 'content-type': field, properties }, { requiredKeys: [] }),
    )
    fc.assert(
      fc.property(envelope, (value) => {
        try {
          decodeEnvelope(JSON.stringify(value))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

test('a parked message says by whom, any other says nothing', () => {
  const raw = rawMessage('a')
  const parked = { ...raw, headers: { ...raw.headers, 'x-tq-parked': 'w@host' } }

  expect(parkedBy(decodeEnvelope(encodeEnvelope(parked, delivery)).raw)).toBe('w@host')
  expect(parkedBy(raw)).toBeUndefined()
})
