import type { Execution } from '../run/execution.ts'
import { directQueue } from '../transports/topology.ts'
import { argsRepr, isoTime, kwargsRepr } from '../wire/python-text.ts'
import {
  activeQueueToDict,
  queriedToDict,
  type QueriedTask,
  scheduledToDict,
  statsToDict,
  type TaskInfo,
  taskInfoToDict,
  type WorkerStats,
} from '../wire/inspect-dict.ts'

/** What remote control may see and do of a worker. */
export interface Controlled {
  readonly hostname: string
  readonly queues: readonly string[]
  active(): readonly Execution[]
  reserved(): readonly Execution[]
  scheduled(): readonly Execution[]
  registered(): readonly string[]
  stats(): WorkerStats
  report(): string
  clock(): number
  revoked(): readonly string[]
  revoke(ids: readonly string[]): void
  terminate(id: string, signal: NodeJS.Signals): boolean
  setEvents(on: boolean): boolean
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
  scheduled: (worker) =>
    worker
      .scheduled()
      .map((one) =>
        scheduledToDict({ eta: isoTime(one.message.etaMs ?? 0), priority: 6, request: infoOf(worker, one) }),
      ),
  registered: (worker) => worker.registered(),
  stats: (worker) => statsToDict(worker.stats()),
  report: (worker) => ({ ok: worker.report() }),
  clock: (worker) => ({ clock: worker.clock() }),
  revoked: (worker) => worker.revoked(),
  activeQueues: (worker) =>
    worker.queues.map((name) =>
      activeQueueToDict({
        ...directQueue(name),
        durable: true,
        exclusive: false,
        autoDelete: false,
        queueArguments: {},
      }),
    ),
  queryTask: (worker, args) => queriedToDict(query(worker, texts(args.ids))),
  hello: (worker, args) => {
    if (args.fromNode === worker.hostname) return undefined
    return { revoked: {}, clock: worker.clock() }
  },
  revoke: (worker, args) => {
    const ids = texts(args.taskId)
    worker.revoke(ids)
    const ended = args.terminate === true ? ids.filter((id) => worker.terminate(id, signalOf(args.signal))) : []
    const done = ended.length > 0 ? ` and terminated: ${ended.join(', ')}` : ''
    return { ok: `tasks ${ids.join(', ')} flagged as revoked${done}` }
  },
  terminate: (worker, args) => commands.revoke?.(worker, { ...args, terminate: true }),
  enableEvents: (worker) => ({
    ok: worker.setEvents(true) ? 'task events enabled' : 'task events already enabled',
  }),
  disableEvents: (worker) => ({
    ok: worker.setEvents(false) ? 'task events disabled' : 'task events already disabled',
  }),
  heartbeat: (worker) => worker.heartbeat(),
  shutdown: (worker) => worker.shutdown(),
}

export function handleCommand(worker: Controlled, command: string, args: Args): unknown {
  const handler = Object.hasOwn(commands, command) ? commands[command] : undefined
  if (!handler) return { error: `${worker.hostname} does not answer ${command}` }
  return handler(worker, args)
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
