import { ProtocolError } from '../core/errors.ts'
import { isoTime } from '../core/iso-time.ts'
import type { Message, MessageProperties, RawProperties, TimeLimits } from '../core/message.ts'
import type { TimeZone } from '../core/time-zone.ts'
import { dictsToSignatures, dictToSignature, signatureToDict } from './canvas-dict.ts'
import { stepsOf } from './chain-tail.ts'
import {
  isList,
  isRecord,
  optionalCount,
  optionalFlag,
  optionalList,
  optionalNumber,
  optionalRecord,
  optionalText,
  optionalTime,
  otherFields,
  requiredText,
  shown,
} from './fields.ts'
import { checkHeaderValue } from './header-value.ts'
import { argsRepr, kwargsRepr } from './python-text.ts'

/**
 * Headers, properties and body of a task message, protocol 2 with the headers of Celery 5.3 and later. `nowMs` (epoch) gives a
 * message that expires its `expirationMs`; without it there is none. `extraHeaders` lie flat beside the others and never
 * replace one. Times are written with the offset of `zone`, default UTC. Throws EncodeError for a time that is no time and for a header value that brokers cannot carry.
 * Source: celery/app/amqp.py, as_task_v2.
 */
export function encodeTask(message: Message, nowMs?: number, zone?: TimeZone): EncodedTask {
  const { id, limits, stampedHeaders, properties } = message
  const headers: Record<string, unknown> = {
    lang: 'js',
    task: message.task,
    id,
    shadow: message.shadow ?? null,
    eta: message.etaMs === undefined ? null : isoTime(message.etaMs, zone),
    expires: message.expiresMs === undefined ? null : isoTime(message.expiresMs, zone),
    group: message.groupId ?? null,
    group_index: message.groupIndex ?? null,
    retries: message.retries,
    timelimit: [limits.hardSeconds ?? null, limits.softSeconds ?? null],
    root_id: message.rootId,
    parent_id: message.parentId ?? null,
    argsrepr: message.argsRepr ?? argsRepr(message.args),
    kwargsrepr: message.kwargsRepr ?? kwargsRepr(message.kwargs),
    origin: message.origin,
    ignore_result: message.ignoreResult,
    replaced_task_nesting: message.replacedTaskNesting,
    stamped_headers: stampedHeaders.length === 0 ? null : stampedHeaders,
    stamps: message.stamps,
  }
  if (message.repeated) headers[repeatedHeader] = true
  for (const key in message.extraHeaders) {
    if (ownHeaders.has(key) || key === '__proto__') continue
    checkHeaderValue(message.extraHeaders[key], `headers.${key}`)
    headers[key] = message.extraHeaders[key]
  }
  if (stampedHeaders.length > 0) checkHeaderValue(message.stamps, 'stamps')
  return {
    headers,
    properties: {
      correlationId: properties.correlationId,
      replyTo: message.replyTo,
      deliveryMode: properties.deliveryMode,
      priority: properties.priority,
      expirationMs: properties.expirationMs ?? untilExpiry(message, nowMs),
      extra: extraOf(properties),
    },
    body: [message.args, message.kwargs, embedOf(message)],
  }
}

function untilExpiry({ expiresMs }: Message, nowMs: number | undefined): number | undefined {
  return nowMs === undefined || expiresMs === undefined ? undefined : Math.max(0, Math.trunc(expiresMs - nowMs))
}

/** AMQP's basic properties that a caller stated, by their wire names. */
function extraOf({ messageId, userId, appId, timestampMs }: MessageProperties): Record<string, unknown> | undefined {
  if ((messageId ?? userId ?? appId ?? timestampMs) === undefined) return undefined
  const timestamp = timestampMs === undefined ? undefined : Math.trunc(timestampMs / 1000)
  return { message_id: messageId, user_id: userId, app_id: appId, timestamp }
}

/** Says in the headers of a message how its body is compressed: the method's content type. Source: kombu/messaging.py, Producer._prepare. */
export function markCompressed(headers: Record<string, unknown>, contentType: string): void {
  headers['compression'] = contentType
}

/** The content type (or kombu's name) of the method by which a body is compressed; what is no text names a method that nobody knows. */
export function compressionOf(headers: Readonly<Record<string, unknown>>): string | undefined {
  const compression = headers['compression']
  if (compression === undefined || compression === null || compression === '') return undefined
  return typeof compression === 'string' ? compression : shown(compression)
}

export interface EncodedTask {
  readonly headers: Record<string, unknown>
  readonly properties: RawProperties
  /** To be serialised: `[args, kwargs, embed]`. */
  readonly body: unknown
}

/**
 * The task call in a message whose body is deserialised already. Every missing header gets its default; headers that tq does
 * not know go to `extraHeaders`, without those that a broker, kombu or tq's transports add on the way. Protocol 1 (everything
 * in the body) and the hybrid (headers of 2, a dict as body) are read too. A time without an offset is in `zone`, default UTC. Throws
 * ProtocolError, which names the header or the part of the body, for whatever is no task call.
 * Source: celery/worker/strategy.py, proto1_to_proto2, hybrid_to_proto2.
 */
export function decodeTask(raw: RawTask, zone?: TimeZone): Message {
  const parts = partsOf(raw)
  const { headers, embed } = parts
  const id = requiredText(headers['id'], 'id', fail)
  return {
    id,
    task: requiredText(headers['task'], 'task', fail),
    args: parts.args,
    kwargs: parts.kwargs,
    rootId: optionalText(headers['root_id'], 'root_id', fail) || id,
    parentId: optionalText(headers['parent_id'], 'parent_id', fail) || undefined,
    groupId: optionalText(headers['group'], 'group', fail) || undefined,
    groupIndex: optionalCount(headers['group_index'], 'group_index', fail),
    etaMs: optionalTime(headers['eta'], 'eta', fail, zone),
    expiresMs: optionalTime(headers['expires'], 'expires', fail, zone),
    retries: optionalCount(headers['retries'], 'retries', fail) ?? 0,
    limits: limitsOf(headers['timelimit']),
    callbacks: dictsToSignatures(embed['callbacks'], 'callbacks'),
    errbacks: dictsToSignatures(embed['errbacks'], 'errbacks'),
    chain: dictsToSignatures(embed['chain'], 'chain').toReversed(),
    chord:
      embed['chord'] === null || embed['chord'] === undefined ? undefined : dictToSignature(embed['chord'], 'chord'),
    replyTo: optionalText(raw.properties.replyTo, 'reply_to', fail) ?? '',
    origin: optionalText(headers['origin'], 'origin', fail) ?? '',
    ignoreResult: optionalFlag(headers['ignore_result'], 'ignore_result', fail) ?? false,
    repeated: optionalFlag(headers[repeatedHeader], repeatedHeader, fail),
    shadow: optionalText(headers['shadow'], 'shadow', fail) || undefined,
    argsRepr: optionalText(headers['argsrepr'], 'argsrepr', fail),
    kwargsRepr: optionalText(headers['kwargsrepr'], 'kwargsrepr', fail),
    replacedTaskNesting: optionalCount(headers['replaced_task_nesting'], 'replaced_task_nesting', fail) ?? 0,
    stamps: optionalRecord(headers['stamps'], 'stamps', fail) ?? {},
    stampedHeaders: textsOf(headers['stamped_headers'], 'stamped_headers'),
    extraHeaders: otherFields(raw.headers, notExtra) ?? {},
    properties: propertiesOf(raw.properties, id),
  }
}

export interface RawTask {
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: RawProperties
  /** As it came out of the serializer. */
  readonly body: unknown
}

/** tq's own: `Message.repeated`. */
const repeatedHeader = 'x-tq-repeated'

const ownHeaders: ReadonlySet<string> = new Set([
  repeatedHeader,
  'lang',
  'task',
  'id',
  'shadow',
  'eta',
  'expires',
  'group',
  'group_index',
  'retries',
  'timelimit',
  'root_id',
  'parent_id',
  'argsrepr',
  'kwargsrepr',
  'origin',
  'ignore_result',
  'replaced_task_nesting',
  'stamped_headers',
  'stamps',
])

/**
 * Also not the caller's: they tell of this one delivery. Forwarded with a retry they would lie, and RabbitMQ drops a message
 * whose `x-death` says that it has been in the queue before.
 */
const notExtra: ReadonlySet<string> = new Set([
  ...ownHeaders,
  'compression',
  'redelivered',
  'x-tq-parked',
  'x-death',
  'x-first-death-exchange',
  'x-first-death-queue',
  'x-first-death-reason',
  'x-last-death-exchange',
  'x-last-death-queue',
  'x-last-death-reason',
  'x-delivery-count',
  'x-acquired-count',
])

function embedOf(message: Message): Record<string, unknown> {
  const { callbacks, errbacks, chain, chord } = message
  return {
    callbacks: callbacks.length === 0 ? null : callbacks.map(signatureToDict),
    errbacks: errbacks.length === 0 ? null : errbacks.map(signatureToDict),
    // Reversed, so that Python takes the next one off the end.
    chain: chain.length === 0 ? null : stepsOf(chain).map(signatureToDict).reverse(),
    chord: chord === undefined ? null : signatureToDict(chord),
  }
}

interface Parts {
  readonly headers: Readonly<Record<string, unknown>>
  readonly args: readonly unknown[]
  readonly kwargs: Record<string, unknown>
  readonly embed: Record<string, unknown>
}

const fail = (header: string, reason: string): never => {
  throw new ProtocolError(header, reason)
}

function partsOf(raw: RawTask): Parts {
  if (!isRecord(raw.headers)) return fail('headers', `are to be an object, got ${shown(raw.headers)}`)
  const { headers, body } = raw
  if (isList(body)) {
    const [args, kwargs, embed] = body
    if (body.length !== 3) return fail('body', `is to be [args, kwargs, embed], got a list of ${body.length}`)
    return { headers, ...callOf(args, kwargs), embed: optionalRecord(embed, 'embed', fail) ?? {} }
  }
  if (!isRecord(body)) return fail('body', `is to be [args, kwargs, embed], got ${shown(body)}`)
  const isHybrid = headers['task'] !== null && headers['task'] !== undefined
  if (!isHybrid && typeof body['task'] !== 'string') return fail('task', 'is missing, in the headers and in the body')
  if (isHybrid && !('args' in body)) return fail('body', `is to be [args, kwargs, embed], got ${shown(body)}`)
  const merged: Record<string, unknown> = isHybrid ? { ...body, ...headers } : { ...body }
  // The old name of a group wins where a message has both. Source: celery/worker/strategy.py, proto1_to_proto2.
  if (!isHybrid && typeof body['taskset'] === 'string') merged['group'] = body['taskset']
  return {
    headers: merged,
    ...callOf(body['args'], body['kwargs']),
    embed: isHybrid ? body : { ...body, chain: null },
  }
}

function callOf(args: unknown, kwargs: unknown): Pick<Parts, 'args' | 'kwargs'> {
  return { args: optionalList(args, 'args', fail) ?? [], kwargs: optionalRecord(kwargs, 'kwargs', fail) ?? {} }
}

/** On the wire the hard limit comes first. */
function limitsOf(value: unknown): TimeLimits {
  const pair = optionalList(value, 'timelimit', fail)
  if (pair === undefined || pair.length === 0) return {}
  if (pair.length !== 2) return fail('timelimit', `is to be [hard, soft], got a list of ${pair.length}`)
  const hardSeconds = optionalNumber(pair[0], 'timelimit[0]', fail)
  const softSeconds = optionalNumber(pair[1], 'timelimit[1]', fail)
  return hardSeconds === undefined && softSeconds === undefined ? {} : { softSeconds, hardSeconds }
}

function textsOf(value: unknown, name: string): readonly string[] {
  const members = optionalList(value, name, fail) ?? []
  return members.map((member, index) => requiredText(member, `${name}[${index}]`, fail))
}

function propertiesOf(properties: RawProperties, id: string): MessageProperties {
  return {
    priority: optionalCount(properties.priority, 'priority', fail) ?? 0,
    deliveryMode: properties.deliveryMode === 1 ? 1 : 2,
    correlationId: optionalText(properties.correlationId, 'correlation_id', fail) || id,
    ...statedIn(properties.extra),
  }
}

/** The reverse of `extraOf`; what is of another kind is nobody's. Most messages have none of them. */
function statedIn(extra: RawProperties['extra']): Partial<MessageProperties> | undefined {
  if (extra === undefined) return undefined
  const { message_id: messageId, user_id: userId, app_id: appId, timestamp } = extra
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
  const timestampMs = typeof timestamp === 'number' ? timestamp * 1000 : undefined
  return { messageId: text(messageId), userId: text(userId), appId: text(appId), timestampMs }
}
