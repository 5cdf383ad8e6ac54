import { uptime } from 'node:os'
import type { Pool } from '../pools/pool.ts'
import type { Execution } from '../run/execution.ts'
import type { Limits } from '../run/time-limit.ts'
import { isTqError } from '../core/errors.ts'
import { tasksPerSecond } from '../core/rate.ts'
import type { ExchangeKind } from '../core/routing.ts'
import { listOf, revokedStamp, type Stamps } from '../core/stamps.ts'
import type { Queue } from '../transports/topology.ts'
import { type ControlCommand, controlMethods } from '../wire/control-dict.ts'
import { argsRepr, isoTime, kwargsRepr } from '../wire/python-text.ts'
import { dictToRevoked, revokedToDict } from '../wire/revoked-dict.ts'
import {
  activeQueueToDict,
  queriedToDict,
  type QueriedTask,
  type ScheduledTask,
  scheduledToDict,
  statsToDict,
  type TaskInfo,
  taskInfoToDict,
  type WorkerStats,
} from '../wire/inspect-dict.ts'
import type { Autoscaler } from './autoscale.ts'

/** What remote control may see and do of a worker. */
export interface Controlled {
  readonly hostname: string
  /** What it consumes, each queue once for every binding. */
  queues(): readonly Queue[]
  /** False when it consumes the queue already. */
  addQueue(
    name: string,
    binding: { exchange?: string; exchangeType?: ExchangeKind; routingKey?: string },
  ): Promise<boolean>
  /** False when it does not consume the queue. */
  removeQueue(name: string): Promise<boolean>
  active(): readonly Execution[]
  reserved(): readonly Execution[]
  scheduled(): readonly Execution[]
  /** What waits for its ETA in the broker instead of here. */
  parked(): Promise<readonly ScheduledTask[]>
  registered(): readonly string[]
  stats(): WorkerStats
  report(): string
  clock(): number
  revoked(): readonly string[]
  revoke(ids: readonly string[]): void
  /** What another worker says that it has revoked. */
  learnRevoked(ids: readonly string[]): void
  /** From now on calls with one of these stamps are not run. */
  revokeStamps(stamps: Stamps): void
  terminate(id: string, signal: NodeJS.Signals): boolean
  setEvents(on: boolean): boolean
  /** Names the task's limits until the worker ends. */
  setTimeLimits(task: string, limits: Limits): void
  /** Tasks per second, undefined for no limit. */
  setRateLimit(task: string, perSecond: number | undefined): void
  readonly pool: Pool
  /** After the pool was resized. */
  resized(): void
  readonly autoscaler: Autoscaler | undefined
  heartbeat(): void
  shutdown(): void
}

type Args = Readonly<Record<string, unknown>>
type Handler = (worker: Controlled, args: Args) => unknown

/** The commands that a worker answers; any other gets an error that names it. Source: celery/worker/control.py. */
const commands: Readonly<Record<string, Handler>> = {
  ping: () => ({ ok: 'pong' }),
  active: (worker) => worker.active().map((one) => taskInfoToDict(infoOf(worker, one))),
  reserved: (worker) => worker.reserved().map((one) => taskInfoToDict(infoOf(worker, one))),
  scheduled: async (worker) => {
    const here = worker
      .scheduled()
      .map((one) => ({ eta: isoTime(one.message.etaMs ?? 0), priority: 6, request: infoOf(worker, one) }))
    return [...here, ...(await worker.parked())].map(scheduledToDict)
  },
  registered: (worker) => worker.registered(),
  stats: (worker) => statsToDict(worker.stats()),
  report: (worker) => ({ ok: worker.report() }),
  clock: (worker) => ({ clock: worker.clock() }),
  revoked: (worker) => worker.revoked(),
  activeQueues: (worker) =>
    worker
      .queues()
      .map(({ name, exchange, routingKey, durable = true, autoDelete = false, arguments: given = {} }) =>
        activeQueueToDict({ name, exchange, routingKey, durable, exclusive: false, autoDelete, queueArguments: given }),
      ),
  addConsumer: async (worker, args) => {
    const queue = textOf(args.queue)
    if (queue === undefined) return { error: 'add_consumer needs the name of a queue' }
    try {
      const isNew = await worker.addQueue(queue, bindingOf(args))
      return { ok: isNew ? `add consumer ${queue}` : `already consuming from ${queue}` }
    } catch (error) {
      if (!isTqError(error)) throw error
      return { error: error.message }
    }
  },
  cancelConsumer: async (worker, args) => {
    const queue = textOf(args.queue)
    if (queue === undefined) return { error: 'cancel_consumer needs the name of a queue' }
    const wasThere = await worker.removeQueue(queue)
    return { ok: wasThere ? `no longer consuming from ${queue}` : `not consuming from ${queue}` }
  },
  queryTask: (worker, args) => queriedToDict(query(worker, texts(args.ids))),
  hello: (worker, args) => {
    if (args.fromNode === worker.hostname) return undefined
    worker.learnRevoked(dictToRevoked(args.revoked))
    return { revoked: revokedToDict(worker.revoked(), uptime()), clock: worker.clock() }
  },
  revoke: (worker, args) => {
    const ids = texts(args.taskId)
    worker.revoke(ids)
    const ended = args.terminate === true ? ids.filter((id) => worker.terminate(id, signalOf(args.signal))) : []
    const done = ended.length > 0 ? ` and terminated: ${ended.join(', ')}` : ''
    return { ok: `tasks ${ids.join(', ')} flagged as revoked${done}` }
  },
  revokeByStampedHeaders: (worker, args) => {
    const stamps = stampsOf(args.headers)
    if (stamps === undefined)
      return { error: 'revoke_by_stamped_headers needs stamps: {name: value or list of values}' }
    worker.revokeStamps(stamps)
    const said = JSON.stringify(stamps)
    if (args.terminate !== true) return { ok: `headers ${said} flagged as revoked, but not terminated` }
    const revoked = new Map(Object.entries(stamps).map(([name, value]) => [name, listOf(value)]))
    const ended = worker
      .active()
      .filter(({ message }) => revokedStamp(message.stamps, revoked) !== undefined)
      .filter(({ message }) => worker.terminate(message.id, signalOf(args.signal)))
    if (ended.length === 0) return { ok: `headers ${said} were not terminated` }
    return { ok: `headers ${said} revoked and terminated: ${ended.map(({ message }) => message.id).join(', ')}` }
  },
  terminate: (worker, args) => commands.revoke?.(worker, { ...args, terminate: true }),
  enableEvents: (worker) => ({
    ok: worker.setEvents(true) ? 'task events enabled' : 'task events already enabled',
  }),
  disableEvents: (worker) => ({
    ok: worker.setEvents(false) ? 'task events disabled' : 'task events already disabled',
  }),
  rateLimit: (worker, args) => {
    const task = textOf(args.taskName)
    if (task === undefined || !worker.registered().includes(task)) return { error: 'unknown task' }
    const rate = typeof args.rateLimit === 'number' ? args.rateLimit : textOf(args.rateLimit)
    try {
      const perSecond = tasksPerSecond(rate)
      worker.setRateLimit(task, perSecond)
      return { ok: perSecond === undefined ? 'rate limit disabled successfully' : 'new rate limit set successfully' }
    } catch (error) {
      if (!isTqError(error)) throw error
      return { error: `Invalid rate limit string: ${error.message}` }
    }
  },
  timeLimit: (worker, args) => {
    const task = textOf(args.taskName)
    if (task === undefined || !worker.registered().includes(task)) return { error: 'unknown task' }
    worker.setTimeLimits(task, { softSeconds: numberOf(args.soft), hardSeconds: numberOf(args.hard) })
    return { ok: 'time limits set successfully' }
  },
  poolGrow: async (worker, args) => {
    if (worker.autoscaler) return autoscaled('poolGrow')
    await worker.pool.grow(numberOf(args.n) ?? 1)
    worker.resized()
    return { ok: 'pool will grow' }
  },
  poolShrink: async (worker, args) => {
    if (worker.autoscaler) return autoscaled('poolShrink')
    await worker.pool.shrink(numberOf(args.n) ?? 1)
    worker.resized()
    return { ok: 'pool will shrink' }
  },
  poolRestart: async (worker) => {
    if (!worker.pool.runsElsewhere) {
      return { error: `the pool ${worker.pool.name} has the code in the worker's own process: restart the worker` }
    }
    await worker.pool.restart()
    return { ok: 'reload started' }
  },
  autoscale: async (worker, args) => {
    if (!worker.autoscaler) return { error: 'Autoscale not enabled' }
    const { range } = worker.autoscaler
    const max = numberOf(args.max) ?? range.max
    const min = Math.min(numberOf(args.min) ?? range.min, max)
    await worker.autoscaler.update({ min: Math.max(1, min), max: Math.max(1, max) })
    worker.resized()
    return { ok: `autoscale now max=${max} min=${min}` }
  },
  heartbeat: (worker) => worker.heartbeat(),
  shutdown: (worker) => worker.shutdown(),
}

export function handleCommand(worker: Controlled, command: string, args: Args): unknown {
  const handler = Object.hasOwn(commands, command) ? commands[command] : undefined
  if (!handler) return { error: `${worker.hostname} does not answer ${command}` }
  return handler(worker, args)
}

function autoscaled(command: ControlCommand): { readonly error: string } {
  return { error: `${controlMethods[command].method} is not supported with autoscale. Adjust autoscale range instead.` }
}

function infoOf(worker: Controlled, execution: Execution): TaskInfo {
  const { message, delivery } = execution
  return {
    id: message.id,
    name: message.task,
    args: message.argsRepr ?? argsRepr(message.args),
    kwargs: message.kwargsRepr ?? kwargsRepr(message.kwargs),
    type: message.task,
    hostname: worker.hostname,
    startedAtMs: execution.startedAtMs,
    acknowledged: execution.acknowledged,
    deliveryInfo: delivery.info,
    workerPid: execution.startedAtMs === undefined ? undefined : process.pid,
  }
}

function query(worker: Controlled, ids: readonly string[]): Readonly<Record<string, QueriedTask>> {
  const found: Record<string, QueriedTask> = {}
  const look = (state: QueriedTask['state'], executions: readonly Execution[]): void => {
    for (const one of executions) {
      if (ids.includes(one.message.id)) found[one.message.id] = { state, info: infoOf(worker, one) }
    }
  }
  look('reserved', worker.reserved())
  look('active', worker.active())
  return found
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

// An exchange type that tq does not know is as good as none.
function bindingOf(args: Args): { exchange?: string; exchangeType?: ExchangeKind; routingKey?: string } {
  const [exchange, type, routingKey] = [args.exchange, args.exchangeType, args.routingKey].map(textOf)
  return {
    ...(exchange && { exchange }),
    ...((type === 'direct' || type === 'topic' || type === 'fanout') && { exchangeType: type }),
    ...(routingKey && { routingKey }),
  }
}

/** `{ name: value }`, or the texts `name=value` of Celery's command line. */
function stampsOf(value: unknown): Stamps | undefined {
  if (Array.isArray(value)) {
    const stamps: Record<string, unknown> = {}
    for (const text of texts(value)) {
      const [, name, stamp] = /^([^=]+)=(.*)$/s.exec(text) ?? []
      if (name === undefined) return undefined
      stamps[name] = stamp
    }
    return stamps
  }
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function texts(value: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value]
  return all.filter((one): one is string => typeof one === 'string')
}

function signalOf(value: unknown): NodeJS.Signals {
  switch (value) {
    case 'SIGINT':
    case 'SIGKILL':
    case 'SIGQUIT':
    case 'SIGUSR1':
      return value
    default:
      return 'SIGTERM'
  }
}
