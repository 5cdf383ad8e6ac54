import { systemClock } from 'tq-runtime'
import { isAlive, type TaskView, type WorkerView } from 'tq-runtime/monitor'
import { findProject, type ProjectOptions } from 'tq-runtime/loader'
import { openProject } from './project-app.ts'
import { ConsoleSession } from './session.ts'
import { isListed } from './rows.ts'
import { type ConsoleState, newState, type QueueView } from './state.ts'
import { Store } from './store.ts'
import { age, count, runtime } from './ui/figures.ts'
import type { Look } from './ui/paint.ts'
import { type Clean, clean, fit, own, widthOf } from './ui/text.ts'
import { stateText } from './views/tasks.ts'
import { workerState } from './views/workers.ts'

export interface SnapshotOptions extends ProjectOptions {
  readonly look: Look
  readonly json: boolean
  /** With `json`: a line for every batch of changes, until the reader goes. */
  readonly follow: boolean
  readonly write: (text: string) => void
  readonly warn: (text: string) => void
}

/** How long workers have to say that they are there. */
const listenMs = 1000

/** What the console would show, once, as plain text or JSON. Resolves with the exit code: 1 when the broker cannot be reached. */
export async function runSnapshot(options: SnapshotOptions): Promise<number> {
  const clock = systemClock
  const store = new Store(newState({ broker: own`…`, nowMs: clock.now(), size: { columns: 120, rows: 1000 } }))
  const logger = { debug: ignore, info: ignore, warn: options.warn, error: options.warn }
  const project = findProject(options)
  const session = new ConsoleSession(store, {
    startsWorker: false,
    open: async () => {
      const found = await project
      return { app: openProject(found, logger), place: found.place }
    },
  })
  try {
    await session.start()
    const { connection } = store.get()
    if (connection.state === 'lost') {
      options.warn(`Cannot reach the broker ${connection.broker}: ${connection.reason ?? 'no reason was given'}`)
      return 1
    }
    if (options.follow) return await follow(store, options)
    await clock.sleep(listenMs)
    store.dispatch({ on: 'tick', nowMs: clock.now() })
    options.write(
      options.json ? `${JSON.stringify(asJson(store.get()), undefined, 2)}\n` : asText(store.get(), options.look),
    )
    return 0
  } finally {
    await session.close()
  }
}

function ignore(): void {}

/** One JSON document per changed task, one per line; ends by a signal or when nobody reads any more. */
function follow(store: Store, options: SnapshotOptions): Promise<number> {
  const told = new WeakSet<TaskView>()
  const tell = (): void => {
    for (const task of store.get().cluster.tasks.values()) {
      if (told.has(task)) continue
      told.add(task)
      options.write(options.json ? `${JSON.stringify(taskJson(task))}\n` : `${taskLine(task, options.look)}\n`)
    }
  }
  tell()
  store.subscribe(tell)
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(0))
  })
}

function asJson(state: ConsoleState): object {
  const { cluster, connection, nowMs } = state
  return {
    broker: connection.broker,
    workers: [...cluster.workers.values()]
      .filter((worker) => isListed(worker, nowMs))
      .map((worker) => workerJson(worker, state)),
    queues: state.queues,
    counts: cluster.counts,
    tasks: [...cluster.tasks.values()].reverse().map(taskJson),
    notKept: cluster.evicted,
    at: new Date(nowMs).toISOString(),
  }
}

function workerJson(worker: WorkerView, { nowMs, slots }: ConsoleState): object {
  const { hostname, pid, active, processed, loadavg, swIdent, swVer, lastSeenMs } = worker
  return {
    name: hostname,
    alive: isAlive(worker, nowMs),
    pid,
    active,
    slots: slots.get(hostname),
    processed,
    loadavg,
    software: `${swIdent} ${swVer}`.trim(),
    seenAt: new Date(lastSeenMs).toISOString(),
  }
}

function taskJson(task: TaskView): object {
  const { order, described: _, uuid, sentMs, receivedMs, startedMs, retriedMs, finishedMs, ...rest } = task
  const time = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : new Date(ms).toISOString()
  return {
    id: uuid,
    ...rest,
    at: time(order.timestampMs),
    sentAt: time(sentMs),
    receivedAt: time(receivedMs),
    startedAt: time(startedMs),
    retriedAt: time(retriedMs),
    finishedAt: time(finishedMs),
  }
}

const tasksShown = 50

function asText(state: ConsoleState, look: Look): string {
  const { cluster, connection, nowMs, queues } = state
  const tasks = [...cluster.tasks.values()].reverse()
  const blocks = [
    own`tq ${connection.broker}`,
    table(
      ['WORKER', 'STATE', 'BUSY', 'DONE', 'PID', 'SEEN'],
      [...cluster.workers.values()]
        .filter((worker) => isListed(worker, nowMs))
        .map((worker) => [
          clean(worker.hostname),
          workerState(worker, nowMs, look),
          own`${worker.active}`,
          count(worker.processed),
          own`${worker.pid}`,
          age(nowMs - worker.lastSeenMs),
        ]),
    ),
    table(
      ['QUEUE', 'READY', 'HELD', 'PARKED', 'WORKERS'],
      queues.map((queue: QueueView) => [
        clean(queue.name),
        own`${queue.ready}`,
        own`${queue.held}`,
        own`${queue.parked}`,
        queue.consumers === undefined ? own`?` : own`${queue.consumers}`,
      ]),
    ),
    table(
      ['STATE', 'NAME', 'ID', 'WORKER', 'RUNTIME', 'AGE', 'ARGS'],
      tasks
        .slice(0, tasksShown)
        .map((task) => [
          stateText(task.state, look),
          clean(task.name),
          clean(task.uuid),
          clean(task.worker ?? ''),
          task.runtime === undefined ? own`` : runtime(task.runtime),
          age(nowMs - task.order.timestampMs),
          clean(task.args.slice(0, 200)),
        ]),
    ),
  ]
  const more = tasks.length - tasksShown + cluster.evicted
  return `${blocks.join('\n\n')}\n${more > 0 ? `${more} older tasks are not shown.\n` : ''}`
}

function taskLine(task: TaskView, look: Look): string {
  return [
    stateText(task.state, look),
    clean(task.name),
    clean(task.uuid),
    clean(task.result ?? task.exception ?? ''),
  ].join(' ')
}

function table(titles: readonly string[], rows: readonly (readonly Clean[])[]): Clean {
  const all = [titles.map(clean), ...rows]
  const widths = titles.map((_, i) => Math.max(...all.map((row) => widthOf(row[i] ?? ''))))
  const lines = all.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : fit(cell, widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  // Joined from clean cells; the line breaks are ours.
  return lines.join('\n') as Clean
}
