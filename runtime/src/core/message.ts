import type { SignatureData } from './signature.ts'

/** A task call, neutral: what travels from `delay()` to the worker, without a word of any wire format. */
export interface Message {
  readonly id: string
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** First task of the workflow; its own id for a task that nobody sent from inside another one. */
  readonly rootId: string
  readonly parentId: string | undefined
  readonly groupId: string | undefined
  readonly groupIndex: number | undefined
  /** Epoch ms. Not before this. */
  readonly etaMs: number | undefined
  /** Epoch ms. Not after this: the task is revoked with reason `expired`. */
  readonly expiresMs: number | undefined
  readonly retries: number
  readonly limits: TimeLimits
  readonly callbacks: readonly SignatureData[]
  readonly errbacks: readonly SignatureData[]
  /** What is left of a chain, in natural order: the first element runs next. Of a long one the last element may stand for the rest, as a chain. */
  readonly chain: readonly SignatureData[]
  /** Body of the chord that this task is a header part of. */
  readonly chord: SignatureData | undefined
  /** Where results of `rpc` go; an opaque name of the sending process. Empty when nobody listens. */
  readonly replyTo: string
  readonly origin: string
  readonly ignoreResult: boolean
  /**
   * It may have been sent before, under the same id: what sends it died or was delivered again in the meantime. Then a final state
   * under its id is its own, and it does not run again.
   */
  readonly repeated?: boolean | undefined
  /** Display name in events and logs. */
  readonly shadow: string | undefined
  /** Texts that stand for the arguments in events and logs; made from them where undefined. Set them to hide secrets. */
  readonly argsRepr: string | undefined
  readonly kwargsRepr: string | undefined
  readonly replacedTaskNesting: number
  readonly stamps: Readonly<Record<string, unknown>>
  readonly stampedHeaders: readonly string[]
  /** Headers of the message that tq does not know; kept and forwarded. */
  readonly extraHeaders: Readonly<Record<string, unknown>>
  readonly properties: MessageProperties
}

/** A call of nothing but its arguments: no parent, no limits, nothing after it. */
export function bareMessage(call: Pick<Message, 'id' | 'task' | 'args' | 'origin'>): Message {
  return {
    ...call,
    kwargs: {},
    rootId: call.id,
    parentId: undefined,
    groupId: undefined,
    groupIndex: undefined,
    etaMs: undefined,
    expiresMs: undefined,
    retries: 0,
    limits: {},
    callbacks: [],
    errbacks: [],
    chain: [],
    chord: undefined,
    replyTo: '',
    ignoreResult: false,
    shadow: undefined,
    argsRepr: undefined,
    kwargsRepr: undefined,
    replacedTaskNesting: 0,
    stamps: {},
    stampedHeaders: [],
    extraHeaders: {},
    properties: { priority: 0, deliveryMode: 1, correlationId: call.id },
  }
}

/** Seconds, as Celery's `soft_time_limit` and `time_limit`. */
export interface TimeLimits {
  readonly softSeconds?: number | undefined
  readonly hardSeconds?: number | undefined
}

export interface MessageProperties {
  /** 0 to 255; its direction is the broker's (Redis and SQLite: 0 first; RabbitMQ: highest first). */
  readonly priority: number
  /** 2 persistent, 1 transient. */
  readonly deliveryMode: 1 | 2
  readonly correlationId: string
  /** Milliseconds to live in the queue (RabbitMQ); where undefined, until the call expires. What arrives is not read back. */
  readonly expirationMs?: number | undefined
  /** For other programs: tq hands them on and does nothing by them. */
  readonly messageId?: string | undefined
  readonly userId?: string | undefined
  readonly appId?: string | undefined
  /** Epoch ms. */
  readonly timestampMs?: number | undefined
}

/** Where a message goes. With the anonymous exchange `''` the routing key is the queue's name. */
export interface Route {
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly priority?: number | undefined
}

/** A message as transports carry it: bytes and their description, nothing of it interpreted. */
export interface RawMessage {
  readonly body: Uint8Array
  readonly contentType: string
  readonly contentEncoding: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: RawProperties
}

/** Broker-neutral message properties. Names on the wire are given by `wire/`. */
export interface RawProperties {
  readonly correlationId?: string | undefined
  readonly replyTo?: string | undefined
  readonly deliveryMode?: 1 | 2 | undefined
  readonly priority?: number | undefined
  /** Milliseconds to live on brokers that honour it (RabbitMQ). */
  readonly expirationMs?: number | undefined
  /** Further properties by their wire name; kept and forwarded. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}
