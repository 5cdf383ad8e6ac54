import { closest, distance } from 'fastest-levenshtein'
import { SettingError } from './errors.ts'

/** One setting: its Celery name, kind, default and what it does. The table below is the single source for all of them. */
export interface SettingSpec<T> {
  /** Celery's lower-case name; undefined for tq's own. */
  readonly celery: string | undefined
  readonly kind: Kind
  readonly unit?: 's' | 'ms' | undefined
  readonly default: T
  readonly doc: string
  /** Allowed texts of a `text` setting. */
  readonly oneOf?: readonly string[] | undefined
}

type Kind = 'text' | 'number' | 'boolean' | 'texts' | 'object' | 'auto-boolean' | 'auto-number'

/** How publishing is tried again. Source: celery/app/defaults.py, task.publish_retry_policy. Intervals in seconds. */
export interface RetryPolicy {
  readonly maxRetries: number
  readonly intervalStart: number
  readonly intervalStep: number
  readonly intervalMax: number
}

function spec<T>(
  celery: string | undefined,
  kind: Kind,
  value: T,
  doc: string,
  more: { unit?: 's' | 'ms'; oneOf?: readonly string[] } = {},
): SettingSpec<T> {
  return { celery, kind, default: value, doc, ...more }
}

/** Every setting. Names are Celery's lower-case ones in camelCase; defaults are Celery 5.6's unless the text says otherwise. */
export const settingTable = {
  brokerUrl: spec<string | undefined>(
    'broker_url',
    'text',
    undefined,
    'Where messages go: sqlite:///path, redis://host:port/db, memory://. Unset: the project’s own file .tq/tq.db. TQ_BROKER_URL wins over it.',
  ),
  resultBackend: spec<string | undefined>(
    'result_backend',
    'text',
    undefined,
    'Where results are kept; the same URLs, or `disabled`. Unset: where the broker is. TQ_RESULT_BACKEND wins over it.',
  ),
  brokerTransportOptions: spec<TransportSettings>(
    'broker_transport_options',
    'object',
    {},
    'Options of the broker: visibilityTimeout (s, 3600), globalKeyprefix, sep, prioritySteps, leaseMs, sync.',
  ),
  resultBackendTransportOptions: spec<TransportSettings>(
    'result_backend_transport_options',
    'object',
    {},
    'Options of the result backend: globalKeyprefix.',
  ),
  brokerConnectionTimeout: spec('broker_connection_timeout', 'number', 4, 'Time to connect.', { unit: 's' }),
  include: spec<readonly string[]>(
    'include',
    'texts',
    [],
    'Task modules: globs relative to the file that makes the app. Unset: the files in which a definition is found.',
  ),
  imports: spec<readonly string[]>('imports', 'texts', [], 'Further modules that a worker imports, as `include`.'),
  taskNames: spec<'automatic' | 'explicit'>(
    undefined,
    'text',
    'automatic',
    '`explicit` forbids automatic names; recommended for bundled builds.',
    { oneOf: ['automatic', 'explicit'] },
  ),
  taskDefaultQueue: spec('task_default_queue', 'text', 'celery', 'Queue of tasks that name none.'),
  taskDefaultPriority: spec<number | undefined>(
    'task_default_priority',
    'number',
    undefined,
    'Priority of tasks that name none.',
  ),
  taskSerializer: spec('task_serializer', 'text', 'json', 'Serializer of task arguments.'),
  acceptContent: spec<readonly string[]>(
    'accept_content',
    'texts',
    ['json'],
    'Serializers (names or content types) that are decoded; anything else is quarantined.',
  ),
  jsonStyle: spec<'typed' | 'plain'>(
    undefined,
    'text',
    'typed',
    '`typed` marks dates, bytes and uuids as kombu 5.3 does, `plain` writes them as kombu 5.2 did.',
    { oneOf: ['typed', 'plain'] },
  ),
  taskAcksLate: spec('task_acks_late', 'boolean', false, 'Acknowledge after the run instead of before it.'),
  taskAcksOnFailure: spec('task_acks_on_failure', 'boolean', true, 'With late acknowledgement: failures too.'),
  taskAcksOnTimeout: spec('task_acks_on_timeout', 'boolean', true, 'With late acknowledgement: timeouts too.'),
  taskRejectOnWorkerLost: spec(
    'task_reject_on_worker_lost',
    'boolean',
    false,
    'With late acknowledgement: back to the queue when the process that ran the task died.',
  ),
  taskTrackStarted: spec('task_track_started', 'boolean', false, 'Store STARTED when a run begins.'),
  taskIgnoreResult: spec('task_ignore_result', 'boolean', false, 'Store no results.'),
  taskStoreErrorsEvenIfIgnored: spec(
    'task_store_errors_even_if_ignored',
    'boolean',
    false,
    'Store failures of tasks whose results are ignored.',
  ),
  taskSoftTimeLimit: spec<number | undefined>(
    'task_soft_time_limit',
    'number',
    undefined,
    'The task’s signal aborts after this.',
    { unit: 's' },
  ),
  taskPublishRetry: spec('task_publish_retry', 'boolean', true, 'Try again when the broker cannot be reached.'),
  taskPublishRetryPolicy: spec<RetryPolicy>(
    'task_publish_retry_policy',
    'object',
    { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 },
    'How often, and with what pauses (s).',
  ),
  taskSendSentEvent: spec<boolean | 'auto'>(
    'task_send_sent_event',
    'auto-boolean',
    'auto',
    'The sender emits task-sent. `auto`: on the embedded broker only (Celery: false).',
  ),
  taskAlwaysEager: spec('task_always_eager', 'boolean', false, 'Calls run here and now instead of being sent.'),
  taskEagerPropagates: spec('task_eager_propagates', 'boolean', false, 'An eager call rejects with the task’s error.'),
  taskStoreEagerResult: spec(
    'task_store_eager_result',
    'boolean',
    false,
    'Eager results and events go to the real backend and broker.',
  ),
  resultExpires: spec('result_expires', 'number', 86_400, 'Results are deleted after this; 0 keeps them.', {
    unit: 's',
  }),
  resultExtended: spec<boolean | 'auto'>(
    'result_extended',
    'auto-boolean',
    'auto',
    'Store name, arguments, worker, retries and queue with the result. `auto`: on the embedded broker only (Celery: false).',
  ),
  workerConcurrency: spec<number | undefined>(
    'worker_concurrency',
    'number',
    undefined,
    'Tasks at once. Unset: 100 for the async pool (Celery: CPU count).',
  ),
  workerPrefetchMultiplier: spec<number | 'auto'>(
    'worker_prefetch_multiplier',
    'auto-number',
    'auto',
    'Messages held per slot. `auto`: 4 while tasks take less than 10 ms on average, else 1 (Celery: 4). 0: no limit.',
  ),
  workerSendTaskEvents: spec<boolean | 'auto'>(
    'worker_send_task_events',
    'auto-boolean',
    'auto',
    'Emit task events. `auto`: on the embedded broker only (Celery: false).',
  ),
  workerEnableRemoteControl: spec('worker_enable_remote_control', 'boolean', true, 'Answer remote control.'),
  workerHeartbeatInterval: spec(
    undefined,
    'number',
    2,
    'Between worker-heartbeat events (Celery: the option --heartbeat-interval).',
    { unit: 's' },
  ),
} as const satisfies Record<string, SettingSpec<unknown>>

/** Options of a broker or backend that are its own; names as kombu's in camelCase. */
export interface TransportSettings {
  /** Seconds a message may be held without a sign of life; default 3600. Redis. */
  readonly visibilityTimeout?: number | undefined
  readonly globalKeyprefix?: string | undefined
  readonly sep?: string | undefined
  readonly prioritySteps?: readonly number[] | undefined
  /** Lease of a process on SQLite in ms; default 30000. */
  readonly leaseMs?: number | undefined
  /** SQLite: `full` syncs every commit to the disk. */
  readonly sync?: 'normal' | 'full' | undefined
}

type Table = typeof settingTable
export type SettingName = keyof Table
export type Settings = { readonly [K in SettingName]: Table[K] extends SettingSpec<infer T> ? T : never }

const aliases: Readonly<Record<string, SettingName>> = { broker: 'brokerUrl', backend: 'resultBackend' }

/** What may be given for settings: any of them, `broker` and `backend` being short for `brokerUrl` and `resultBackend`. */
export type SettingsInput = { readonly [K in SettingName]?: Settings[K] | undefined } & {
  readonly broker?: string | undefined
  readonly backend?: string | undefined
}

/** Lays `inputs` over the defaults, later ones winning. Throws SettingError for unknown names and wrong kinds. */
export function resolveSettings(...inputs: readonly SettingsInput[]): Settings {
  const resolved: Record<string, unknown> = {}
  for (const name of settingNames()) resolved[name] = settingTable[name].default
  for (const input of inputs) {
    for (const [given, value] of Object.entries(input)) {
      if (value === undefined) continue
      const name = aliases[given] ?? given
      if (!isSettingName(name)) throw unknownSetting(given)
      checkKind(given, settingTable[name], value)
      resolved[name] = value
    }
  }
  return resolved as Settings // every key of the table was filled from it
}

export function settingNames(): readonly SettingName[] {
  return Object.keys(settingTable) as SettingName[] // the keys of a const object
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingTable, name)
}

function unknownSetting(name: string): SettingError {
  const known = [...settingNames(), ...Object.keys(aliases)]
  for (const tq of settingNames()) {
    if (settingTable[tq].celery === name) return new SettingError(`Setting '${name}' is called '${tq}' here.`)
  }
  const near = closest(name, known)
  const hint = distance(name, near) <= Math.max(2, name.length / 3) ? ` Did you mean '${near}'?` : ''
  return new SettingError(`There is no setting '${name}'.${hint}`)
}

function checkKind(name: string, setting: SettingSpec<unknown>, value: unknown): void {
  const wanted = mismatch(setting, value)
  if (wanted) throw new SettingError(`expected ${name} to be ${wanted}, got ${shown(value)}`)
}

function mismatch(setting: SettingSpec<unknown>, value: unknown): string | undefined {
  const number = typeof value === 'number' && Number.isFinite(value) && value >= 0
  switch (setting.kind) {
    case 'text':
      if (typeof value !== 'string') return 'a text'
      return setting.oneOf && !setting.oneOf.includes(value)
        ? setting.oneOf.map((t) => `'${t}'`).join(' or ')
        : undefined
    case 'number':
      return number ? undefined : 'a number that is not negative'
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'true or false'
    case 'auto-boolean':
      return typeof value === 'boolean' || value === 'auto' ? undefined : "true, false or 'auto'"
    case 'auto-number':
      return number || value === 'auto' ? undefined : "a number that is not negative, or 'auto'"
    case 'texts':
      return Array.isArray(value) && value.every((v) => typeof v === 'string') ? undefined : 'a list of texts'
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object'
  }
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
