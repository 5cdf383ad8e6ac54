import { closest, distance } from 'fastest-levenshtein'
import { SettingError } from './errors.ts'
import type { ExchangeKind, QueueSettings, TaskRoutes } from './routing.ts'
import { isRate } from './rate.ts'
import { isTimeZone } from './time-zone.ts'

/** One setting: its Celery name, kind, default and what it does. The table below is the single source for all of them. */
export interface SettingSpec<T> {
  /** Celery's lower-case name; undefined for tq's own. */
  readonly celery: string | undefined
  readonly kind: Kind
  readonly unit?: 's' | 'ms' | 'KiB' | undefined
  readonly default: T
  readonly doc: string
  /** Allowed texts of a `text` setting. */
  readonly oneOf?: readonly string[] | undefined
}

type Kind =
  | 'text'
  | 'number'
  | 'boolean'
  | 'texts'
  | 'object'
  | 'auto-boolean'
  | 'auto-number'
  | 'queues'
  | 'routes'
  | 'priority'
  | 'rate'
  | 'zone'
  | 'tls'

/** How publishing is tried again. Source: celery/app/defaults.py, task.publish_retry_policy. Intervals in seconds. */
export interface RetryPolicy {
  /** null is for ever. */
  readonly maxRetries: number | null
  readonly intervalStart: number
  readonly intervalStep: number
  readonly intervalMax: number
  /** Errors that are tried again beside a lost connection: classes, or the `code` they have. */
  readonly retryErrors?: readonly (string | (abstract new (...args: never[]) => Error))[] | undefined
}

function spec<T>(
  celery: string | undefined,
  kind: Kind,
  value: T,
  doc: string,
  more: { unit?: 's' | 'ms' | 'KiB'; oneOf?: readonly string[] } = {},
): SettingSpec<T> {
  return { celery, kind, default: value, doc, ...more }
}

/** Every setting. Names are Celery's lower-case ones in camelCase; defaults are Celery 5.6's unless the text says otherwise. */
export const settingTable = {
  brokerUrl: spec<string | undefined>(
    'broker_url',
    'text',
    undefined,
    'Where messages go: sqlite:///path, redis://host:port/db, amqp://user:password@host:port/vhost, memory://. Unset: the project’s own file .tq/tq.db. TQ_BROKER_URL wins over it.',
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
    'Options of the broker. Redis: visibilityTimeout (s, 3600), globalKeyprefix, sep, prioritySteps, queueOrderStrategy, fanoutPrefix, fanoutPatterns, unackedRestoreLimit, masterName, sentinelKwargs, socketTimeout, socketConnectTimeout, healthCheckInterval (s). SQLite: leaseMs, sync, syncMs, maxBytes.',
  ),
  resultBackendTransportOptions: spec<TransportSettings>(
    'result_backend_transport_options',
    'object',
    {},
    'Options of the result backend. Redis: globalKeyprefix, masterName, sentinelKwargs.',
  ),
  brokerUseSsl: spec<boolean | TlsSettings>(
    'broker_use_ssl',
    'tls',
    false,
    'TLS to the broker, whatever its URL says: true, or { ca, cert, key, rejectUnauthorized } with files or their text.',
  ),
  redisBackendUseSsl: spec<boolean | TlsSettings>(
    'redis_backend_use_ssl',
    'tls',
    false,
    'TLS to the result backend on Redis, as `brokerUseSsl`.',
  ),
  brokerConnectionTimeout: spec('broker_connection_timeout', 'number', 4, 'Time to connect.', { unit: 's' }),
  brokerFailoverStrategy: spec<'round-robin' | 'shuffle'>(
    'broker_failover_strategy',
    'text',
    'round-robin',
    'Which of several servers (`url;url`) is tried when one is lost.',
    { oneOf: ['round-robin', 'shuffle'] },
  ),
  brokerConnectionRetry: spec(
    'broker_connection_retry',
    'boolean',
    true,
    'A worker whose broker is lost waits until it is back; false: it ends.',
  ),
  brokerConnectionRetryOnStartup: spec<boolean | undefined>(
    'broker_connection_retry_on_startup',
    'boolean',
    undefined,
    'A worker that cannot reach the broker when it starts tries again, with pauses of 2 s, 4 s, … 30 s. Unset: as brokerConnectionRetry.',
  ),
  brokerConnectionMaxRetries: spec(
    'broker_connection_max_retries',
    'number',
    100,
    'How often a worker that starts tries to reach the broker before it gives up; 0: for ever. Once it runs, it waits for ever.',
  ),
  redisSocketTimeout: spec(
    'redis_socket_timeout',
    'number',
    15,
    'Redis: a connection that owes an answer so long is made anew (Celery: 120).',
    { unit: 's' },
  ),
  redisSocketConnectTimeout: spec<number | undefined>(
    'redis_socket_connect_timeout',
    'number',
    undefined,
    'Redis: time to connect to the result backend. Unset: brokerConnectionTimeout.',
    { unit: 's' },
  ),
  redisSocketKeepalive: spec(
    'redis_socket_keepalive',
    'boolean',
    true,
    'Redis: the system probes silent connections (Celery: false).',
  ),
  redisBackendHealthCheckInterval: spec(
    'redis_backend_health_check_interval',
    'number',
    10,
    'Redis: how often a connection is asked for an answer (Celery: 25 for the broker, never for results); 0: never.',
    { unit: 's' },
  ),
  brokerHeartbeat: spec(
    'broker_heartbeat',
    'number',
    10,
    'RabbitMQ: a server that is silent two to three times as long is given up; 0 is off (Celery: 120).',
    { unit: 's' },
  ),
  brokerNativeDelayedDeliveryQueueType: spec<'classic' | 'quorum'>(
    'broker_native_delayed_delivery_queue_type',
    'text',
    'quorum',
    'RabbitMQ: type of the queues in which messages wait for their ETA.',
    { oneOf: ['classic', 'quorum'] },
  ),
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
  taskQueues: spec<QueueSettings | undefined>(
    'task_queues',
    'queues',
    undefined,
    'Queues: names, or { name, exchange, exchangeType, routingKey, bindings, maxPriority, broadcast, … }; a worker consumes all of them. Unset: the default queue.',
  ),
  taskRoutes: spec<TaskRoutes | undefined>(
    'task_routes',
    'routes',
    undefined,
    'Where tasks go: { name or glob: queue or route }, pairs with regular expressions, a function, or a list of these.',
  ),
  taskDefaultExchange: spec<string | undefined>(
    'task_default_exchange',
    'text',
    undefined,
    'Exchange of queues that name none. Unset: called as the default queue.',
  ),
  taskDefaultExchangeType: spec<ExchangeKind>(
    'task_default_exchange_type',
    'text',
    'direct',
    'Type of the default exchange.',
    { oneOf: ['direct', 'topic', 'fanout'] },
  ),
  taskDefaultRoutingKey: spec<string | undefined>(
    'task_default_routing_key',
    'text',
    undefined,
    'Routing key of queues that name none. Unset: as the default queue.',
  ),
  taskDefaultQueueType: spec<'classic' | 'quorum'>(
    'task_default_queue_type',
    'text',
    'classic',
    'RabbitMQ: type of the default queue.',
    { oneOf: ['classic', 'quorum'] },
  ),
  taskCreateMissingQueues: spec(
    'task_create_missing_queues',
    'boolean',
    true,
    'Any queue may be named. False: naming one that taskQueues does not have is an error.',
  ),
  taskCreateMissingQueueType: spec<'classic' | 'quorum'>(
    'task_create_missing_queue_type',
    'text',
    'classic',
    'RabbitMQ: type of queues that taskQueues does not name.',
    { oneOf: ['classic', 'quorum'] },
  ),
  taskCreateMissingQueueExchangeType: spec<ExchangeKind>(
    'task_create_missing_queue_exchange_type',
    'text',
    'direct',
    'Exchange type of queues that taskQueues does not name (Celery: unset, which is direct).',
    { oneOf: ['direct', 'topic', 'fanout'] },
  ),
  taskDefaultPriority: spec<number | undefined>(
    'task_default_priority',
    'priority',
    undefined,
    'Priority of tasks that name none, 0 to 255. On Redis, SQLite and in memory 0 goes first, on RabbitMQ the highest.',
  ),
  taskQueueMaxPriority: spec<number | undefined>(
    'task_queue_max_priority',
    'priority',
    undefined,
    'RabbitMQ: x-max-priority of queues that set none.',
  ),
  taskInheritParentPriority: spec(
    'task_inherit_parent_priority',
    'boolean',
    false,
    'Tasks that a task sends have its priority unless they name one.',
  ),
  taskDefaultDeliveryMode: spec<'persistent' | 'transient'>(
    'task_default_delivery_mode',
    'text',
    'persistent',
    'RabbitMQ: whether messages survive a restart of the broker (Celery: 2 and 1).',
    { oneOf: ['persistent', 'transient'] },
  ),
  timezone: spec<string | undefined>(
    'timezone',
    'zone',
    undefined,
    'Zone in which times are written into messages, and which times without an offset are in. Unset: UTC.',
  ),
  enableUtc: spec(
    'enable_utc',
    'boolean',
    true,
    'Without a timezone times are in UTC; false: in the zone of this machine.',
  ),
  taskSerializer: spec(
    'task_serializer',
    'text',
    'json',
    'Serializer of task arguments: json, yaml, msgpack, auth, or a registered one. Tasks and calls may name another.',
  ),
  taskCompression: spec<string | undefined>(
    'task_compression',
    'text',
    undefined,
    'Compression of task messages: gzip (zlib), zstd, brotli, lzma (xz), or a registered one. Tasks and calls may name another, or `none`.',
  ),
  resultSerializer: spec(
    'result_serializer',
    'text',
    'json',
    'Serializer of results. Whoever reads them needs the same one: results do not say what they are.',
  ),
  resultCompression: spec<string | undefined>(
    'result_compression',
    'text',
    undefined,
    'Compression of results. For tq on both sides only: Celery has the setting, but its backends read no compressed results.',
  ),
  resultAcceptContent: spec<readonly string[] | undefined>(
    'result_accept_content',
    'texts',
    undefined,
    'Serializers (names or content types) that results may have. Unset: the one that resultSerializer names.',
  ),
  eventSerializer: spec(
    'event_serializer',
    'text',
    'json',
    'Serializer of events. Monitors, Celery’s too, have to accept it.',
  ),
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
  maxDecompressedBytes: spec(
    undefined,
    'number',
    268_435_456,
    'A compressed body or result that would grow to more bytes is refused: a small message may hide a huge one. 0: no limit.',
  ),
  taskRedact: spec<readonly string[]>(
    undefined,
    'texts',
    [],
    'Names of parameters and keys whose values are shown as *** in events, logs and the argsrepr header. Tasks add their own with `redact`.',
  ),
  securityKey: spec<string | undefined>(
    'security_key',
    'text',
    undefined,
    'File of the RSA key (PEM) that signs with the serializer auth.',
  ),
  securityKeyPassword: spec<string | undefined>(
    'security_key_password',
    'text',
    undefined,
    'Password of securityKey, where it has one.',
  ),
  securityCertificate: spec<string | undefined>(
    'security_certificate',
    'text',
    undefined,
    'File of the X.509 certificate (PEM) of securityKey.',
  ),
  securityCertStore: spec<string | undefined>(
    'security_cert_store',
    'text',
    undefined,
    'Folder, file or glob of the certificates (PEM) whose signatures are trusted.',
  ),
  securityDigest: spec('security_digest', 'text', 'sha256', 'Digest of signatures; the same on both sides.'),
  securitySerializer: spec(
    undefined,
    'text',
    'json',
    'Serializer of what auth signs (Celery: the argument `serializer` of setup_security).',
  ),
  securityLayout: spec<'separated' | 'raw'>(
    undefined,
    'text',
    'separated',
    'How signed messages are laid out: `separated` as Celery 5.5 and later, `raw` for peers of Celery 5.4 and older. Both are read.',
    { oneOf: ['separated', 'raw'] },
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
  taskAllowErrorCbOnChordHeader: spec(
    'task_allow_error_cb_on_chord_header',
    'boolean',
    false,
    'Error callbacks of a chord are callbacks of its header’s members, too, not of its body alone.',
  ),
  taskSoftTimeLimit: spec<number | undefined>(
    'task_soft_time_limit',
    'number',
    undefined,
    'The task’s signal aborts after this.',
    { unit: 's' },
  ),
  taskTimeLimit: spec<number | undefined>(
    'task_time_limit',
    'number',
    undefined,
    'The run is ended after this: the process or thread that runs it is killed. On the async pool the task’s signal aborts.',
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
  resultPersistent: spec(
    'result_persistent',
    'boolean',
    false,
    'rpc: results on their way survive a restart of the broker.',
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
    'Tasks at once. Unset: 100 on the async pool, as many as there are cores on threads and prefork (Celery: CPU count).',
  ),
  workerPool: spec<'async' | 'threads' | 'prefork' | 'solo'>(
    'worker_pool',
    'text',
    'async',
    'Where tasks run: on the event loop, in threads, in processes, or one at a time on the event loop (Celery: prefork).',
    { oneOf: ['async', 'threads', 'prefork', 'solo'] },
  ),
  taskDefaultRateLimit: spec<string | number | undefined>(
    'task_default_rate_limit',
    'rate',
    undefined,
    'Starts of a task per worker: a number per second, or `10/s`, `100/m`, `5/h`.',
  ),
  workerDisableRateLimits: spec('worker_disable_rate_limits', 'boolean', false, 'Rate limits are ignored.'),
  workerMaxTasksPerChild: spec<number | undefined>(
    'worker_max_tasks_per_child',
    'number',
    undefined,
    'A process or thread of the pool is replaced after so many tasks.',
  ),
  workerMaxMemoryPerChild: spec<number | undefined>(
    'worker_max_memory_per_child',
    'number',
    undefined,
    'A process of the pool that holds more after a task is replaced.',
    { unit: 'KiB' },
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
  workerDirect: spec(
    'worker_direct',
    'boolean',
    false,
    'Each worker also consumes a queue of its own, to which workerQueue(hostname) sends.',
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

/** TLS to a broker or backend. Files, or their text. Celery's names for Redis (`sslCaCerts`, …) mean the same. */
export interface TlsSettings {
  /** Certificates to trust; those of the system by default. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** False trusts any certificate. */
  readonly rejectUnauthorized?: boolean | undefined
  /** Name that the certificate must have; the host by default. */
  readonly servername?: string | undefined
  readonly sslCaCerts?: string | undefined
  readonly sslCertfile?: string | undefined
  readonly sslKeyfile?: string | undefined
  readonly sslCertReqs?: string | undefined
}

/** Options of a broker or backend that are its own; names as kombu's in camelCase. */
export interface TransportSettings {
  /** Seconds a message may be held without a sign of life; default 3600. Redis. */
  readonly visibilityTimeout?: number | undefined
  readonly globalKeyprefix?: string | undefined
  readonly sep?: string | undefined
  readonly prioritySteps?: readonly number[] | undefined
  /** Order in which the queues of a worker are looked at; `round_robin` by default. Redis. */
  readonly queueOrderStrategy?: 'round_robin' | 'sorted' | 'priority' | undefined
  /** False for none, or another text than `/{db}.` before channels. Redis. */
  readonly fanoutPrefix?: boolean | string | undefined
  /** False leaves the routing key out of channel names. Redis. */
  readonly fanoutPatterns?: boolean | undefined
  /** How many messages of vanished workers are brought back at once; 100 by default. Redis. */
  readonly unackedRestoreLimit?: number | undefined
  /** Sentinel: name of the group of servers; no default. */
  readonly masterName?: string | undefined
  /** Sentinel: how to get in there. */
  readonly sentinelKwargs?: SentinelSettings | undefined
  /** Seconds after which a connection that owes an answer is made anew; default `redisSocketTimeout`. Redis. */
  readonly socketTimeout?: number | undefined
  /** Seconds to connect; default `brokerConnectionTimeout`. Redis. */
  readonly socketConnectTimeout?: number | undefined
  readonly socketKeepalive?: boolean | undefined
  /** Seconds; default `redisBackendHealthCheckInterval`. Redis. */
  readonly healthCheckInterval?: number | undefined
  /** Lease of a process on SQLite in ms; default 30000. */
  readonly leaseMs?: number | undefined
  /** SQLite: `full` syncs every commit to the disk. */
  readonly sync?: 'normal' | 'full' | undefined
  /** SQLite: a commit is on the disk after at most this, in ms; default 1000, 0 leaves it to the kernel. */
  readonly syncMs?: number | undefined
  /** SQLite: largest size of the file; publishing fails beyond it, running what waits goes on. Default none. */
  readonly maxBytes?: number | undefined
}

/** How to get into the sentinels themselves. */
export interface SentinelSettings {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly ssl?: boolean | TlsSettings | undefined
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

/** The setting that a name stands for, `broker` and `backend` included; undefined for any other name. */
export function settingNameOf(given: string): SettingName | undefined {
  const name = aliases[given] ?? given
  return isSettingName(name) ? name : undefined
}

/** The setting that Celery calls so, in lower case; undefined where there is none. */
export function celerySettingName(celery: string): SettingName | undefined {
  return settingNames().find((name) => (settingTable[name].celery ?? snakeCase(name)) === celery)
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`)
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
      return isObject(value) ? undefined : 'an object'
    case 'tls':
      return typeof value === 'boolean' || isObject(value) ? undefined : 'true, false or an object of files'
    case 'priority':
      return number && Number.isInteger(value) && value <= 255 ? undefined : 'a whole number from 0 to 255'
    case 'rate':
      return isRate(value) ? undefined : 'a number per second, or like 10/s, 100/m, 5/h'
    case 'queues':
      return Array.isArray(value) || isObject(value) ? undefined : 'a list of queues, or an object of them by name'
    case 'routes':
      return typeof value === 'function' || (typeof value === 'object' && value !== null)
        ? undefined
        : 'an object, a list or a function'
    case 'zone':
      return typeof value === 'string' && isTimeZone(value) ? undefined : 'a time zone such as Europe/Berlin'
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
