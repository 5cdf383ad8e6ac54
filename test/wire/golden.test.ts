import { describe, expect, test } from 'vitest'
import { ContentRefusedError, DecodeError } from '../../runtime/src/core/errors.ts'
import { decodeJson, encodeJson } from '../../runtime/src/serializers/json.ts'
import { SerializerRegistry } from '../../runtime/src/serializers/serializer.ts'
import { decodeEnvelope, encodeEnvelope } from '../../runtime/src/wire/envelope.ts'
import { parseIso } from '../../runtime/src/wire/python-text.ts'
import { dictToMeta, metaToDict } from '../../runtime/src/wire/result-meta.ts'
import { decodeTask, encodeTask } from '../../runtime/src/wire/task-protocol.ts'
import { amqpRecordings, envelopeText, redisRecordings } from './recordings.ts'

const registry = new SerializerRegistry(['json'])
const recordings = redisRecordings()

const refused = ['gzip_msgpack', 'serializer_msgpack', 'serializer_pickle', 'serializer_yaml']
// Compressed bytes are undone before the serializer sees them; the recorder cut the large one short.
const unreadable = [
  'compression_brotli',
  'compression_bzip2',
  'compression_gzip',
  'compression_lzma',
  'compression_zlib',
  'compression_zstd',
  'large_payload',
]
const readable = recordings.filter(({ scenario }) => ![...refused, ...unreadable].includes(scenario))

/** Headers with what only tq writes taken away, and times as numbers: an offset may be another, the moment may not. */
function comparable(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { lang: _lang, replaced_task_nesting: _nesting, stamped_headers: _names, stamps: _stamps, ...rest } = headers
  const time = (value: unknown): unknown => (typeof value === 'string' ? parseIso(value) : value)
  return { ...rest, eta: time(rest['eta']), expires: time(rest['expires']) }
}

test('the fixtures hold every recorded scenario', () => {
  expect(recordings).toHaveLength(64)
  expect(readable).toHaveLength(64 - refused.length - unreadable.length)
})

describe.each(readable)('$scenario, sent by Python over Redis', ({ sent, outcome }) => {
  test('reads as a task call and is written with the same headers and body', () => {
    for (const { message: recorded } of sent) {
      const { raw } = decodeEnvelope(envelopeText(recorded))
      const body = registry.decode(raw)

      const message = decodeTask({ headers: raw.headers, properties: raw.properties, body })
      const again = encodeTask(message)

      expect(message.id).toBe(recorded.headers['id'])
      expect(message.task).toBe(recorded.headers['task'])
      expect(comparable(again.headers)).toEqual(comparable(recorded.headers))
      expect(decodeJson(encodeJson(again.body))).toEqual(body)
      expect(again.properties).toMatchObject({
        correlationId: recorded.properties['correlation_id'],
        replyTo: recorded.properties['reply_to'],
        deliveryMode: recorded.properties['delivery_mode'],
        priority: recorded.properties['priority'],
      })
    }
  })

  test('its envelope is written again with nothing lost', () => {
    for (const { message: recorded } of sent) {
      const { raw, deliveryTag, exchange, routingKey } = decodeEnvelope(envelopeText(recorded))

      const text = encodeEnvelope(raw, { deliveryTag, exchange, routingKey })

      expect(JSON.parse(text)).toEqual(JSON.parse(envelopeText(recorded)))
    }
  })

  test('the reprs are those that Python made', () => {
    for (const { message: recorded } of sent) {
      const { raw } = decodeEnvelope(envelopeText(recorded))
      const message = decodeTask({ headers: raw.headers, properties: raw.properties, body: registry.decode(raw) })

      const { headers } = encodeTask({ ...message, argsRepr: undefined, kwargsRepr: undefined })

      expect(headers['argsrepr']).toBe(recorded.headers['argsrepr'])
      expect(headers['kwargsrepr']).toBe(recorded.headers['kwargsrepr'])
    }
  })

  test('its result document is read and written again', () => {
    const document = outcome['backend-document']
    if (document === undefined) return
    const { date_done: done, ...rest } = document

    const { date_done: doneAgain, ...again } = metaToDict(dictToMeta(document))

    expect(again).toEqual(rest)
    if (typeof done === 'string') expect(doneAgain).toBe(`${done}+00:00`)
    else expect(doneAgain).toBe(done)
  })
})

test.each(refused)('the body of %s is refused by its content type', (scenario) => {
  const { raw } = decodeEnvelope(envelopeOf(scenario))

  expect(() => registry.decode(raw)).toThrow(ContentRefusedError)
})

test.each(unreadable)('the body of %s is no JSON', (scenario) => {
  const { raw } = decodeEnvelope(envelopeOf(scenario))

  expect(() => registry.decode(raw)).toThrow(DecodeError)
})

describe.each(amqpRecordings().filter(({ scenario }) => ![...refused, ...unreadable].includes(scenario)))(
  '$scenario, sent by Python over RabbitMQ',
  ({ sent }) => {
    test('reads as a task call and is written with the same headers and body', () => {
      for (const { properties, body: recordedBody } of sent) {
        const text = typeof recordedBody === 'string' ? recordedBody : atob(recordedBody.base64)
        const {
          application_headers: headers,
          content_type: contentType,
          content_encoding: contentEncoding,
        } = properties
        const body = registry.decode({ body: new TextEncoder().encode(text), contentType, contentEncoding })

        const again = encodeTask(decodeTask({ headers, properties: {}, body }))

        expect(comparable(again.headers)).toEqual(comparable(headers))
        expect(decodeJson(encodeJson(again.body))).toEqual(body)
      }
    })
  },
)

function envelopeOf(scenario: string): string {
  const found = recordings.find((each) => each.scenario === scenario)?.sent[0]
  if (!found) throw new Error(`No recording ${scenario}`)
  return envelopeText(found.message)
}
