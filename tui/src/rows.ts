import { type ClusterState, type TaskView, type WorkerView } from 'tq-runtime/monitor'
import { matches, parseFilter, searchableTask } from './filter.ts'
import type { ConsoleState, ListName, QueueView, Sort } from './state.ts'

/** A worker that is gone is listed for so long. */
const goneMs = 300_000

/** Rows of the list on the screen, in order. */
export type Rows =
  | { readonly kind: 'task'; readonly rows: readonly TaskView[] }
  | { readonly kind: 'worker'; readonly rows: readonly WorkerView[] }
  | { readonly kind: 'queue'; readonly rows: readonly QueueView[] }

export function idOf(row: TaskView | WorkerView | QueueView): string {
  if ('uuid' in row) return row.uuid
  return 'hostname' in row ? row.hostname : row.name
}

/** Whether a worker is still spoken of: it lives, or has not been gone for long. */
export function isListed(worker: WorkerView, nowMs: number): boolean {
  return nowMs - worker.lastSeenMs < goneMs
}

/** The rows of a view, filtered and sorted. */
export function rowsOf(state: ConsoleState, cluster: ClusterState, view: ListName): Rows {
  const { ui, nowMs } = state
  const filter = parseFilter(ui.filter)
  switch (view) {
    case 'workers': {
      const rows = [...cluster.workers.values()]
        .filter((worker) => isListed(worker, nowMs))
        .filter((worker) =>
          matches(
            filter,
            { fields: { name: worker.hostname, worker: worker.hostname }, text: [worker.hostname] },
            nowMs,
          ),
        )
        .sort((a, b) => (a.hostname < b.hostname ? -1 : 1))
      return { kind: 'worker', rows }
    }
    case 'queues': {
      const rows = state.queues.filter(({ name }) =>
        matches(filter, { fields: { name, queue: name }, text: [name] }, nowMs),
      )
      return { kind: 'queue', rows }
    }
    default: {
      const rows: TaskView[] = []
      for (const task of cluster.tasks.values()) {
        if (!belongs(task, view)) continue
        if (filter.length === 0 || matches(filter, searchableTask(task), nowMs)) rows.push(task)
      }
      rows.reverse()
      return { kind: 'task', rows: sorted(rows, ui.sort) }
    }
  }
}

function belongs(task: TaskView, view: ListName): boolean {
  switch (view) {
    case 'running':
      return task.state === 'STARTED'
    case 'scheduled':
      return task.eta !== undefined && (task.state === 'PENDING' || task.state === 'RECEIVED')
    case 'failed':
      return task.state === 'FAILURE'
    default:
      return true
  }
}

function sorted(newestFirst: TaskView[], sort: Sort): readonly TaskView[] {
  switch (sort) {
    case 'age':
      return newestFirst
    case 'runtime':
      return newestFirst.sort((a, b) => (b.runtime ?? -1) - (a.runtime ?? -1))
    default: {
      const key = (task: TaskView): string => task[sort] ?? ''
      return newestFirst.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
    }
  }
}
