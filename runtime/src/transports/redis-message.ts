import { DecodeError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import { textsOf } from '../drivers/redis-reply.ts'
import { decodeEnvelope, parkedBy } from '../wire/envelope.ts'
import { tagOf, withoutMarks } from '../wire/redis-entry.ts'
import type { DeliveryInfo } from './transport.ts'

export interface ReadMessage {
  readonly tag: string
  readonly raw: RawMessage
  readonly info: DeliveryInfo
}

export interface UnreadableMessage {
  readonly tag: string | undefined
  readonly reason: string
}

/** What a consumer is handed for a text from a list of `queue`. */
export function readEnvelope(envelope: string, queue: string): ReadMessage | UnreadableMessage {
  try {
    const { raw, deliveryTag, exchange, routingKey, redelivered } = decodeEnvelope(envelope)
    // Python marks what it brings back after its ETA; that was no delivery to a worker.
    const deliveries = redelivered && parkedBy(raw) === undefined ? 2 : 1
    const priority = raw.properties.priority ?? 0
    return {
      tag: deliveryTag,
      raw: withoutMarks(raw),
      info: { queue, exchange, routingKey, priority, redelivered, deliveries },
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { tag: tagOf(envelope), reason: error.message }
  }
}

/** The message in a text for those who only look; of a broken one its bytes. */
export function rawOf(envelope: string): RawMessage {
  try {
    return withoutRedelivery(decodeEnvelope(envelope).raw)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return {
      body: Buffer.from(envelope, 'utf8'),
      contentType: 'application/octet-stream',
      contentEncoding: 'binary',
      headers: {},
      properties: {},
    }
  }
}

// Whoever parked it stays visible: `inspect scheduled` asks for it.
function withoutRedelivery(raw: RawMessage): RawMessage {
  return parkedBy(raw) === undefined ? withoutMarks(raw) : raw
}

export interface HeldMessage {
  readonly tag: string
  readonly score: number
  readonly entry: string
}

/** An answer of `heldScript`. */
export function heldOf(reply: unknown): {
  readonly found: readonly HeldMessage[]
  readonly nextScore: number | undefined
} {
  const parts = textsOf(reply)
  const found: HeldMessage[] = []
  for (let at = 0; at + 2 < parts.length; at += 3) {
    found.push({ tag: parts[at] ?? '', score: Number(parts[at + 1]), entry: parts[at + 2] ?? '' })
  }
  const next = parts.at(-1) ?? ''
  return { found, nextScore: next === '' ? undefined : Number(next) }
}
