import { EncodeError } from '../core/errors.ts'
import { taskId } from '../core/id.ts'
import type { Message, MessageProperties, RawMessage, Route } from '../core/message.ts'
import type { Settings } from '../core/settings.ts'
import type { SignatureData } from '../core/signature.ts'
import type { EventBase, EventFields, TaskReceived } from '../events/event.ts'
import { noCompression } from '../serializers/compression.ts'
import { joinChain, stepsOf, tailOf } from '../wire/chain-tail.ts'
import { argsRepr, isoTime, kwargsRepr } from '../wire/python-text.ts'
import { encodeTask, markCompressed } from '../wire/task-protocol.ts'
import { mappedTask } from './mapping.ts'
import type { CallOptions, HasData } from './call-options.ts'
import { currentContext, type TaskContext } from './context.ts'
import { freezeLinks } from './freeze.ts'
import { redactedReprs } from './redacted.ts'
import type { Routed } from './router.ts'
import type { AnyTask, TaskOptions } from './task.ts'
import type { TqApp } from './tq.ts'

/** One call on its way out. */
export interface Call {
  readonly task: string
  /** The task that it calls, where it is known here. */
  readonly known?: AnyTask | undefined
  readonly args: readonly unknown[]
  readonly options: CallOptions
  /** Frozen steps that follow it, the next one first. */
  readonly chain?: readonly SignatureData[] | undefined
  readonly groupId?: string | undefined
  readonly groupIndex?: number | undefined
  readonly chord?: SignatureData | undefined
  /** How many tasks were replaced, one by the next, before this one. */
  readonly replacedTaskNesting?: number | undefined
  /** It may have been sent before, under the same id. */
  readonly repeated?: boolean | undefined
  /** A worker sends it for a task that has ended: nobody waits for an eager run of it. */
  readonly following?: boolean | undefined
}

/** A message made ready: what it says, its bytes, and where it goes. */
export interface Prepared {
  readonly message: Message
  readonly raw: RawMessage
  readonly route: Route
}

// One object, by which the router knows that nothing has changed.
const noOptions: TaskOptions = {}

/** Defaults -> route -> encode. Throws EncodeError with the path of what cannot be serialised. */
export function prepare(app: TqApp, call: Call): Prepared {
  const { options } = call
  const { settings, clock } = app
  const task = call.known?.definition.options ?? noOptions
  const kwargs = options.kwargs ?? {}
  const mapped = mappedTask(call.task, kwargs)
  const name = options.routeName ?? mapped ?? call.task
  const taskOptions = mapped === undefined ? task : (app.registry.get(mapped)?.definition.options ?? noOptions)
  const routed = app.router.route({ task: name, args: call.args, kwargs, options, taskOptions })
  const nowMs = clock.now()
  const id = options.taskId ?? taskId(nowMs)
  const context = currentContext()
  const parent = context?.calledDirectly === false ? context.message : undefined
  const where = inherited(routed, settings, parent === undefined ? undefined : context)
  const replyTo = options.replyTo ?? app.replyTo
  const freezing = { newId: () => taskId(nowMs), replyTo }
  const softSeconds = options.softTimeLimit ?? undefined
  const shown = redactedReprs(app, { task: call.task, args: call.args, kwargs }, task)
  const message: Message = {
    id,
    task: call.task,
    args: call.args,
    kwargs,
    rootId: options.rootId ?? parent?.rootId ?? id,
    parentId: options.parentId ?? parent?.id,
    groupId: call.groupId,
    groupIndex: call.groupIndex,
    etaMs: options.eta?.getTime() ?? (options.countdown === undefined ? undefined : nowMs + options.countdown * 1000),
    expiresMs: expiry(options.expires ?? task.expires, nowMs),
    retries: 0,
    limits: { softSeconds, hardSeconds: options.timeLimit },
    callbacks: freezeLinks(links(options.link), freezing),
    errbacks: freezeLinks(links(options.linkError), freezing),
    chain: call.chain ?? [],
    chord: call.chord,
    replyTo,
    repeated: call.repeated,
    origin: app.origin,
    ignoreResult: options.ignoreResult ?? task.ignoreResult ?? settings.taskIgnoreResult,
    shadow: options.shadow ?? task.shadowName?.({ task: call.task, args: call.args, kwargs, options }),
    argsRepr: options.argsRepr ?? shown?.argsRepr,
    kwargsRepr: options.kwargsRepr ?? shown?.kwargsRepr,
    replacedTaskNesting: call.replacedTaskNesting ?? 0,
    stamps: options.stamps ?? {},
    stampedHeaders: Object.keys(options.stamps ?? {}),
    extraHeaders: options.headers ?? {},
    properties: {
      priority: where.priority ?? 0,
      deliveryMode: (options.deliveryMode ?? settings.taskDefaultDeliveryMode) === 'transient' ? 1 : 2,
      correlationId: id,
      ...stated(options),
    },
  }
  return { message, raw: encodeMessage(app, message, routed), route: where }
}

// Named one by one: most calls state none of them.
function stated(options: CallOptions): Partial<MessageProperties> | undefined {
  const { messageId, userId, appId, timestamp, expiration } = options
  if ((messageId ?? userId ?? appId ?? timestamp ?? expiration) === undefined) return undefined
  const expirationMs = expiration === undefined ? undefined : expiration * 1000
  return { messageId, userId, appId, timestampMs: timestamp?.getTime(), expirationMs }
}

/** With the priority of the task that sends it, where that is wanted and nothing else says one. */
function inherited({ route, hasPriority }: Routed, settings: Settings, context: TaskContext | undefined): Route {
  if (hasPriority || !settings.taskInheritParentPriority || context === undefined) return route
  return { ...route, priority: context.deliveryInfo.priority }
}

function expiry(expires: number | Date | undefined, nowMs: number): number | undefined {
  return expires instanceof Date ? expires.getTime() : expires === undefined ? undefined : nowMs + expires * 1000
}

function links(given: HasData | readonly HasData[] | undefined): readonly SignatureData[] {
  if (given === undefined) return []
  return 'data' in given ? [given.data] : given.map((one) => one.data)
}

/** The bytes of a message by the named serializer and compression, or the app's. */
export function encodeMessage(
  app: TqApp,
  message: Message,
  by: { readonly serializer?: string | undefined; readonly compression?: string | undefined } = {},
): RawMessage {
  const { settings, serializers, compressions } = app
  const serializer = serializers.get(by.serializer ?? settings.taskSerializer)
  const compressionName = by.compression ?? settings.taskCompression ?? noCompression
  const compression = compressionName === noCompression ? undefined : compressions.get(compressionName)
  const { contentType, contentEncoding } = serializer
  const tail = contentType === 'application/json' && !message.chord ? tailOf(message.chain.at(-1)) : undefined
  const short = tail ? { ...message, chain: message.chain.slice(0, -1) } : message
  const { headers, properties, body } = encodeTask(short, app.clock.now(), app.zone)
  try {
    const encoded = serializer.encode(body)
    const bytes = tail ? joinChain(encoded, tail) : encoded
    if (!bytes) return encodeMessage(app, { ...message, chain: stepsOf(message.chain) }, by)
    if (!compression) return { body: bytes, contentType, contentEncoding, headers, properties }
    markCompressed(headers, compression.contentType)
    return { body: compression.compress(bytes), contentType, contentEncoding, headers, properties }
  } catch (error) {
    throw error instanceof EncodeError ? inWords(error) : error
  }
}

// The body is [args, kwargs, embed]; a person knows the first two by name.
function inWords(error: EncodeError): EncodeError {
  const [, part, rest = ''] = /^\[(\d)\](.*)$/s.exec(error.path) ?? []
  const name = part === '0' ? 'args' : part === '1' ? 'kwargs' : 'the callbacks'
  return new EncodeError(`${name}${rest}`, error.reason, { cause: error })
}

/** Emits the task-sent event of a published call. */
export async function emitSent(app: TqApp, prepared: Prepared): Promise<void> {
  const sink = await app.events()
  if (sink.enabled) sink.emit(sentEvent(prepared))
}

/** The task-sent event of a call. */
export function sentEvent({ message, route: where }: Prepared): EventFields {
  return {
    type: 'task-sent',
    ...eventFieldsOf(message),
    queue: where.queue,
    exchange: where.exchange,
    routingKey: where.routingKey,
  }
}

/** What task-sent and task-received say of a call. */
export function eventFieldsOf(message: Message): Omit<TaskReceived, keyof EventBase | 'type'> {
  return {
    uuid: message.id,
    name: message.shadow ?? message.task,
    args: message.argsRepr ?? argsRepr(message.args),
    kwargs: message.kwargsRepr ?? kwargsRepr(message.kwargs),
    rootId: message.rootId,
    parentId: message.parentId,
    retries: message.retries,
    eta: message.etaMs === undefined ? undefined : isoTime(message.etaMs),
    expires: message.expiresMs === undefined ? undefined : isoTime(message.expiresMs),
    ...(message.stampedHeaders.length > 0 && { stamps: message.stamps }),
  }
}

/** Signatures of a link option as data. */
export function dataOf(given: CallOptions['link']): readonly SignatureData[] {
  return links(given)
}

/** The call that a task signature stands for, its options under those of the call. */
export function callOf(signature: SignatureData, call: CallOptions): Call {
  const own = signature.options
  const { link, linkError, headers, ...rest } = call
  const options: CallOptions = {
    queue: own.queue,
    exchange: own.exchange,
    routingKey: own.routingKey,
    priority: own.priority,
    countdown: own.countdown,
    eta: own.etaMs === undefined ? undefined : new Date(own.etaMs),
    expires: own.expiresMs === undefined ? own.expires : new Date(own.expiresMs),
    serializer: own.serializer,
    compression: own.compression,
    shadow: own.shadow,
    timeLimit: own.timeLimit,
    softTimeLimit: own.softTimeLimit,
    ignoreResult: own.ignoreResult,
    taskId: own.taskId,
    replyTo: own.replyTo,
    rootId: own.rootId,
    parentId: own.parentId,
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    headers: { ...own.headers, ...headers },
    stamps: own.stamps && call.stamps ? { ...call.stamps, ...own.stamps } : (own.stamps ?? call.stamps),
    kwargs: { ...signature.kwargs, ...call.kwargs },
    link: [...(own.link ?? []).map((data) => ({ data })), ...links(link).map((data) => ({ data }))],
    linkError: [...(own.linkError ?? []).map((data) => ({ data })), ...links(linkError).map((data) => ({ data }))],
  }
  const { groupId, groupIndex, chord } = own
  return { task: signature.task, args: signature.args, options, groupId, groupIndex, chord }
}
