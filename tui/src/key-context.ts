import { isAlive, type TaskView, type WorkerView } from 'tq-runtime/monitor'
import type { NoteKind } from './command-log.ts'
import { layoutOf } from './layout.ts'
import type { ReplPane } from './repl-pane.ts'
import { idOf } from './rows.ts'
import type { SourcePlace } from './source.ts'
import type { QueueView, UiState } from './state.ts'
import type { Store } from './store.ts'
import type { TaskActions } from './task-commands.ts'
import type { Look } from './ui/paint.ts'
import { type Clean, clean, own } from './ui/text.ts'
import type { WorkerActions } from './worker-commands.ts'

/** What keys can do to the world; the session's part of it. */
export interface Commands {
  readonly tasks: TaskActions
  readonly workers: WorkerActions
  readonly log: { note(command: Clean, answer: Clean, kind?: NoteKind): void }
  reconnect(): void
}

/** What keys can do to the terminal and to this machine. */
export interface ConsolePorts {
  readonly commands: Commands
  readonly look: Look
  readonly exit: (code: number) => void
  readonly suspend: () => Promise<void>
  readonly redraw: () => Promise<void>
  /** To the clipboard, by the terminal. */
  readonly copy: (text: string) => void
  /** Undefined where there is no room for it: on a screen for a screen reader. */
  readonly openRepl: (() => ReplPane) | undefined
  readonly source: SourcePort
}

export interface SourcePort {
  /** Where tasks of that name are defined in the project. */
  readonly find: (task: string) => Promise<readonly SourcePlace[]>
  readonly frames: (traceback: string) => readonly SourcePlace[]
  /** `src/mail.ts:42`. */
  readonly name: (place: SourcePlace) => string
  /** In the user's editor; resolves when the terminal is ours again. */
  readonly edit: (place: SourcePlace) => Promise<void>
}

export type Row = TaskView | WorkerView | QueueView

/** What the keys of all places have in common: they change the store and send commands. */
export class KeyContext {
  readonly store: Store
  readonly ports: ConsolePorts

  constructor(store: Store, ports: ConsolePorts) {
    this.store = store
    this.ports = ports
  }

  get commands(): Commands {
    return this.ports.commands
  }

  row(): Row | undefined {
    const index = this.store.cursorIndex()
    return index < 0 ? undefined : this.store.rows().rows[index]
  }

  ui(change: Partial<UiState>): void {
    this.store.dispatch({ on: 'ui', change })
  }

  select(id: string | undefined, at: number): void {
    this.store.dispatch({ on: 'select', id, at })
  }

  say(command: Clean, answer: Clean, kind?: NoteKind): void {
    this.commands.log.note(command, answer, kind)
  }

  /** Work that nobody waits for; commands tell how they went in the command log themselves. */
  run(work: Promise<void>, what: Clean = own`tq-tui`): void {
    work.catch((error: unknown) => {
      this.say(what, clean(error instanceof Error ? error.message : String(error)), { failed: true })
    })
  }

  /** What is looked at closely is held: a list that follows what is new would take it away. */
  enter(row: Row): void {
    this.select(idOf(row), this.store.cursorIndex())
    this.ui({ pane: 'detail', detailTop: 0 })
    if ('hostname' in row && !this.store.get().inspected.has(row.hostname)) this.inspect(row)
    if ('uuid' in row) this.run(this.commands.tasks.look(row), own`stored result`)
  }

  inspect(worker: WorkerView): void {
    if (isAlive(worker, this.store.get().nowMs)) this.run(this.commands.workers.inspect(worker.hostname))
    else this.say(clean(`tq inspect -d ${worker.hostname}`), own`not asked: it has gone`)
  }

  /** Rows of a page, less one that stays in sight. */
  page(): number {
    const { size, connection } = this.store.get()
    return Math.max(1, layoutOf(size, connection.state === 'lost').listRows - 1)
  }
}
