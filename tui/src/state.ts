import { type ClusterState, emptyCluster, type QueueInfo, type TaskView, type WorkerView } from 'tq-runtime/monitor'
import { defaultKeymap, type Keymap } from './keymap.ts'
import type { Size } from './layout.ts'
import { newLine, type LineState } from './line.ts'
import type { SourcePlace } from './source.ts'
import type { LongText } from './ui/long-text.ts'
import type { Clean } from './ui/text.ts'

export type ViewName = 'tasks' | 'running' | 'workers' | 'queues' | 'scheduled' | 'failed' | 'repl'
export type ListName = Exclude<ViewName, 'repl'>
/** What the rows of a list are. */
export type RowKind = 'task' | 'worker' | 'queue'

export type Sort = 'age' | 'state' | 'name' | 'worker' | 'queue' | 'runtime'

export const sorts: readonly Sort[] = ['age', 'state', 'name', 'worker', 'queue', 'runtime']

/** Columns of tasks that may be left out; STATE and NAME never are. */
export type ColumnName = 'ID' | 'ARGS' | 'WORKER' | 'QUEUE' | 'TRY' | 'RUNTIME' | 'AGE'

export const columnNames: readonly ColumnName[] = ['ID', 'ARGS', 'WORKER', 'QUEUE', 'TRY', 'RUNTIME', 'AGE']

/** All that is shown. Never changed: `reduce` makes the next one. */
export interface ConsoleState {
  readonly cluster: ClusterState
  readonly connection: Connection
  readonly queues: readonly QueueView[]
  /** Answers of workers, by node name. */
  readonly inspected: ReadonlyMap<string, Inspected>
  /** What the result backend holds of tasks that were looked at, by id; the latest few. */
  readonly stored: ReadonlyMap<string, Stored>
  /** Slots of each worker's pool, as far as they said. */
  readonly slots: ReadonlyMap<string, number>
  readonly log: readonly LogEntry[]
  /** Events that came too fast to be read. */
  readonly dropped: number
  readonly nowMs: number
  readonly size: Size
  readonly isReadOnly: boolean
  readonly keymap: Keymap
  /** Folder of the project, once it is known: paths in it are shown without it. */
  readonly folder?: string | undefined
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

/** A task's record of the result backend, as text that is bounded; absent parts are not stored. */
export interface Stored {
  /** State of the record: a newer state of the task makes it old. */
  readonly state: string
  readonly args?: LongText | undefined
  readonly kwargs?: LongText | undefined
  readonly result?: LongText | undefined
  readonly error?: LongText | undefined
  /** As it is stored. */
  readonly traceback?: string | undefined
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
  /** Filters of the lists that are not shown: each kind of rows has its own. */
  readonly otherFilters: Readonly<Partial<Record<RowKind, string>>>
  readonly sort: Sort
  readonly marks: ReadonlySet<string>
  /** The cluster as it was when the list was frozen. */
  readonly frozen?: ClusterState | undefined
  readonly pane: 'list' | 'detail'
  readonly detailTop: number
  readonly wrap: boolean
  /** Frames of libraries are shown, too. */
  readonly wholeTraceback: boolean
  readonly overlay?: 'help' | 'log' | undefined
  readonly overlayTop: number
  readonly hiddenColumns: ReadonlySet<ColumnName>
  readonly menu?: Menu | undefined
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
  readonly purpose: Purpose
  readonly label: Clean
  readonly line: LineState
  /** Put back by Esc. */
  readonly before: string
}

/** What a line that is typed is for. */
export type Purpose =
  | { readonly to: 'filter' | 'command' }
  | { readonly to: 'retry'; readonly task: TaskView }
  /** Without a task the line begins with its name; without a worker it is for all of them. */
  | { readonly to: 'rateLimit' | 'timeLimit'; readonly task?: string | undefined; readonly worker?: string | undefined }
  | { readonly to: 'autoscale' | 'addQueue' | 'dropQueue'; readonly worker: string }
  | { readonly to: 'coldShutdown'; readonly worker: WorkerView }

/** A few choices, taken by their number or by Enter. */
export interface Menu {
  readonly title: Clean
  readonly items: readonly MenuItem[]
  readonly at: number
}

export type MenuItem =
  | { readonly pick: 'column'; readonly column: ColumnName }
  | { readonly pick: 'copy'; readonly label: Clean; readonly text: string }
  | { readonly pick: 'open'; readonly label: Clean; readonly place: SourcePlace }

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

const tasksKept = 5000

export function newState(options: {
  readonly broker: Clean
  readonly nowMs: number
  readonly size: Size
  readonly isReadOnly?: boolean | undefined
  readonly keymap?: Keymap | undefined
}): ConsoleState {
  const cursor: Cursor = { at: 0, top: 0 }
  return {
    cluster: emptyCluster({ maxTasks: tasksKept }),
    connection: { state: 'connecting', broker: options.broker, sinceMs: options.nowMs },
    queues: [],
    inspected: new Map(),
    stored: new Map(),
    slots: new Map(),
    log: [],
    dropped: 0,
    nowMs: options.nowMs,
    size: options.size,
    isReadOnly: options.isReadOnly ?? false,
    keymap: options.keymap ?? defaultKeymap,
    ui: {
      view: 'tasks',
      before: 'tasks',
      cursors: { tasks: cursor, running: cursor, workers: cursor, queues: cursor, scheduled: cursor, failed: cursor },
      filter: '',
      otherFilters: {},
      sort: 'age',
      marks: new Set(),
      pane: 'list',
      detailTop: 0,
      wrap: true,
      wholeTraceback: false,
      overlayTop: 0,
      hiddenColumns: new Set(),
    },
  }
}

/** A prompt with a text to begin with. */
export function promptFor(purpose: Purpose, label: Clean, text: string): Prompt {
  return { purpose, label, line: newLine(text), before: text }
}

/** What the rows of a list are. */
export function kindOf(view: ListName): RowKind {
  return view === 'workers' ? 'worker' : view === 'queues' ? 'queue' : 'task'
}
