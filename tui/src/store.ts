import {
  type ClusterState,
  emptyCluster,
  type QueueInfo,
  replayEvents,
  reduceEvents,
  type TaskView,
  type WorkerEvent,
  type WorkerView,
} from 'tq-runtime/monitor'
import { matches, parseFilter, searchableTask } from './filter.ts'
import { hasDetailPane, layoutOf, type Size } from './layout.ts'
import { edit, newLine, type LineEdit, type LineState } from './line.ts'
import type { Clean } from './ui/text.ts'

export type ViewName = 'tasks' | 'running' | 'workers' | 'queues' | 'scheduled' | 'failed' | 'repl'
export type ListName = Exclude<ViewName, 'repl'>
export type Sort = 'age' | 'state' | 'name' | 'worker' | 'queue' | 'runtime'

export const sorts: readonly Sort[] = ['age', 'state', 'name', 'worker', 'queue', 'runtime']

/** All that is shown. Never changed: `reduce` makes the next one. */
export interface ConsoleState {
  readonly cluster: ClusterState
  readonly connection: Connection
  readonly queues: readonly QueueView[]
  /** Answers of workers, by node name. */
  readonly inspected: ReadonlyMap<string, Inspected>
  /** Slots of each worker's pool, as far as they said. */
  readonly slots: ReadonlyMap<string, number>
  readonly log: readonly LogEntry[]
  /** Events that came too fast to be read. */
  readonly dropped: number
  readonly nowMs: number
  readonly size: Size
  readonly isReadOnly: boolean
  readonly ui: UiState
}

export interface Connection {
  readonly state: 'connecting' | 'live' | 'lost'
  /** `embedded`, or the URL without its password. */
  readonly broker: Clean
  /** Since when it is in that state, epoch ms. */
  readonly sinceMs: number
  readonly reason?: Clean | undefined
  /** When the next attempt is made, epoch ms. */
  readonly retryAtMs?: number | undefined
}

export interface QueueView extends QueueInfo {
  readonly name: string
}

/** What a worker answered to `i`. */
export interface Inspected {
  readonly atMs: number
  readonly lines: readonly Clean[]
}

/** One command that was sent, written as the command line that does the same. */
export interface LogEntry {
  readonly id: number
  readonly atMs: number
  readonly command: Clean
  readonly answer?: Clean | undefined
  readonly failed?: boolean | undefined
  /** Shown in the log only. */
  readonly quiet?: boolean | undefined
}

export interface UiState {
  readonly view: ViewName
  /** Where Esc leads from the REPL. */
  readonly before: ListName
  readonly cursors: Readonly<Record<ListName, Cursor>>
  readonly filter: string
  readonly sort: Sort
  readonly marks: ReadonlySet<string>
  /** The cluster as it was when the list was frozen. */
  readonly frozen?: ClusterState | undefined
  readonly pane: 'list' | 'detail'
  readonly detailTop: number
  readonly wrap: boolean
  readonly overlay?: 'help' | 'log' | undefined
  readonly overlayTop: number
  readonly prompt?: Prompt | undefined
  readonly question?: Question | undefined
}

export interface Cursor {
  /** Undefined: the first row, whichever that is. */
  readonly selected?: string | undefined
  /** Its index when it was last seen: where the cursor stays when the row goes. */
  readonly at: number
  readonly top: number
}

export interface Prompt {
  readonly kind: 'filter' | 'command' | 'args'
  readonly label: Clean
  readonly line: LineState
  /** Put back by Esc. */
  readonly before: string
  /** Of `args`: the task to be sent again. */
  readonly task?: TaskView | undefined
}

/** Asked with y/N. */
export interface Question {
  readonly text: Clean
  readonly act: Act
}

/** What is done to tasks or workers. */
export type Act =
  | { readonly do: 'retry'; readonly tasks: readonly TaskView[] }
  | { readonly do: 'revoke' | 'terminate'; readonly ids: readonly string[] }
  | { readonly do: 'shutdown'; readonly worker: string }

export type Action =
  | { readonly on: 'events'; readonly events: readonly WorkerEvent[]; readonly nowMs: number; readonly dropped: number }
  | { readonly on: 'history'; readonly events: readonly WorkerEvent[]; readonly nowMs: number }
  | { readonly on: 'connection'; readonly connection: Connection }
  | { readonly on: 'queues'; readonly queues: readonly QueueView[] }
  | { readonly on: 'inspected'; readonly worker: string; readonly inspected: Inspected }
  | { readonly on: 'slots'; readonly slots: ReadonlyMap<string, number> }
  | { readonly on: 'log'; readonly entry: LogEntry }
  | { readonly on: 'tick'; readonly nowMs: number }
  | { readonly on: 'resize'; readonly size: Size }
  | { readonly on: 'view'; readonly view: ViewName }
  | { readonly on: 'select'; readonly id: string | undefined; readonly at: number }
  | { readonly on: 'filter'; readonly text: string }
  | { readonly on: 'ui'; readonly change: Partial<UiState> }
  | { readonly on: 'line'; readonly edit: LineEdit }

const logKept = 200
const tasksKept = 5000
/** A worker that is gone is listed for so long. */
const goneMs = 300_000

export function newState(options: {
  readonly broker: Clean
  readonly nowMs: number
  readonly size: Size
  readonly isReadOnly?: boolean | undefined
}): ConsoleState {
  const cursor: Cursor = { at: 0, top: 0 }
  return {
    cluster: emptyCluster({ maxTasks: tasksKept }),
    connection: { state: 'connecting', broker: options.broker, sinceMs: options.nowMs },
    queues: [],
    inspected: new Map(),
    slots: new Map(),
    log: [],
    dropped: 0,
    nowMs: options.nowMs,
    size: options.size,
    isReadOnly: options.isReadOnly ?? false,
    ui: {
      view: 'tasks',
      before: 'tasks',
      cursors: { tasks: cursor, running: cursor, workers: cursor, queues: cursor, scheduled: cursor, failed: cursor },
      filter: '',
      sort: 'age',
      marks: new Set(),
      pane: 'list',
      detailTop: 0,
      wrap: true,
      overlayTop: 0,
    },
  }
}

export function reduce(state: ConsoleState, action: Action): ConsoleState {
  switch (action.on) {
    case 'events': {
      const { events, nowMs, dropped } = action
      if (events.length === 0) return state
      const cluster = reduceEvents(state.cluster, events, nowMs)
      return { ...state, cluster, nowMs: Math.max(nowMs, state.nowMs), dropped: state.dropped + dropped }
    }
    case 'history':
      return { ...state, cluster: replayEvents(state.cluster, action.events, action.nowMs) }
    case 'connection':
      return { ...state, connection: action.connection }
    case 'queues':
      return { ...state, queues: action.queues }
    case 'inspected':
      return { ...state, inspected: new Map(state.inspected).set(action.worker, action.inspected) }
    case 'slots':
      return { ...state, slots: new Map([...state.slots, ...action.slots]) }
    case 'log': {
      const others = state.log.filter(({ id }) => id !== action.entry.id)
      return { ...state, log: [...others, action.entry].slice(-logKept) }
    }
    case 'tick':
      return { ...state, nowMs: action.nowMs }
    case 'resize':
      return { ...state, size: action.size }
    case 'view':
      return showView(state, action.view)
    case 'select': {
      const { view } = state.ui
      if (view === 'repl') return state
      const cursor = { ...state.ui.cursors[view], selected: action.id, at: action.at }
      return withUi(state, { cursors: { ...state.ui.cursors, [view]: cursor }, detailTop: 0 })
    }
    case 'filter':
      return withUi(state, { filter: action.text })
    case 'ui':
      return withUi(state, action.change)
    case 'line': {
      const { prompt } = state.ui
      if (prompt === undefined) return state
      const line = edit(prompt.line, action.edit)
      return withUi(state, { prompt: { ...prompt, line }, ...(prompt.kind === 'filter' ? { filter: line.text } : {}) })
    }
  }
}

/** A prompt with a text to begin with. */
export function promptFor(kind: Prompt['kind'], label: Clean, text: string, task?: TaskView): Prompt {
  return { kind, label, line: newLine(text), before: text, task }
}

function showView(state: ConsoleState, view: ViewName): ConsoleState {
  const { ui } = state
  const before = ui.view === 'repl' ? ui.before : ui.view
  return withUi(state, { view, before, pane: 'list', detailTop: 0, overlay: undefined, marks: new Set() })
}

function withUi(state: ConsoleState, change: Partial<UiState>): ConsoleState {
  return { ...state, ui: { ...state.ui, ...change } }
}

/** Rows of the list on the screen, in order. */
export type Rows =
  | { readonly kind: 'task'; readonly rows: readonly TaskView[] }
  | { readonly kind: 'worker'; readonly rows: readonly WorkerView[] }
  | { readonly kind: 'queue'; readonly rows: readonly QueueView[] }

export function idOf(row: TaskView | WorkerView | QueueView): string {
  if ('uuid' in row) return row.uuid
  return 'hostname' in row ? row.hostname : row.name
}

/** The state of the moment, for React and for the keys: what is dispatched is in effect at once. */
export class Store {
  #state: ConsoleState
  readonly #listeners = new Set<() => void>()
  #memo: { readonly key: readonly unknown[]; readonly rows: Rows } | undefined

  constructor(state: ConsoleState) {
    this.#state = state
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly get = (): ConsoleState => this.#state

  dispatch(action: Action): void {
    const next = this.#settle(reduce(this.#state, action))
    if (next === this.#state) return
    this.#state = next
    for (const listener of this.#listeners) listener()
  }

  /** Computed once for each state of tasks, filter and sort. */
  rows(state: ConsoleState = this.#state): Rows {
    const { ui } = state
    const cluster = ui.frozen ?? state.cluster
    const view = ui.view === 'repl' ? ui.before : ui.view
    const usesTime = view === 'workers' || ui.filter.includes('age:')
    const key = [view, cluster.tasks, cluster.workers, state.queues, ui.filter, ui.sort, usesTime ? state.nowMs : 0]
    if (this.#memo?.key.every((part, i) => part === key[i])) return this.#memo.rows
    const rows = rowsOf(state, cluster, view)
    this.#memo = { key, rows }
    return rows
  }

  /** Index of the row under the cursor; -1 where there is none. */
  cursorIndex(state: ConsoleState = this.#state): number {
    const { view, cursors } = state.ui
    const { rows } = this.rows(state)
    const { selected, at } = cursors[view === 'repl' ? state.ui.before : view]
    if (rows.length === 0) return -1
    if (selected === undefined) return 0
    const near = rows[at]
    if (near !== undefined && idOf(near) === selected) return at
    const index = rows.findIndex((row) => idOf(row) === selected)
    return index < 0 ? Math.min(at, rows.length - 1) : index
  }

  /** Keeps the row under the cursor on the screen. */
  #settle(state: ConsoleState): ConsoleState {
    const { view, cursors } = state.ui
    if (view === 'repl' || state === this.#state) return state
    const height = layoutOf(state.size, state.connection.state === 'lost').listRows
    const { length } = this.rows(state).rows
    const index = Math.max(0, this.cursorIndex(state))
    const cursor = cursors[view]
    const lowest = Math.max(0, length - height)
    const top = Math.min(lowest, Math.max(index - height + 1, Math.min(cursor.top, index)))
    if (top === cursor.top && (cursor.selected === undefined || index === cursor.at)) return state
    return withUi(state, { cursors: { ...cursors, [view]: { ...cursor, top, at: index } } })
  }

  /** The detail is beside the list or instead of it. */
  hasDetail(): boolean {
    return hasDetailPane(this.#state.size) || this.#state.ui.pane === 'detail'
  }
}

/** Whether a worker is still spoken of: it lives, or has not been gone for long. */
export function isListed(worker: WorkerView, nowMs: number): boolean {
  return nowMs - worker.lastSeenMs < goneMs
}

function rowsOf(state: ConsoleState, cluster: ClusterState, view: ListName): Rows {
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
