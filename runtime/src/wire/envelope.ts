import { DecodeError, EncodeError } from '../core/errors.ts'
import type { RawMessage, RawProperties } from '../core/message.ts'
import { isRecord, optionalCount, optionalRecord, optionalText, otherFields, requiredText, shown } from './fields.ts'

/**
 * kombu's envelope: one JSON text that holds the whole message, for brokers that know only texts (Redis, SQLite).
 * `properties` is its last key and `delivery_tag` the last key in there, as kombu writes them, so that a script finds the tag
 * by looking for the last one. Throws EncodeError for headers that JSON cannot hold.
 * Source: kombu/transport/virtual/base.py, Channel.prepare_message, _inplace_augment_message; Message.serializable.
 */
export function encodeEnvelope(message: RawMessage, delivery: EnvelopeDelivery): string {
  const { properties } = message
  const isText = delivery.bodyEncoding === 'utf-8'
  const bytes = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength)
  const body = isText ? quoted(bytes.toString('utf8')) : `"${bytes.toString('base64')}"`
  let text = `{"body": ${body}, "content-encoding": ${quoted(message.contentEncoding)}, "content-type": ${quoted(message.contentType)}`
  text += `, "headers": ${jsonOf(message.headers, 'headers')}, "properties": {`
  if (properties.correlationId !== undefined) text += `"correlation_id": ${quoted(properties.correlationId)}, `
  if (properties.replyTo !== undefined) text += `"reply_to": ${quoted(properties.replyTo)}, `
  if (properties.expirationMs !== undefined) text += `"expiration": "${Math.trunc(properties.expirationMs)}", `
  for (const key in properties.extra) {
    if (ownProperties.has(key) || properties.extra[key] === undefined) continue
    text += `${quoted(key)}: ${jsonOf(properties.extra[key], `properties.${key}`)}, `
  }
  text += `"delivery_mode": ${properties.deliveryMode ?? 2}`
  text += `, "delivery_info": {"exchange": ${quoted(delivery.exchange)}, "routing_key": ${quoted(delivery.routingKey)}}`
  // kombu 5.2 looks every name up in a table that has base64 alone; null is raw text to every version.
  text += `, "priority": ${properties.priority ?? 0}, "body_encoding": ${isText ? 'null' : '"base64"'}`
  return `${text}, "delivery_tag": ${quoted(delivery.deliveryTag)}}}`
}

export interface EnvelopeDelivery {
  /** Empty for the anonymous exchange. */
  readonly exchange: string
  readonly routingKey: string
  /** A fresh UUID by the publisher; a redelivery keeps it. */
  readonly deliveryTag: string
  /** `utf-8` puts the body in as text, only for bodies that are UTF-8. Default base64. */
  readonly bodyEncoding?: 'base64' | 'utf-8' | undefined
}

export interface DecodedEnvelope {
  readonly raw: RawMessage
  readonly deliveryTag: string
  readonly exchange: string
  readonly routingKey: string
  /** Somebody gave it back, by a reject or a restore of kombu's. */
  readonly redelivered: boolean
}

/**
 * The message in an envelope. Its body stays bytes. Properties that tq has no name for go to `properties.extra` and come back
 * out of `encodeEnvelope`. Throws DecodeError.
 */
export function decodeEnvelope(text: string): DecodedEnvelope {
  const envelope = parsed(text)
  const properties = record(envelope['properties'], 'properties')
  const info = record(properties['delivery_info'], 'delivery_info')
  const headers = record(envelope['headers'], 'headers')
  return {
    raw: {
      body: bodyOf(envelope['body'], properties['body_encoding']),
      // kombu takes a message without a type for bytes of no type.
      contentType: optionalText(envelope['content-type'], 'content-type', fail) ?? 'application/data',
      contentEncoding: optionalText(envelope['content-encoding'], 'content-encoding', fail) ?? 'utf-8',
      headers,
      properties: propertiesOf(properties),
    },
    deliveryTag: requiredText(properties['delivery_tag'], 'delivery_tag', fail),
    exchange: optionalText(info['exchange'], 'exchange', fail) ?? '',
    routingKey: optionalText(info['routing_key'], 'routing_key', fail) ?? '',
    redelivered: headers['redelivered'] === true || info['redelivered'] === true,
  }
}

/** Node name of the worker that parked the message, if one did. */
export function parkedBy(raw: RawMessage): string | undefined {
  const hostname = raw.headers[parkedHeader]
  return typeof hostname === 'string' ? hostname : undefined
}

const parkedHeader = 'x-tq-parked'

const ownProperties: ReadonlySet<string> = new Set([
  'correlation_id',
  'reply_to',
  'delivery_mode',
  'delivery_info',
  'priority',
  'body_encoding',
  'delivery_tag',
  'expiration',
  '__proto__',
])

const quoted = (text: string): string => JSON.stringify(text)

function jsonOf(value: unknown, path: string): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch (cause) {
    throw new EncodeError(path, cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

const fail = (name: string, reason: string): never => {
  throw new DecodeError(`Not a message envelope: ${name} ${reason}`)
}

function parsed(text: string): Record<string, unknown> {
  let envelope: unknown
  try {
    envelope = JSON.parse(text)
  } catch (cause) {
    throw new DecodeError(`Not a message envelope: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  return isRecord(envelope) ? envelope : fail('it', `is to be an object, got ${shown(envelope)}`)
}

function record(value: unknown, name: string): Record<string, unknown> {
  return optionalRecord(value, name, fail) ?? {}
}

/** Buffer skips what is no base64; such a body then fails in its serializer. */
function bodyOf(body: unknown, encoding: unknown): Uint8Array {
  if (typeof body !== 'string') return fail('body', `is to be text, got ${shown(body)}`)
  if (encoding === 'base64') return Buffer.from(body, 'base64')
  if (encoding === null || encoding === undefined) return Buffer.from(body, 'utf8')
  if (typeof encoding === 'string' && /^(?:utf-?8)?$/i.test(encoding)) return Buffer.from(body, 'utf8')
  return fail('body_encoding', `is to be base64, utf-8 or null, got ${shown(encoding)}`)
}

function propertiesOf(properties: Record<string, unknown>): RawProperties {
  const expiration = properties['expiration']
  const mode = properties['delivery_mode']
  return {
    correlationId: optionalText(properties['correlation_id'], 'correlation_id', fail),
    replyTo: optionalText(properties['reply_to'], 'reply_to', fail),
    deliveryMode: mode === 1 || mode === 2 ? mode : undefined,
    priority: optionalCount(properties['priority'], 'priority', fail),
    expirationMs: typeof expiration === 'string' && /^\d{1,15}$/.test(expiration) ? Number(expiration) : undefined,
    extra: otherFields(properties, ownProperties),
  }
}
