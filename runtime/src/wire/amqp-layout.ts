import type { RawMessage, RawProperties } from '../core/message.ts'
import type { TaskMeta } from '../core/states.ts'
import { controlExchange, replyExchange } from './control-dict.ts'
import { eventExchange } from './event-dict.ts'
import { isList, isRecord } from './fields.ts'
import { metaToDict } from './result-meta.ts'

// --- exchanges and queues -----------------------------------------------------------------------------------------------

export interface AmqpExchange {
  readonly name: string
  readonly type: 'direct' | 'topic' | 'fanout' | 'headers'
  readonly durable: boolean
}

export interface AmqpQueue {
  readonly name: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly exclusive: boolean
  readonly arguments: Readonly<Record<string, unknown>>
}

/**
 * The exchange of broadcasts: Celery's remote control is a transient fanout, its events a durable topic; any other is a topic.
 * Source: kombu/pidbox.py, Mailbox; celery/events/event.py, event_exchange.
 */
export function broadcastExchange(name: string): AmqpExchange {
  if (name === controlExchange) return { name, type: 'fanout', durable: false }
  return { name, type: 'topic', durable: name === eventExchange }
}

/** The exchange that replies go through: `reply.celery.pidbox` as kombu has it, `reply.` before any other name. */
export function replyToExchange(name: string): AmqpExchange {
  return { name: name === replyExchange ? name : `reply.${name}`, type: 'direct', durable: false }
}

/**
 * Queue of a listener, gone with its connection. The times to live are kombu's: an event waits 5 s for a slow monitor, a
 * command 300 s. Exclusive, unlike Celery 5.6: RabbitMQ 4 is about to refuse transient queues that are not.
 * Source: celery/app/defaults.py, event_queue_ttl, event_queue_expires, control_queue_ttl, control_queue_expires.
 */
export function listenerQueue(exchange: string, id: string): AmqpQueue {
  const isControl = exchange === controlExchange
  return {
    name: isControl ? `${id}.${controlExchange}` : `${exchange}.${id}`,
    durable: false,
    autoDelete: true,
    exclusive: true,
    arguments: isControl
      ? { 'x-expires': 10_000, 'x-message-ttl': 300_000 }
      : { 'x-expires': 60_000, 'x-message-ttl': 5000 },
  }
}

/** Queue of a reply address. Source: kombu/pidbox.py, Mailbox.get_reply_queue. */
export function replyAddressQueue(name: string): AmqpQueue {
  return {
    name,
    durable: false,
    autoDelete: true,
    exclusive: true,
    arguments: { 'x-expires': 10_000, 'x-message-ttl': 300_000 },
  }
}

/**
 * Reply queue of `rpc` results, read by the process that made it and by nobody else. It outlives a lost connection, unlike
 * Celery's auto-deleted one, so that a result which comes meanwhile is not lost; a crashed process leaves it for an hour at most.
 * Only its reader declares it, so nobody sees the difference. Source: celery/backends/rpc.py, RPCBackend.binding.
 */
export function resultQueue(name: string, expiresMs: number): AmqpQueue {
  const longestMs = 3_600_000
  return {
    name,
    durable: true,
    autoDelete: false,
    exclusive: false,
    arguments: { 'x-expires': expiresMs === 0 ? longestMs : Math.max(1, Math.min(longestMs, Math.ceil(expiresMs))) },
  }
}

/** True for a queue type that knows no channel-wide prefetch and counts its deliveries. */
export function isReplicated(queueArguments: Readonly<Record<string, unknown>> | undefined): boolean {
  const type = queueArguments?.['x-queue-type']
  return type === 'quorum' || type === 'stream'
}

// --- tq's own -----------------------------------------------------------------------------------------------------------

/** Messages that no worker can make sense of. Python never looks here. */
export const quarantineQueue: AmqpQueue = {
  name: 'tq.quarantine',
  durable: true,
  autoDelete: false,
  exclusive: false,
  arguments: { 'x-max-length': 1000, 'x-message-ttl': 7 * 24 * 3_600_000 },
}

/** Where consumers of tq are asked how much they hold. */
export const peersExchange: AmqpExchange = { name: 'tq.peers', type: 'fanout', durable: true }

/** Each of those consumes this queue, which is always empty: its number of consumers is the number of answers to wait for. */
export const peersQueue: AmqpQueue = {
  name: 'tq.peers',
  durable: true,
  autoDelete: false,
  exclusive: false,
  arguments: {},
}

/** An exclusive queue that expires: a lock with a time to live. */
export function leaseQueue(name: string, ttlMs: number): AmqpQueue {
  return {
    name: `tq.lease.${name}`,
    durable: false,
    autoDelete: false,
    exclusive: true,
    arguments: { 'x-expires': Math.max(1, Math.ceil(ttlMs)) },
  }
}

const dueHeader = 'x-tq-due'
const quarantineHeader = 'x-tq-quarantine'

/** The message with the time before which no consumer of tq hands it to a task. */
export function withDue(message: RawMessage, dueMs: number): RawMessage {
  // In a delay queue its own time to live would end the waiting too early; the worker looks at `expires` itself.
  const { expirationMs: _, ...properties } = message.properties
  return { ...message, properties, headers: { ...message.headers, [dueHeader]: Math.ceil(dueMs) } }
}

/** What is kept with a quarantined message. */
export interface QuarantineNote {
  readonly id: string
  readonly queue: string
  readonly reason: string
  readonly atMs: number
}

export function withQuarantineNote(message: RawMessage, note: QuarantineNote): RawMessage {
  const { expirationMs: _, ...properties } = message.properties
  return { ...message, properties, headers: { ...message.headers, [quarantineHeader]: { ...note } } }
}

// --- native delayed delivery ----------------------------------------------------------------------------------------------

/** Where a delayed message comes out, whatever its level. */
export const delayedDelivery = 'celery_delayed_delivery'

const levels = 28
const delayedPrefix = 'celery_delayed_'

/** The longest delay, in seconds: about eight and a half years. */
export const longestDelaySeconds = 2 ** levels - 1

/** Names of the delay queues, the longest first. */
export const delayQueues: readonly string[] = Array.from({ length: levels }, (_, at) => levelName(levels - 1 - at))

/** Exchange that delayed messages are published to. */
export const delayEntry: string = levelName(levels - 1)

/**
 * Routing key of a message for `queue` in `seconds`: the delay as 28 binary digits, one word each, then the queue.
 * Source: kombu/transport/native_delayed_delivery.py, calculate_routing_key (kombu 5.5).
 */
export function delayKey(seconds: number, queue: string): string {
  const whole = Math.max(0, Math.min(longestDelaySeconds, Math.floor(seconds)))
  return `${whole.toString(2).padStart(levels, '0').split('').join('.')}.${queue}`
}

/**
 * Pattern that brings delayed messages to `queue`. Celery binds `#.<queue>`, which also takes what is meant for `high.<queue>`;
 * 28 words before the name take exactly its own.
 */
export function delayPattern(queue: string): string {
  return `${'*.'.repeat(levels)}${queue}`
}

/** The queue (Python: the routing key) in such a key; undefined for another key. */
export function delayedFor(routingKey: string): string | undefined {
  return /^(?:[01]\.){28}/.test(routingKey) ? routingKey.slice(2 * levels) : undefined
}

export interface DelayLevel {
  readonly exchange: AmqpExchange
  readonly queue: AmqpQueue
  /** Messages whose digit of this level is 1 wait in the queue. */
  readonly queuePattern: string
  /** The others go on at once, as do those that have waited. */
  readonly next: string
  readonly nextPattern: string
}

/**
 * Celery 5.5's layout: at level n a queue of 2^n seconds, from the longest to the shortest. `queueType` is Celery's
 * `broker_native_delayed_delivery_queue_type`.
 * Source: kombu/transport/native_delayed_delivery.py, declare_native_delayed_delivery_exchanges_and_queues (kombu 5.5).
 */
export function delayLevels(queueType: string): readonly DelayLevel[] {
  const found: DelayLevel[] = []
  for (let level = levels - 1; level >= 0; level--) {
    const next = level > 0 ? levelName(level - 1) : delayedDelivery
    const stars = '*.'.repeat(levels - 1 - level)
    found.push({
      exchange: { name: levelName(level), type: 'topic', durable: true },
      queue: {
        name: levelName(level),
        durable: true,
        autoDelete: false,
        exclusive: false,
        arguments: {
          'x-queue-type': queueType,
          'x-overflow': 'reject-publish',
          'x-message-ttl': 2 ** level * 1000,
          'x-dead-letter-exchange': next,
          ...(queueType === 'quorum' ? { 'x-dead-letter-strategy': 'at-least-once' } : {}),
        },
      },
      queuePattern: `${stars}1.#`,
      next,
      nextPattern: `${stars}0.#`,
    })
  }
  return found
}

function levelName(level: number): string {
  return `${delayedPrefix}${level}`
}

// --- messages -----------------------------------------------------------------------------------------------------------

/** Message properties under the names that amqplib gives them. */
export interface AmqpProperties {
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly deliveryMode?: number
  readonly priority?: number
  readonly correlationId?: string
  readonly replyTo?: string
  readonly expiration?: string
  readonly messageId?: string
  readonly timestamp?: number
  readonly type?: string
  readonly userId?: string
  readonly appId?: string
}

/** AMQP's properties of a message. Those of `extra` that AMQP has no place for are left out. */
export function toAmqp(message: RawMessage): AmqpProperties {
  const { correlationId, replyTo, deliveryMode, priority, expirationMs, extra } = message.properties
  const made: Record<string, unknown> = {
    contentType: message.contentType,
    contentEncoding: message.contentEncoding,
    headers: message.headers,
    deliveryMode: deliveryMode ?? 2,
    priority: Math.max(0, Math.min(255, Math.trunc(priority ?? 0))),
  }
  if (correlationId !== undefined) made['correlationId'] = correlationId
  if (replyTo !== undefined) made['replyTo'] = replyTo
  if (expirationMs !== undefined) made['expiration'] = String(Math.max(0, Math.trunc(expirationMs)))
  if (extra) {
    for (const [name, wire] of extraProperties) {
      const value = extra[wire]
      if (name === 'timestamp' ? typeof value === 'number' : typeof value === 'string') made[name] = value
    }
  }
  return made
}

/**
 * A result on its way to a reply queue: the five fields that Celery sends, the task's id as correlation id.
 * Source: celery/backends/rpc.py, RPCBackend.store_result, _to_result (Celery 5.6).
 */
export function resultMessage(
  meta: TaskMeta,
  options: {
    readonly persistent: boolean
    readonly encode: (dict: unknown) => string | Uint8Array
    /** What `encode` gives; by default JSON where it is text. */
    readonly contentType?: string | undefined
    readonly contentEncoding?: string | undefined
    readonly compression?: string | undefined
  },
): RawMessage {
  const { status, result, traceback, children } = metaToDict(meta)
  const document = options.encode({ task_id: meta.id, status, result, traceback, children })
  const isText = typeof document === 'string'
  return {
    body: isText ? Buffer.from(document) : document,
    contentType: options.contentType ?? (isText ? 'application/json' : 'application/data'),
    contentEncoding: options.contentEncoding ?? (isText ? 'utf-8' : 'binary'),
    headers: options.compression === undefined ? {} : { compression: options.compression },
    properties: { correlationId: meta.id, deliveryMode: options.persistent ? 2 : 1 },
  }
}

export interface AmqpReceived {
  readonly raw: RawMessage
  /** Epoch ms before which the message is not to be handed over. */
  readonly dueMs: number | undefined
  /** Deliveries before this one, where the queue counts them (quorum). */
  readonly earlierDeliveries: number | undefined
  readonly note: QuarantineNote | undefined
}

/**
 * The message in what amqplib hands over. Headers that the broker or tq put there for themselves are taken out: the trace of the
 * delay queues above all, since a message published again with it would be dropped as one that runs in circles.
 */
export function fromAmqp(content: Uint8Array, given: object): AmqpReceived {
  const properties = given as Readonly<Record<string, unknown>>
  const all = isRecord(properties['headers']) ? properties['headers'] : {}
  const due = all[dueHeader]
  const count = all[countHeader]
  const note = all[quarantineHeader]
  return {
    raw: {
      body: content,
      // kombu takes a message without a type for bytes of no type.
      contentType: text(properties['contentType']) ?? 'application/data',
      contentEncoding: text(properties['contentEncoding']) ?? 'utf-8',
      headers: ownHeaders(all),
      properties: propertiesOf(properties),
    },
    dueMs: typeof due === 'number' ? due : undefined,
    earlierDeliveries: typeof count === 'number' ? count : undefined,
    note: isRecord(note) ? noteOf(note) : undefined,
  }
}

const countHeader = 'x-delivery-count'
const deathHeader = 'x-death'
const firstDeath = /^x-(?:first|last)-death-/
const strangers: readonly string[] = [dueHeader, quarantineHeader, countHeader, deathHeader]

const extraProperties: readonly (readonly [string, string])[] = [
  ['messageId', 'message_id'],
  ['timestamp', 'timestamp'],
  ['type', 'type'],
  ['userId', 'user_id'],
  ['appId', 'app_id'],
]

function ownHeaders(all: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  // Most messages have none of them.
  if (!strangers.some((name) => name in all)) return all
  const kept: Record<string, unknown> = {}
  const deaths = isList(all[deathHeader]) ? all[deathHeader] : []
  // A dead letter of the user's own queues keeps its history.
  const others = deaths.filter((death) => !isRecord(death) || !String(death['queue']).startsWith(delayedPrefix))
  for (const [name, value] of Object.entries(all)) {
    if (strangers.includes(name)) continue
    if (firstDeath.test(name) && others.length === 0 && deaths.length > 0) continue
    kept[name] = value
  }
  if (others.length > 0) kept[deathHeader] = others
  return kept
}

function propertiesOf(properties: Readonly<Record<string, unknown>>): RawProperties {
  const mode = properties['deliveryMode']
  const priority = properties['priority']
  const expiration = text(properties['expiration'])
  let extra: Record<string, unknown> | undefined
  for (const [name, wire] of extraProperties) {
    if (properties[name] !== undefined) extra = { ...extra, [wire]: properties[name] }
  }
  return {
    correlationId: text(properties['correlationId']),
    replyTo: text(properties['replyTo']),
    deliveryMode: mode === 1 || mode === 2 ? mode : undefined,
    priority: typeof priority === 'number' ? priority : undefined,
    expirationMs: expiration !== undefined && /^\d{1,15}$/.test(expiration) ? Number(expiration) : undefined,
    extra,
  }
}

function noteOf(note: Record<string, unknown>): QuarantineNote {
  return {
    id: String(note['id']),
    queue: String(note['queue']),
    reason: String(note['reason']),
    atMs: Number(note['atMs']),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
