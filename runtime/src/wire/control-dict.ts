import { DecodeError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import { encodeJson } from '../serializers/json.ts'
import {
  decodeJsonBody,
  type Dict,
  dictOr,
  numberOr,
  optionalText,
  own,
  requireDict,
  requireText,
  textList,
} from './dict-fields.ts'
import { isRecord } from './fields.ts'

export {
  type ActiveQueue,
  activeQueueToDict,
  type BrokerStats,
  dictToActiveQueue,
  dictToQueried,
  dictToScheduled,
  dictToStats,
  dictToTaskInfo,
  type PoolStats,
  type QueriedTask,
  queriedToDict,
  type ScheduledTask,
  scheduledToDict,
  statsToDict,
  type TaskInfo,
  taskInfoToDict,
  type WorkerStats,
} from './inspect-dict.ts'

/** Where requests go, a fanout. Source: kombu/pidbox.py, Mailbox.exchange_fmt with celery's control_exchange. */
export const controlExchange = 'celery.pidbox'

/** Where replies go, a direct exchange. Source: kombu/pidbox.py, Mailbox.reply_exchange_fmt. */
export const replyExchange = 'reply.celery.pidbox'

/** Queue of the replies to one caller; `oid` is the caller's routing key. */
export function replyQueue(oid: string): string {
  return `${oid}.${replyExchange}`
}

interface MethodSpec {
  readonly method: string
  /** Older names of the same method; read, not written. */
  readonly aliases?: readonly string[]
  /** Our argument name -> Celery's, where they differ. */
  readonly args?: Readonly<Record<string, string>>
}

const taskIds = { taskId: 'task_id' }
const consumer = { exchangeType: 'exchange_type', routingKey: 'routing_key' }

/**
 * Commands and what Celery calls them and their arguments. What is not listed travels under its own name.
 * Source: celery/worker/control.py (Celery 5.6.3).
 */
export const controlMethods = {
  ping: { method: 'ping' },
  report: { method: 'report' },
  conf: { method: 'conf', aliases: ['dump_conf'], args: { withDefaults: 'with_defaults' } },
  queryTask: { method: 'query_task', args: { ids: 'ids' } },
  active: { method: 'active', aliases: ['dump_active'] },
  reserved: { method: 'reserved', aliases: ['dump_reserved'] },
  scheduled: { method: 'scheduled', aliases: ['dump_schedule'] },
  revoked: { method: 'revoked', aliases: ['dump_revoked'] },
  registered: { method: 'registered', aliases: ['dump_tasks'], args: { taskInfoItems: 'taskinfoitems' } },
  stats: { method: 'stats' },
  clock: { method: 'clock' },
  activeQueues: { method: 'active_queues' },
  hello: { method: 'hello', args: { fromNode: 'from_node' } },
  revoke: { method: 'revoke', args: taskIds },
  revokeByStampedHeaders: { method: 'revoke_by_stamped_headers' },
  terminate: { method: 'terminate', args: taskIds },
  rateLimit: { method: 'rate_limit', args: { taskName: 'task_name', rateLimit: 'rate_limit' } },
  timeLimit: { method: 'time_limit', args: { taskName: 'task_name' } },
  election: { method: 'election' },
  enableEvents: { method: 'enable_events' },
  disableEvents: { method: 'disable_events' },
  heartbeat: { method: 'heartbeat' },
  poolGrow: { method: 'pool_grow' },
  poolShrink: { method: 'pool_shrink' },
  poolRestart: { method: 'pool_restart' },
  autoscale: { method: 'autoscale' },
  shutdown: { method: 'shutdown' },
  addConsumer: { method: 'add_consumer', args: consumer },
  cancelConsumer: { method: 'cancel_consumer' },
} as const satisfies Readonly<Record<string, MethodSpec>>

/** A command by its name in this package, e.g. `enableEvents`. */
export type ControlCommand = keyof typeof controlMethods

const specs: Readonly<Record<string, MethodSpec>> = controlMethods

const commandByMethod: ReadonlyMap<string, string> = new Map(
  Object.entries(specs).flatMap(([command, { method, aliases = [] }]) =>
    [method, ...aliases].map((name): [string, string] => [name, command]),
  ),
)

export function isControlCommand(name: string): name is ControlCommand {
  return Object.hasOwn(specs, name)
}

/** Where a reply is to be sent. */
export interface ReplyTarget {
  readonly exchange: string
  readonly routingKey: string
}

/** How `pattern` is read: shell wildcards, or a regular expression anchored at the start of the node name. */
export type Matcher = 'glob' | 'pcre'

/** A command to workers. */
export interface ControlRequest {
  /** The command's name here (`enableEvents`); on the wire it gets Celery's. Unknown ones keep theirs. */
  readonly method: string
  /** Arguments by their names here (`taskId`). */
  readonly args: Readonly<Record<string, unknown>>
  /** Node names; absent: all, or those that match `pattern`. */
  readonly destination?: readonly string[] | undefined
  readonly pattern?: string | undefined
  readonly matcher?: Matcher | undefined
  /** Names the call that replies belong to. A request without `ticket` and `replyTo` wants none. */
  readonly ticket?: string | undefined
  readonly replyTo?: ReplyTarget | undefined
  /** Lamport clock of the sender. */
  readonly clock: number
  /** Epoch ms after which nobody waits any more. Workers run the command all the same, as Celery's do. */
  readonly expiresMs?: number | undefined
}

/** The request as kombu publishes it: transient, its clock and expiry (epoch seconds, 0 for none) in the headers. */
export function encodeRequest(request: ControlRequest): RawMessage {
  const spec = isControlCommand(request.method) ? specs[request.method] : undefined
  const body: Record<string, unknown> = {
    method: spec?.method ?? request.method,
    arguments: renameKeys(request.args, spec?.args ?? {}),
    destination: request.destination ?? null,
    pattern: request.pattern ?? null,
    matcher: request.matcher ?? null,
  }
  if (request.replyTo) {
    body['ticket'] = request.ticket ?? null
    body['reply_to'] = { exchange: request.replyTo.exchange, routing_key: request.replyTo.routingKey }
  }
  return jsonMessage(body, { clock: request.clock, expires: (request.expiresMs ?? 0) / 1000 })
}

/** Throws DecodeError. Headers may be missing: clients written by hand leave them out. */
export function decodeRequest(raw: RawMessage): ControlRequest {
  const what = 'a control request'
  const body = requireDict(decodeJsonBody(raw, what), what)
  const name = requireText(body, 'method', what)
  const command = commandByMethod.get(name)
  const spec = command === undefined ? undefined : specs[command]
  const destination = own(body, 'destination')
  const expires = numberOr(raw.headers, 'expires', 0)
  return {
    method: command ?? name,
    args: renameKeys(dictOr(body, 'arguments'), invert(spec?.args ?? {})),
    destination: destination === null || destination === undefined ? undefined : textList(destination),
    pattern: optionalText(body, 'pattern'),
    matcher: readMatcher(own(body, 'matcher')),
    ticket: optionalText(body, 'ticket'),
    replyTo: readReplyTarget(own(body, 'reply_to')),
    clock: numberOr(raw.headers, 'clock', 0),
    expiresMs: expires > 0 ? expires * 1000 : undefined,
  }
}

/** What one node answers. */
export interface ControlReply {
  /** Empty where the sender gave none. */
  readonly ticket: string
  readonly hostname: string
  /** As it stands on the wire; `{ error }` is a refusal. */
  readonly value: unknown
  readonly clock: number
}

/** Throws EncodeError if the value is not JSON. */
export function encodeReply(reply: ControlReply): RawMessage {
  return jsonMessage({ [reply.hostname]: reply.value }, { ticket: reply.ticket, clock: reply.clock })
}

/** Throws DecodeError. */
export function decodeReply(raw: RawMessage): ControlReply {
  const what = 'a control reply'
  const [entry] = Object.entries(requireDict(decodeJsonBody(raw, what), what))
  if (entry === undefined) throw new DecodeError('Expected a control reply to name its node, got an empty object.')
  return {
    ticket: optionalText(raw.headers, 'ticket') ?? '',
    hostname: entry[0],
    value: entry[1],
    clock: numberOr(raw.headers, 'clock', 0),
  }
}

/** The text of a refusal, `{ error: text }` in Celery; undefined for any other value. */
export function refusalOf(value: unknown): string | undefined {
  return isRecord(value) ? optionalText(value, 'error') : undefined
}

function jsonMessage(body: unknown, headers: Dict): RawMessage {
  return {
    body: Buffer.from(encodeJson(body)),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers,
    properties: { deliveryMode: 1, priority: 0 },
  }
}

function readMatcher(value: unknown): Matcher | undefined {
  return value === 'glob' || value === 'pcre' ? value : undefined
}

function readReplyTarget(value: unknown): ReplyTarget | undefined {
  if (!isRecord(value)) return undefined
  const what = 'reply_to of a control request'
  return { exchange: requireText(value, 'exchange', what), routingKey: requireText(value, 'routing_key', what) }
}

function renameKeys(args: Dict, names: Readonly<Record<string, string>>): Record<string, unknown> {
  // fromEntries defines properties, so that a key such as `__proto__` stays an ordinary one.
  return Object.fromEntries(
    Object.entries(args)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [Object.hasOwn(names, key) ? (names[key] ?? key) : key, value]),
  )
}

function invert(names: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(names).map(([ours, theirs]) => [theirs, ours]))
}
