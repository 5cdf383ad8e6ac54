import { DecodeError } from '../core/errors.ts'
import {
  type Dict,
  dictOr,
  flag,
  numberList,
  numberOr,
  optionalNumber,
  optionalText,
  own,
  requireDict,
  requireText,
  textOr,
} from './dict-fields.ts'
import { isRecord } from './fields.ts'

/** A task that a worker holds. Source: celery/worker/request.py, Request.info. */
export interface TaskInfo {
  readonly id: string
  readonly name: string
  /** The list of arguments, or the text that stands for it. */
  readonly args: unknown
  readonly kwargs: unknown
  /** The task's type; its name. */
  readonly type: string
  readonly hostname: string
  /** Epoch ms; undefined until it starts. */
  readonly startedAtMs: number | undefined
  readonly acknowledged: boolean
  readonly deliveryInfo: {
    readonly exchange: string
    readonly routingKey: string
    readonly priority: number
    readonly redelivered: boolean
  }
  readonly workerPid: number | undefined
}

export function taskInfoToDict(info: TaskInfo): Record<string, unknown> {
  return {
    id: info.id,
    name: info.name,
    args: info.args,
    kwargs: info.kwargs,
    type: info.type,
    hostname: info.hostname,
    time_start: info.startedAtMs === undefined ? null : info.startedAtMs / 1000,
    acknowledged: info.acknowledged,
    delivery_info: {
      exchange: info.deliveryInfo.exchange,
      routing_key: info.deliveryInfo.routingKey,
      priority: info.deliveryInfo.priority,
      redelivered: info.deliveryInfo.redelivered,
    },
    worker_pid: info.workerPid ?? null,
  }
}

/** Throws DecodeError. */
export function dictToTaskInfo(value: unknown): TaskInfo {
  const dict = requireDict(value, 'a task info')
  const delivery = dictOr(dict, 'delivery_info')
  const name = textOr(dict, 'name', textOr(dict, 'type', ''))
  const started = optionalNumber(dict, 'time_start')
  return {
    id: requireText(dict, 'id', 'a task info'),
    name,
    args: own(dict, 'args') ?? [],
    kwargs: own(dict, 'kwargs') ?? {},
    type: textOr(dict, 'type', name),
    hostname: textOr(dict, 'hostname', ''),
    startedAtMs: started === undefined ? undefined : started * 1000,
    acknowledged: flag(dict, 'acknowledged'),
    deliveryInfo: {
      exchange: textOr(delivery, 'exchange', ''),
      routingKey: textOr(delivery, 'routing_key', ''),
      priority: numberOr(delivery, 'priority', 0),
      redelivered: flag(delivery, 'redelivered'),
    },
    workerPid: optionalNumber(dict, 'worker_pid'),
  }
}

/** A task that waits for its ETA. */
export interface ScheduledTask {
  /** ISO 8601. */
  readonly eta: string
  /** Of the timer, not of the message. */
  readonly priority: number
  readonly request: TaskInfo
}

export function scheduledToDict(task: ScheduledTask): Record<string, unknown> {
  return { eta: task.eta, priority: task.priority, request: taskInfoToDict(task.request) }
}

/** Throws DecodeError. */
export function dictToScheduled(value: unknown): ScheduledTask {
  const dict = requireDict(value, 'a scheduled task')
  return {
    eta: textOr(dict, 'eta', ''),
    priority: numberOr(dict, 'priority', 6),
    request: dictToTaskInfo(own(dict, 'request')),
  }
}

/** What a worker says about one id that it was asked for. */
export interface QueriedTask {
  readonly state: 'active' | 'reserved' | 'ready'
  readonly info: TaskInfo
}

export function queriedToDict(tasks: Readonly<Record<string, QueriedTask>>): Record<string, unknown> {
  return mapFields(tasks, (task) => [task.state, taskInfoToDict(task.info)])
}

/** Throws DecodeError. */
export function dictToQueried(value: unknown): Readonly<Record<string, QueriedTask>> {
  return mapFields(requireDict(value, 'queried tasks'), (one) => {
    const [state, info] = Array.isArray(one) ? (one as readonly unknown[]) : []
    if (state !== 'active' && state !== 'reserved' && state !== 'ready') {
      throw new DecodeError('Expected a queried task to be [active, reserved or ready, its info].')
    }
    return { state, info: dictToTaskInfo(info) }
  })
}

/** Figures of one worker. Source: celery/worker/worker.py, WorkController.stats; concurrency pools' info. */
export interface WorkerStats {
  /** Tasks accepted since the start, by name. */
  readonly total: Readonly<Record<string, number>>
  readonly pid: number
  readonly clock: number
  /** Seconds. */
  readonly uptime: number
  readonly pool: PoolStats
  readonly broker: BrokerStats
  readonly prefetchCount: number
  /** As Python's getrusage names them: utime and stime in seconds, maxrss in kB. */
  readonly rusage?: Readonly<Record<string, number>> | undefined
}

export interface PoolStats {
  readonly implementation: string
  /** Tasks at once, now. */
  readonly maxConcurrency: number
  /** Process ids; the worker's own for pools without children. */
  readonly processes: readonly number[]
  /** Undefined: children are not recycled. */
  readonly maxTasksPerChild: number | undefined
  /** Seconds, 0 for none. */
  readonly timeouts: { readonly soft: number; readonly hard: number }
}

/** The broker as the worker sees it, without a password. */
export interface BrokerStats {
  readonly transport: string
  readonly hostname: string
  readonly port: number | undefined
  readonly userid: string | undefined
  readonly virtualHost: string
}

export function statsToDict(stats: WorkerStats): Record<string, unknown> {
  return {
    total: stats.total,
    pid: stats.pid,
    clock: String(stats.clock),
    uptime: Math.floor(stats.uptime),
    pool: {
      implementation: stats.pool.implementation,
      'max-concurrency': stats.pool.maxConcurrency,
      processes: stats.pool.processes,
      'max-tasks-per-child': stats.pool.maxTasksPerChild ?? 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [stats.pool.timeouts.soft, stats.pool.timeouts.hard],
    },
    broker: {
      hostname: stats.broker.hostname,
      userid: stats.broker.userid ?? null,
      virtual_host: stats.broker.virtualHost,
      port: stats.broker.port ?? null,
      insist: false,
      ssl: false,
      transport: stats.broker.transport,
      connect_timeout: 4,
      transport_options: {},
      login_method: null,
      uri_prefix: null,
      heartbeat: 0,
      failover_strategy: 'round-robin',
      alternates: [],
    },
    prefetch_count: stats.prefetchCount,
    rusage: stats.rusage ?? 'N/A',
  }
}

/** Throws DecodeError. */
export function dictToStats(value: unknown): WorkerStats {
  const dict = requireDict(value, 'worker stats')
  const pool = dictOr(dict, 'pool')
  const broker = dictOr(dict, 'broker')
  const [soft = 0, hard = 0] = numberList(own(pool, 'timeouts'))
  const rusage = own(dict, 'rusage')
  const processes = numberList(own(pool, 'processes'))
  const implementation = textOr(pool, 'implementation', '')
  // Celery's prefork, which does not name itself before 5.3: its limit stays what it began with, however the pool grew.
  const isPrefork =
    implementation === ''
      ? own(pool, 'put-guarded-by-semaphore') !== undefined
      : implementation.startsWith('celery.concurrency.prefork')
  return {
    total: numberFields(dictOr(dict, 'total')),
    pid: numberOr(dict, 'pid', 0),
    clock: Number(textOr(dict, 'clock', '0')) || 0,
    uptime: numberOr(dict, 'uptime', 0),
    pool: {
      implementation: implementation === '' && isPrefork ? 'prefork' : implementation,
      maxConcurrency: isPrefork && processes.length > 0 ? processes.length : numberOr(pool, 'max-concurrency', 0),
      processes,
      maxTasksPerChild: optionalNumber(pool, 'max-tasks-per-child'),
      timeouts: { soft, hard },
    },
    broker: {
      transport: textOr(broker, 'transport', ''),
      hostname: textOr(broker, 'hostname', ''),
      port: optionalNumber(broker, 'port'),
      userid: optionalText(broker, 'userid'),
      virtualHost: textOr(broker, 'virtual_host', ''),
    },
    prefetchCount: numberOr(dict, 'prefetch_count', 0),
    rusage: isRecord(rusage) ? numberFields(rusage) : undefined,
  }
}

/** A queue that a worker consumes. */
export interface ActiveQueue {
  readonly name: string
  readonly exchange: { readonly name: string; readonly type: string }
  readonly routingKey: string
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
  readonly queueArguments: Readonly<Record<string, unknown>>
}

/** Source: kombu/entity.py, Queue.as_dict(recurse=True). */
export function activeQueueToDict(queue: ActiveQueue): Record<string, unknown> {
  return {
    name: queue.name,
    exchange: {
      name: queue.exchange.name,
      type: queue.exchange.type,
      arguments: null,
      durable: true,
      passive: false,
      auto_delete: false,
      delivery_mode: null,
      no_declare: false,
    },
    routing_key: queue.routingKey,
    queue_arguments: queue.queueArguments,
    binding_arguments: null,
    consumer_arguments: null,
    durable: queue.durable,
    exclusive: queue.exclusive,
    auto_delete: queue.autoDelete,
    no_ack: false,
    alias: null,
    bindings: [],
    no_declare: null,
    expires: null,
    message_ttl: null,
    max_length: null,
    max_length_bytes: null,
    max_priority: null,
  }
}

/** Throws DecodeError. */
export function dictToActiveQueue(value: unknown): ActiveQueue {
  const dict = requireDict(value, 'an active queue')
  const exchange = dictOr(dict, 'exchange')
  return {
    name: requireText(dict, 'name', 'an active queue'),
    exchange: { name: textOr(exchange, 'name', ''), type: textOr(exchange, 'type', 'direct') },
    routingKey: textOr(dict, 'routing_key', ''),
    durable: flag(dict, 'durable'),
    exclusive: flag(dict, 'exclusive'),
    autoDelete: flag(dict, 'auto_delete'),
    queueArguments: dictOr(dict, 'queue_arguments'),
  }
}

function numberFields(dict: Dict): Readonly<Record<string, number>> {
  return mapFields(dict, (_, key) => numberOr(dict, key, 0))
}

function mapFields<T, U>(dict: Readonly<Record<string, T>>, map: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(dict).map(([key, value]) => [key, map(value, key)]))
}
