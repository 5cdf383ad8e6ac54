import { DecodeError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'

/** What kombu keeps of a held message: its envelope as text, and where a restore has to put it. */
export interface HeldEntry {
  readonly envelope: string
  readonly exchange: string
  readonly routingKey: string
}

/**
 * The value of a held message in the hash of unacknowledged ones: `[envelope, exchange, routing_key]`, the envelope unchanged.
 * Source: kombu/transport/redis.py, QoS.append.
 */
export function encodeEntry(entry: HeldEntry): string {
  return `[${entry.envelope},${JSON.stringify(entry.exchange)},${JSON.stringify(entry.routingKey)}]`
}

// Names of exchanges and queues are short: what they look like stands in the last kilobytes.
const tail = /,\s*(null|"(?:[^"\\]|\\.)*"),\s*(null|"(?:[^"\\]|\\.)*")\s*\]\s*$/

/** Throws DecodeError. */
export function decodeEntry(text: string): HeldEntry {
  const from = Math.max(0, text.length - 4096)
  const match = tail.exec(text.slice(from))
  if (!match || !text.startsWith('[')) throw new DecodeError('Not an entry of a held message: no array of three')
  const [, exchange = '', routingKey = ''] = match
  return { envelope: text.slice(1, from + match.index), exchange: nameOf(exchange), routingKey: nameOf(routingKey) }
}

/**
 * The envelope with both of kombu's marks for a message that was delivered before. Throws DecodeError.
 * Source: kombu/transport/redis.py, Channel._do_restore_message.
 */
export function markRedelivered(envelope: string): string {
  const message = parse(envelope)
  const properties = message.properties ?? {}
  const info = { ...properties.delivery_info, redelivered: true }
  return JSON.stringify({
    ...message,
    headers: { ...message.headers, redelivered: true },
    // Written over, not added: the delivery tag stays the last key.
    properties: { ...properties, delivery_info: info },
  })
}

/** The envelope with the header that says which worker parked the message. Throws DecodeError. */
export function markParkedEnvelope(envelope: string, hostname: string): string {
  const message = parse(envelope)
  return JSON.stringify({ ...message, headers: { ...message.headers, [parkedHeader]: hostname } })
}

/** The same envelope before it was parked. Throws DecodeError. */
export function unmarkParkedEnvelope(envelope: string): string {
  const message = parse(envelope)
  const { [parkedHeader]: _, ...headers } = message.headers ?? {}
  return JSON.stringify({ ...message, headers })
}

/** The message without the marks that brokers and workers put on it on its way. */
export function withoutMarks(raw: RawMessage): RawMessage {
  if (!('redelivered' in raw.headers) && !(parkedHeader in raw.headers)) return raw
  const { redelivered: _, [parkedHeader]: __, ...headers } = raw.headers
  return { ...raw, headers }
}

/** The delivery tag of an envelope that may be damaged elsewhere. The scripts of the Redis transport go by the same rule. */
export function tagOf(envelope: string): string | undefined {
  const tag = /"body_encoding": ?[^,]*, ?"delivery_tag": ?"([^"\\]+)"\}\}$/.exec(envelope.slice(-90))?.[1]
  if (tag !== undefined) return tag
  try {
    const found = parse(envelope).properties?.delivery_tag
    return typeof found === 'string' ? found : undefined
  } catch {
    return undefined
  }
}

interface Envelope {
  readonly headers?: Readonly<Record<string, unknown>>
  readonly properties?: { readonly delivery_info?: Readonly<Record<string, unknown>>; readonly delivery_tag?: unknown }
}

const parkedHeader = 'x-tq-parked'

function parse(envelope: string): Envelope {
  let parsed: unknown
  try {
    parsed = JSON.parse(envelope)
  } catch (cause) {
    throw new DecodeError('Not a message envelope: it is no JSON', { cause })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  throw new DecodeError('Not a message envelope: it is no object')
}

function nameOf(json: string): string {
  const name: unknown = JSON.parse(json)
  return typeof name === 'string' ? name : ''
}
