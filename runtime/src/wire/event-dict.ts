import { DecodeError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import type { CustomEvent, EventBase, TaskReceived, TaskSent, WorkerEvent, WorkerPulse } from '../events/event.ts'
import { encodeJson } from '../serializers/json.ts'
import { msgpackSerializer } from '../serializers/msgpack.ts'
import type { Serializer } from '../serializers/serializer.ts'
import { yamlSerializer } from '../serializers/yaml.ts'
import {
  type Dict,
  decodeJsonBody,
  flag,
  numberList,
  numberOr,
  optionalText,
  own,
  requireDict,
  requireNumber,
  requireText,
  textOr,
} from './dict-fields.ts'
import { isRecord } from './fields.ts'

/** Where events go. Topic on RabbitMQ, fanout with patterns on Redis. Source: celery/app/defaults.py, event_exchange. */
export const eventExchange = 'celeryev'

/** What a monitor listens to: everything. */
export const monitorPattern = '#'

/** What workers listen to for gossip: the events of other workers, without those of tasks. Source: celery/worker/consumer/gossip.py. */
export const gossipPattern = 'worker.#'

/** `sw_ident` of a worker of this package; Python's is `py-celery`. */
export const softwareIdent = 'tq'

/** Routing key of a message that holds several task events. Source: celery/events/dispatcher.py, EventDispatcher.flush. */
const taskBatchKey = 'task.multi'

/** The event as Celery writes it; what is undefined becomes null. Times become float seconds. */
export function eventToDict(event: WorkerEvent): Record<string, unknown> {
  const dict: Record<string, unknown> = {
    hostname: event.hostname,
    utcoffset: event.utcoffset,
    pid: event.pid,
    clock: event.clock,
  }
  switch (event.type) {
    case 'task-sent':
      describeTask(dict, event)
      dict['queue'] = event.queue
      dict['exchange'] = event.exchange
      dict['routing_key'] = event.routingKey
      break
    case 'task-received':
      describeTask(dict, event)
      break
    case 'task-started':
      dict['uuid'] = event.uuid
      break
    case 'task-succeeded':
      dict['uuid'] = event.uuid
      dict['result'] = event.result
      dict['runtime'] = event.runtime
      break
    case 'task-failed':
    case 'task-retried':
      dict['uuid'] = event.uuid
      dict['exception'] = event.exception
      dict['traceback'] = event.traceback ?? null
      break
    case 'task-rejected':
      dict['uuid'] = event.uuid
      dict['requeue'] = event.requeue
      break
    case 'task-revoked':
      dict['uuid'] = event.uuid
      dict['terminated'] = event.terminated
      dict['signum'] = event.signum ?? null
      dict['expired'] = event.expired
      break
    case 'worker-online':
    case 'worker-heartbeat':
    case 'worker-offline':
      dict['freq'] = event.freq
      dict['active'] = event.active
      dict['processed'] = event.processed
      dict['loadavg'] = event.loadavg
      dict['sw_ident'] = event.swIdent
      dict['sw_ver'] = event.swVer
      dict['sw_sys'] = event.swSys
      break
    case 'custom':
      return { ...event.fields, ...dict, timestamp: event.timestampMs / 1000, type: event.name }
  }
  dict['timestamp'] = event.timestampMs / 1000
  dict['type'] = event.type
  return dict
}

function describeTask(dict: Record<string, unknown>, event: TaskSent | TaskReceived): void {
  dict['uuid'] = event.uuid
  dict['name'] = event.name
  dict['args'] = event.args
  dict['kwargs'] = event.kwargs
  dict['root_id'] = event.rootId ?? null
  dict['parent_id'] = event.parentId ?? null
  dict['retries'] = event.retries
  dict['eta'] = event.eta ?? null
  dict['expires'] = event.expires ?? null
  if (event.stamps) dict['stamps'] = event.stamps
}

/**
 * The event in a dict. A type that tq does not know gives a CustomEvent. Needed are `type`, `hostname`, `timestamp` and,
 * on task events, `uuid`; whatever else is missing gets its neutral value, since versions of Celery differ in it.
 * Throws DecodeError.
 */
export function dictToEvent(value: unknown): WorkerEvent {
  const dict = requireDict(value, 'an event')
  const type = requireText(dict, 'type', 'an event')
  const base: EventBase = {
    hostname: requireText(dict, 'hostname', type),
    pid: numberOr(dict, 'pid', 0),
    clock: numberOr(dict, 'clock', 0),
    timestampMs: readTime(dict, type),
    utcoffset: numberOr(dict, 'utcoffset', 0),
  }
  switch (type) {
    case 'task-sent':
      return {
        type,
        ...base,
        ...readTask(dict, type),
        queue: textOr(dict, 'queue', ''),
        exchange: textOr(dict, 'exchange', ''),
        routingKey: textOr(dict, 'routing_key', ''),
      }
    case 'task-received':
      return { type, ...base, ...readTask(dict, type) }
    case 'task-started':
      return { type, ...base, uuid: requireText(dict, 'uuid', type) }
    case 'task-succeeded':
      return {
        type,
        ...base,
        uuid: requireText(dict, 'uuid', type),
        result: textOr(dict, 'result', 'None'),
        runtime: numberOr(dict, 'runtime', 0),
      }
    case 'task-failed':
    case 'task-retried':
      return {
        type,
        ...base,
        uuid: requireText(dict, 'uuid', type),
        exception: textOr(dict, 'exception', ''),
        traceback: optionalText(dict, 'traceback'),
      }
    case 'task-rejected':
      return { type, ...base, uuid: requireText(dict, 'uuid', type), requeue: flag(dict, 'requeue') }
    case 'task-revoked':
      return {
        type,
        ...base,
        uuid: requireText(dict, 'uuid', type),
        terminated: flag(dict, 'terminated'),
        signum: readSignum(own(dict, 'signum')),
        expired: flag(dict, 'expired'),
      }
    case 'worker-online':
    case 'worker-heartbeat':
    case 'worker-offline':
      return { type, ...base, ...readPulse(dict) }
    default:
      return readCustom(type, base, dict)
  }
}

function readTask(dict: Dict, type: string): Omit<TaskReceived, keyof EventBase | 'type'> {
  return {
    uuid: requireText(dict, 'uuid', type),
    name: textOr(dict, 'name', ''),
    args: textOr(dict, 'args', '()'),
    kwargs: textOr(dict, 'kwargs', '{}'),
    rootId: optionalText(dict, 'root_id'),
    parentId: optionalText(dict, 'parent_id'),
    retries: numberOr(dict, 'retries', 0),
    eta: optionalText(dict, 'eta'),
    expires: optionalText(dict, 'expires'),
    ...(isRecord(dict['stamps']) && { stamps: dict['stamps'] }),
  }
}

function readPulse(dict: Dict): Omit<WorkerPulse, keyof EventBase | 'type'> {
  return {
    freq: numberOr(dict, 'freq', 2),
    active: numberOr(dict, 'active', 0),
    processed: numberOr(dict, 'processed', 0),
    loadavg: numberList(own(dict, 'loadavg')),
    swIdent: textOr(dict, 'sw_ident', ''),
    swVer: textOr(dict, 'sw_ver', ''),
    swSys: textOr(dict, 'sw_sys', ''),
  }
}

const baseKeys: ReadonlySet<string> = new Set(['type', 'hostname', 'pid', 'clock', 'timestamp', 'utcoffset'])

function readCustom(name: string, base: EventBase, dict: Dict): CustomEvent {
  const fields = Object.fromEntries(Object.entries(dict).filter(([key]) => !baseKeys.has(key)))
  return { type: 'custom', name, ...base, fields }
}

function readSignum(value: unknown): string | number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}

// Celery's float seconds carry microseconds; a quarter of one is lost in the double, so round there.
function readTime(dict: Dict, type: string): number {
  const ms = Math.round(requireNumber(dict, 'timestamp', type) * 1_000_000) / 1000
  if (Math.abs(ms) <= farthestMs) return ms
  throw new DecodeError(`Expected timestamp of ${type} to be epoch seconds, got a time that no calendar has.`)
}

// What a Date can hold.
const farthestMs = 8.64e15

/**
 * One message for these events: one alone is a dict under its own routing key, several are a list under `task.multi`
 * (Celery sends only task events that way, and so must the caller). The header names the first event's sender. JSON unless a `serializer` is given.
 */
export function encodeEvents(
  events: readonly WorkerEvent[],
  serializer?: Serializer,
): { message: RawMessage; routingKey: string } {
  const [first] = events
  if (first === undefined) throw new TypeError('expected events to be a non-empty list, got an empty one')
  return {
    message: {
      ...(serializer ? encodedBy(serializer, first, events) : encodedAsJson(first, events)),
      headers: { hostname: first.hostname },
      properties: { deliveryMode: 1, priority: 0 },
    },
    routingKey: events.length === 1 ? routingKeyOf(first) : taskBatchKey,
  }
}

type EncodedEvents = Pick<RawMessage, 'body' | 'contentType' | 'contentEncoding'>

function encodedBy(serializer: Serializer, first: WorkerEvent, events: readonly WorkerEvent[]): EncodedEvents {
  const { contentType, contentEncoding } = serializer
  const body = serializer.encode(events.length === 1 ? eventToDict(first) : events.map(eventToDict))
  return { body, contentType, contentEncoding }
}

function encodedAsJson(first: WorkerEvent, events: readonly WorkerEvent[]): EncodedEvents {
  // Custom fields may hold what only kombu's JSON can say (dates, bytes). The rest is texts and numbers.
  const text = events.some((event) => event.type === 'custom')
    ? encodeJson(events.length === 1 ? eventToDict(first) : events.map(eventToDict))
    : JSON.stringify(events.length === 1 ? eventToDict(first) : events.map(eventToDict))
  return { body: Buffer.from(text), contentType: 'application/json', contentEncoding: 'utf-8' }
}

/** The events of a message, be it a dict or a list. Throws DecodeError if any of them is none. */
export function decodeEvents(raw: RawMessage): readonly WorkerEvent[] {
  const value = decodeBody(raw)
  return Array.isArray(value) ? value.map(dictToEvent) : [dictToEvent(value)]
}

/** As `decodeEvents`, but what is no event is left out and counted. */
export function decodeGoodEvents(raw: RawMessage): { readonly events: readonly WorkerEvent[]; readonly bad: number } {
  const events: WorkerEvent[] = []
  let bad = 0
  let values: readonly unknown[]
  try {
    const value = decodeBody(raw)
    values = Array.isArray(value) ? value : [value]
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { events, bad: 1 }
  }
  for (const value of values) {
    try {
      events.push(dictToEvent(value))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      bad++
    }
  }
  return { events, bad }
}

/** Events are shown, never run: every serializer that only makes values is read, whatever the sender's `eventSerializer`. */
function decodeBody(raw: RawMessage): unknown {
  switch (raw.contentType) {
    case 'application/x-yaml':
      return yamlSerializer().decode(raw.body)
    case 'application/x-msgpack':
      return msgpackSerializer().decode(raw.body)
    default:
      return decodeJsonBody(raw, 'an event')
  }
}

function routingKeyOf(event: WorkerEvent): string {
  return (event.type === 'custom' ? event.name : event.type).replaceAll('-', '.')
}
