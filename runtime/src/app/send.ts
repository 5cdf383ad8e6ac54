import { ConnectionError, EncodeError, OperationalError } from '../core/errors.ts'
import { taskId } from '../core/id.ts'
import type { Message, RawMessage, Route } from '../core/message.ts'
import type { RetryPolicy } from '../core/settings.ts'
import type { SignatureData } from '../core/signature.ts'
import type { EventBase, EventFields, TaskReceived } from '../events/event.ts'
import { directQueue } from '../transports/topology.ts'
import { argsRepr, isoTime, kwargsRepr } from '../wire/python-text.ts'
import { encodeTask } from '../wire/task-protocol.ts'
import { freezeLinks, type Signature } from './canvas.ts'
import { currentContext } from './context.ts'
import { route } from './router.ts'
import type { TaskDefinition } from './task.ts'
import type { TqApp } from './tq.ts'

/** Options of one call. Seconds where the name is Celery's. */
export interface CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  /** Any text; default a UUID of version 7. */
  readonly taskId?: string | undefined
  /** Seconds until it may run. */
  readonly countdown?: number | undefined
  readonly eta?: Date | undefined
  /** Seconds from now, or a point in time: after it the task is revoked instead of run. */
  readonly expires?: number | Date | undefined
  readonly queue?: string | undefined
  readonly exchange?: string | undefined
  readonly routingKey?: string | undefined
  readonly priority?: number | undefined
  readonly serializer?: string | undefined
  /** Custom headers; the task reads them in `self.request.headers`. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  /** Sent with the result when the task succeeds. */
  readonly link?: AnySignature | readonly AnySignature[] | undefined
  /** Sent with the task's id when it fails. */
  readonly linkError?: AnySignature | readonly AnySignature[] | undefined
  /** Display name in events. */
  readonly shadow?: string | undefined
  readonly ignoreResult?: boolean | undefined
  readonly softTimeLimit?: number | undefined
  /** Seconds. Travels with the message; Celery's workers end a run by it, the `async` pool here cannot. */
  readonly timeLimit?: number | undefined
  /** False: one try, whatever the setting says. */
  readonly retry?: boolean | undefined
  readonly retryPolicy?: Partial<RetryPolicy> | undefined
  /** Stand for the arguments in events and logs. */
  readonly argsRepr?: string | undefined
  readonly kwargsRepr?: string | undefined
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly replyTo?: string | undefined
}

type AnySignature = Pick<Signature<never[], unknown>, 'data'>

/** One call on its way out. */
export interface Call {
  readonly task: string
  readonly definition?: TaskDefinition | undefined
  readonly args: readonly unknown[]
  readonly options: CallOptions
  /** Frozen steps that follow it, the next one first. */
  readonly chain?: readonly SignatureData[] | undefined
  readonly groupId?: string | undefined
  readonly groupIndex?: number | undefined
  readonly chord?: SignatureData | undefined
  /** A worker sends it for a task that has ended: nobody waits for an eager run of it. */
  readonly following?: boolean | undefined
}

/** A message made ready: what it says, its bytes, and where it goes. */
export interface Prepared {
  readonly message: Message
  readonly raw: RawMessage
  readonly route: Route
}

/** Defaults -> route -> encode. Throws EncodeError with the path of what cannot be serialised. */
export function prepare(app: TqApp, call: Call): Prepared {
  const { options } = call
  const { settings, clock } = app
  const task = call.definition?.options ?? {}
  const where = route(settings, task, options)
  const nowMs = clock.now()
  const id = options.taskId ?? taskId(nowMs)
  const context = currentContext()
  const parent = context?.calledDirectly === false ? context.message : undefined
  const newId = (): string => taskId(nowMs)
  const softSeconds = options.softTimeLimit ?? undefined
  const message: Message = {
    id,
    task: call.task,
    args: call.args,
    kwargs: options.kwargs ?? {},
    rootId: options.rootId ?? parent?.rootId ?? id,
    parentId: options.parentId ?? parent?.id,
    groupId: call.groupId,
    groupIndex: call.groupIndex,
    etaMs: options.eta?.getTime() ?? (options.countdown === undefined ? undefined : nowMs + options.countdown * 1000),
    expiresMs: expiry(options.expires ?? task.expires, nowMs),
    retries: 0,
    limits: { softSeconds, hardSeconds: options.timeLimit },
    callbacks: freezeLinks(links(options.link), newId),
    errbacks: freezeLinks(links(options.linkError), newId),
    chain: call.chain ?? [],
    chord: call.chord,
    replyTo: options.replyTo ?? app.replyTo,
    origin: app.origin,
    ignoreResult: options.ignoreResult ?? task.ignoreResult ?? settings.taskIgnoreResult,
    shadow: options.shadow,
    argsRepr: options.argsRepr,
    kwargsRepr: options.kwargsRepr,
    replacedTaskNesting: 0,
    stamps: {},
    stampedHeaders: [],
    extraHeaders: options.headers ?? {},
    properties: { priority: where.priority ?? 0, deliveryMode: 2, correlationId: id },
  }
  return { message, raw: encodeMessage(app, message, options.serializer), route: where }
}

function expiry(expires: number | Date | undefined, nowMs: number): number | undefined {
  return expires instanceof Date ? expires.getTime() : expires === undefined ? undefined : nowMs + expires * 1000
}

function links(given: AnySignature | readonly AnySignature[] | undefined): readonly SignatureData[] {
  if (given === undefined) return []
  return 'data' in given ? [given.data] : given.map((one) => one.data)
}

/** The bytes of a message under the app's serializer, or the named one. */
export function encodeMessage(app: TqApp, message: Message, serializerName?: string): RawMessage {
  const serializer = app.serializers.get(serializerName ?? app.settings.taskSerializer)
  const { headers, properties, body } = encodeTask(message, app.clock.now())
  try {
    const { contentType, contentEncoding } = serializer
    return { body: serializer.encode(body), contentType, contentEncoding, headers, properties }
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

/**
 * Publishes with the retry policy; resolves when the broker has it. Rejects with OperationalError once the policy is used up:
 * then nothing was sent.
 */
export async function publish(
  app: TqApp,
  batch: readonly Prepared[],
  options: { readonly retry?: boolean | undefined; readonly retryPolicy?: Partial<RetryPolicy> | undefined } = {},
): Promise<void> {
  const policy = { ...app.settings.taskPublishRetryPolicy, ...options.retryPolicy }
  const retry = options.retry ?? app.settings.taskPublishRetry
  for (let tries = 0; ; tries++) {
    try {
      await publishOnce(app, batch)
      return
    } catch (error) {
      if (!isConnectionError(error)) throw error
      if (!retry || tries >= policy.maxRetries) throw unsent(app, tries + 1, error)
      const pauseMs = Math.round(
        Math.min(policy.intervalStart + policy.intervalStep * tries, policy.intervalMax) * 1000,
      )
      app.logger.warn(`Cannot reach the broker ${app.brokerName()}: ${error.message} Trying again in ${pauseMs} ms.`)
      await app.clock.sleep(pauseMs)
    }
  }
}

async function publishOnce(app: TqApp, batch: readonly Prepared[]): Promise<void> {
  const wanted = batch.filter(({ message }) => !message.ignoreResult).map(({ message }) => message.id)
  if (wanted.length > 0) await (await app.connections.backend()).prepare(wanted, app.replyTo)
  const transport = await app.connections.transport()
  for (const { route: where } of batch) {
    if (where.exchange === '') await app.connections.declareOnce(directQueue(where.queue))
  }
  await transport.publish(
    batch.map(({ message, raw, route: { exchange, routingKey } }) => ({
      exchange,
      routingKey,
      message: raw,
      dueMs: message.etaMs,
    })),
  )
}

function isConnectionError(error: unknown): error is ConnectionError {
  return error instanceof ConnectionError
}

function unsent(app: TqApp, tries: number, cause: ConnectionError): OperationalError {
  return new OperationalError(
    `Could not send to the broker ${app.brokerName()} after ${tries} ${tries === 1 ? 'try' : 'tries'}; the task was not sent. ` +
      `${cause.message}${app.connections.embedded ? '' : ' Is the server running, and is the URL right (setting brokerUrl, TQ_BROKER_URL)?'}`,
    { cause },
  )
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
    kwargs: { ...signature.kwargs, ...call.kwargs },
    link: [...(own.link ?? []).map((data) => ({ data })), ...links(link).map((data) => ({ data }))],
    linkError: [...(own.linkError ?? []).map((data) => ({ data })), ...links(linkError).map((data) => ({ data }))],
  }
  const { groupId, groupIndex, chord } = own
  return { task: signature.task, args: signature.args, options, groupId, groupIndex, chord }
}
