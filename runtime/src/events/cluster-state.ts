import type { TaskEvent, TaskReceived, TaskSent, WorkerEvent, WorkerPulse } from './event.ts'

/** All that events tell about a cluster. Never changed: `reduceEvents` makes the next one. */
export interface ClusterState {
  /** By node name. */
  readonly workers: ReadonlyMap<string, WorkerView>
  /** By id, in the order in which they were first seen; the oldest leave first. */
  readonly tasks: ReadonlyMap<string, TaskView>
  /** How many of `tasks` are in each state. */
  readonly counts: Readonly<Record<string, number>>
  /** Task events per second of arrival, oldest first; the last minute. */
  readonly ticks: readonly Tick[]
  /** Tasks that left because there were too many. */
  readonly evicted: number
  readonly limits: ClusterLimits
}

export interface ClusterLimits {
  readonly maxTasks: number
  readonly maxWorkers: number
  /** Characters; longer texts end in an ellipsis. */
  readonly maxText: number
}

export interface WorkerView {
  readonly hostname: string
  readonly pid: number
  readonly swIdent: string
  readonly swVer: string
  readonly swSys: string
  /** Seconds between heartbeats. */
  readonly freq: number
  readonly active: number
  readonly processed: number
  readonly loadavg: readonly number[]
  /** It said goodbye; any later event takes that back. */
  readonly offline: boolean
  /** Arrival of its latest event by our own clock, epoch ms: clocks of other machines may be wrong. */
  readonly lastSeenMs: number
  /** Its own clocks at the newest event seen. */
  readonly order: Order
}

export interface TaskView {
  readonly uuid: string
  /** Empty until the event that tells it is seen. */
  readonly name: string
  /** PENDING (sent), RECEIVED, STARTED, RETRY, REJECTED, SUCCESS, FAILURE or REVOKED. */
  readonly state: string
  readonly args: string
  readonly kwargs: string
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly retries: number
  readonly eta?: string | undefined
  readonly expires?: string | undefined
  /** Where the client sent it; known only with task-sent events. */
  readonly queue?: string | undefined
  readonly client?: string | undefined
  /** Node name of the worker of the newest event. */
  readonly worker?: string | undefined
  /** These three belong to the current state. */
  readonly result?: string | undefined
  readonly exception?: string | undefined
  readonly traceback?: string | undefined
  /** Seconds. */
  readonly runtime?: number | undefined
  /** Latest time of each kind of event, epoch ms by its sender. */
  readonly sentMs?: number | undefined
  readonly receivedMs?: number | undefined
  readonly startedMs?: number | undefined
  readonly retriedMs?: number | undefined
  /** Of SUCCESS, FAILURE, REVOKED and REJECTED. */
  readonly finishedMs?: number | undefined
  /** Place of the event that gave the state. */
  readonly order: Order
  /** Place of the event that gave name and arguments. */
  readonly described: Order | undefined
}

/** Where an event stands among others: by time, then by Lamport clock, then by what it says. */
export interface Order {
  readonly timestampMs: number
  readonly clock: number
  /** Of two events at the same moment the higher one is the later step of a task's life. */
  readonly step: number
  readonly hostname: string
}

/** Task events that arrived in one second. */
export interface Tick {
  /** Epoch seconds. */
  readonly second: number
  readonly received: number
  readonly succeeded: number
  readonly failed: number
  readonly retried: number
}

/** Nothing known yet. Defaults: 10,000 tasks, 1,000 workers, texts of 2,048 characters. */
export function emptyCluster(options: Partial<ClusterLimits> = {}): ClusterState {
  const { maxTasks = 10_000, maxWorkers = 1000, maxText = 2048 } = options
  return {
    workers: new Map(),
    tasks: new Map(),
    counts: {},
    ticks: [],
    evicted: 0,
    limits: { maxTasks, maxWorkers, maxText },
  }
}

/**
 * The state after these events, which arrived at `nowMs`. Events may come late or in any order: of a task's events the
 * most final decides (SUCCESS over FAILURE and REVOKED over all others), then the newest, so a finished task never moves
 * back. Source of the idea: celery/events/state.py, Task.event; its precedence depends on the order of arrival, this not.
 */
export function reduceEvents(state: ClusterState, batch: readonly WorkerEvent[], nowMs: number): ClusterState {
  if (batch.length === 0) return state
  const draft: Draft = {
    workers: new Map(state.workers),
    tasks: new Map(state.tasks),
    counts: { ...state.counts },
    limits: state.limits,
    evicted: state.evicted,
    tick: { second: Math.floor(nowMs / 1000), received: 0, succeeded: 0, failed: 0, retried: 0 },
  }
  for (const event of batch) {
    switch (event.type) {
      case 'worker-online':
      case 'worker-heartbeat':
      case 'worker-offline':
        seePulse(draft, event, nowMs)
        break
      case 'custom':
        if (draft.workers.has(event.hostname)) seeWorker(draft, event, nowMs)
        break
      default:
        if (event.type !== 'task-sent') seeWorker(draft, event, nowMs)
        seeTask(draft, event)
    }
  }
  evict(draft)
  const { workers, tasks, counts, evicted, limits } = draft
  return { workers, tasks, counts, ticks: addTick(state.ticks, draft.tick), evicted, limits }
}

/**
 * Whether the worker was heard of within two heartbeats and has not said goodbye.
 * Source: celery/events/state.py, heartbeat_expires with its window of 200 %.
 */
export function isAlive(worker: WorkerView, nowMs: number): boolean {
  return !worker.offline && nowMs - worker.lastSeenMs <= worker.freq * 2 * 1000
}

/** Tasks per second over the last whole seconds, at most a minute of them. */
export function ratesOf(state: ClusterState, nowMs: number, overSeconds = 10): Omit<Tick, 'second'> {
  const end = Math.floor(nowMs / 1000)
  const sum = { received: 0, succeeded: 0, failed: 0, retried: 0 }
  for (const tick of state.ticks) {
    if (tick.second >= end || tick.second < end - overSeconds) continue
    for (const key of tickKeys) sum[key] += tick[key]
  }
  for (const key of tickKeys) sum[key] /= overSeconds
  return sum
}

interface Draft {
  readonly workers: Map<string, WorkerView>
  readonly tasks: Map<string, TaskView>
  readonly counts: Record<string, number>
  readonly limits: ClusterLimits
  readonly tick: { -readonly [K in keyof Tick]: Tick[K] }
  evicted: number
}

const tickKeys = ['received', 'succeeded', 'failed', 'retried'] as const
const ticksKept = 60

// What Celery takes for a worker whose heartbeat it has not seen yet, in seconds. Source: celery/events/state.py, DEFAULT_FREQ.
const unknownFreq = 60

function seePulse(draft: Draft, event: WorkerPulse, nowMs: number): void {
  const known = draft.workers.get(event.hostname)
  const order = orderOf(event, event.type === 'worker-offline' ? 1 : 0)
  if (known && compare(order, known.order) < 0) return
  draft.workers.set(event.hostname, {
    hostname: event.hostname,
    pid: event.pid,
    swIdent: event.swIdent,
    swVer: event.swVer,
    swSys: event.swSys,
    freq: event.freq > 0 ? event.freq : unknownFreq,
    active: event.active,
    processed: event.processed,
    loadavg: event.loadavg,
    offline: event.type === 'worker-offline',
    lastSeenMs: Math.max(nowMs, known?.lastSeenMs ?? nowMs),
    order,
  })
}

// Any event shows that its worker lives, unless it is older than the goodbye.
function seeWorker(draft: Draft, event: WorkerEvent, nowMs: number): void {
  const known = draft.workers.get(event.hostname)
  const order = orderOf(event, 0)
  if (known && compare(order, known.order) < 0) return
  draft.workers.set(
    event.hostname,
    known
      ? { ...known, pid: event.pid || known.pid, offline: false, lastSeenMs: Math.max(nowMs, known.lastSeenMs), order }
      : {
          hostname: event.hostname,
          pid: event.pid,
          swIdent: '',
          swVer: '',
          swSys: '',
          freq: unknownFreq,
          active: 0,
          processed: 0,
          loadavg: [],
          offline: false,
          lastSeenMs: nowMs,
          order,
        },
  )
}

interface Stage {
  readonly state: string
  /** 0 sent by a client, 1 on its way, 2 ended, 3 succeeded. */
  readonly rank: number
  /** Place in a task's life, for events of the same moment. */
  readonly step: number
}

const stages: Readonly<Record<TaskEvent['type'], Stage>> = {
  'task-sent': { state: 'PENDING', rank: 0, step: 0 },
  'task-received': { state: 'RECEIVED', rank: 1, step: 1 },
  'task-started': { state: 'STARTED', rank: 1, step: 2 },
  'task-retried': { state: 'RETRY', rank: 1, step: 3 },
  'task-rejected': { state: 'REJECTED', rank: 1, step: 4 },
  'task-revoked': { state: 'REVOKED', rank: 2, step: 5 },
  'task-failed': { state: 'FAILURE', rank: 2, step: 6 },
  'task-succeeded': { state: 'SUCCESS', rank: 3, step: 7 },
}

const rankOfState: ReadonlyMap<string, number> = new Map(
  Object.values(stages).map(({ state, rank }): [string, number] => [state, rank]),
)

function seeTask(draft: Draft, event: TaskEvent): void {
  const stage = stages[event.type]
  const order = orderOf(event, stage.step)
  const known = draft.tasks.get(event.uuid)
  let task: TaskView = known ?? unknownTask(event.uuid, stage.state, order)
  const decides = !known || isLater(stage.rank, order, rankOfState.get(known.state) ?? 1, known.order)

  task = { ...task, ...timesOf(task, event) }
  if (event.type === 'task-sent') task = { ...task, queue: event.queue, client: event.hostname }
  if (event.type === 'task-sent' || event.type === 'task-received') task = describe(task, event, order, draft.limits)
  if (decides) {
    task = { ...task, ...endingOf(event, draft.limits.maxText), state: stage.state, order }
    if (event.type !== 'task-sent') task = { ...task, worker: event.hostname }
    if (known) count(draft, known.state, -1)
    count(draft, stage.state, 1)
  }
  draft.tasks.set(event.uuid, task)
  if (event.type === 'task-received') draft.tick.received++
  else if (event.type === 'task-succeeded') draft.tick.succeeded++
  else if (event.type === 'task-failed') draft.tick.failed++
  else if (event.type === 'task-retried') draft.tick.retried++
}

function unknownTask(uuid: string, state: string, order: Order): TaskView {
  return { uuid, name: '', state, args: '', kwargs: '', retries: 0, order, described: undefined }
}

function isLater(rank: number, order: Order, knownRank: number, known: Order): boolean {
  return rank === knownRank ? compare(order, known) > 0 : rank > knownRank
}

type Times = Pick<TaskView, 'sentMs' | 'receivedMs' | 'startedMs' | 'retriedMs' | 'finishedMs'>

function timesOf(task: TaskView, event: TaskEvent): Times {
  const latest = (before: number | undefined): number => Math.max(before ?? event.timestampMs, event.timestampMs)
  switch (event.type) {
    case 'task-sent':
      return { sentMs: latest(task.sentMs) }
    case 'task-received':
      return { receivedMs: latest(task.receivedMs) }
    case 'task-started':
      return { startedMs: latest(task.startedMs) }
    case 'task-retried':
      return { retriedMs: latest(task.retriedMs) }
    default:
      return { finishedMs: latest(task.finishedMs) }
  }
}

// A worker knows the arguments better than the client that sent them, and the newest try better than the first.
function describe(task: TaskView, event: TaskSent | TaskReceived, order: Order, limits: ClusterLimits): TaskView {
  const rank = event.type === 'task-sent' ? 0 : 1
  const known = task.described
  if (known && !isLater(rank, order, known.step === 0 ? 0 : 1, known)) return task
  return {
    ...task,
    name: cut(event.name, limits.maxText),
    args: cut(event.args, limits.maxText),
    kwargs: cut(event.kwargs, limits.maxText),
    rootId: event.rootId,
    parentId: event.parentId,
    retries: event.retries,
    eta: event.eta,
    expires: event.expires,
    described: order,
  }
}

type Ending = Pick<TaskView, 'result' | 'exception' | 'traceback' | 'runtime'>

function endingOf(event: TaskEvent, maxText: number): Ending {
  const none: Ending = { result: undefined, exception: undefined, traceback: undefined, runtime: undefined }
  switch (event.type) {
    case 'task-succeeded':
      return { ...none, result: cut(event.result, maxText), runtime: event.runtime }
    case 'task-failed':
    case 'task-retried':
      return {
        ...none,
        exception: cut(event.exception, maxText),
        traceback: event.traceback === undefined ? undefined : cut(event.traceback, maxText),
      }
    default:
      return none
  }
}

function cut(text: string, maxText: number): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText - 1)}…`
}

function count(draft: Draft, state: string, by: number): void {
  draft.counts[state] = (draft.counts[state] ?? 0) + by
}

function orderOf(event: WorkerEvent, step: number): Order {
  return { timestampMs: event.timestampMs, clock: event.clock, step, hostname: event.hostname }
}

function compare(a: Order, b: Order): number {
  return (
    a.timestampMs - b.timestampMs ||
    a.clock - b.clock ||
    a.step - b.step ||
    (a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : 0)
  )
}

function evict(draft: Draft): void {
  for (const [uuid, task] of draft.tasks) {
    if (draft.tasks.size <= draft.limits.maxTasks) break
    draft.tasks.delete(uuid)
    count(draft, task.state, -1)
    draft.evicted++
  }
  const over = draft.workers.size - draft.limits.maxWorkers
  if (over <= 0) return
  const longestUnseen = [...draft.workers.values()].sort((a, b) => a.lastSeenMs - b.lastSeenMs).slice(0, over)
  for (const worker of longestUnseen) draft.workers.delete(worker.hostname)
}

function addTick(ticks: readonly Tick[], tick: Tick): readonly Tick[] {
  if (tickKeys.every((key) => tick[key] === 0)) return ticks
  const last = ticks.at(-1)
  if (last?.second === tick.second) {
    return [
      ...ticks.slice(0, -1),
      {
        second: tick.second,
        received: last.received + tick.received,
        succeeded: last.succeeded + tick.succeeded,
        failed: last.failed + tick.failed,
        retried: last.retried + tick.retried,
      },
    ]
  }
  return [...ticks, tick].filter(({ second }) => second > tick.second - ticksKept)
}
