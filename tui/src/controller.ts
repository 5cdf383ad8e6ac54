import { isAlive, readCallRepr, type TaskView, type WorkerView } from 'tq-runtime/monitor'
import { type Binding, bindingOf, type Intent, type Place } from './keymap.ts'
import { layoutOf } from './layout.ts'
import type { LineEdit } from './line.ts'
import type { KeyPress } from './repl/keys.ts'
import type { ReplPane } from './repl-pane.ts'
import type { NoteKind } from './session.ts'
import { type Act, idOf, type ListName, promptFor, type QueueView, sorts, type Store, type ViewName } from './store.ts'
import { type Look } from './ui/paint.ts'
import { type Clean, clean, own } from './ui/text.ts'
import { detailLines } from './views/detail.ts'
import { tracebackLine } from './views/tasks.ts'

/** What keys can do to the world; the session's part of it. */
export interface Commands {
  revoke(ids: readonly string[], options: { readonly terminate: boolean }): Promise<void>
  retry(
    tasks: readonly TaskView[],
    call?: { args: readonly unknown[]; kwargs: Readonly<Record<string, unknown>> },
  ): Promise<void>
  shutdown(hostname: string): Promise<void>
  resizePool(hostname: string, by: 1 | -1): Promise<void>
  inspect(hostname: string): Promise<void>
  reconnect(): void
  note(command: Clean, answer: Clean, kind?: NoteKind): void
}

/** What keys can do to the terminal. */
export interface ConsolePorts {
  readonly commands: Commands
  readonly look: Look
  readonly exit: (code: number) => void
  readonly suspend: () => Promise<void>
  readonly redraw: () => Promise<void>
  /** To the clipboard, by the terminal. */
  readonly copy: (text: string) => void
  readonly openRepl: () => ReplPane
}

/** Keys in, changes of the store and commands out; each key takes effect at once, however many come in one read. */
export class ConsoleController {
  readonly #store: Store
  readonly #ports: ConsolePorts
  #repl: ReplPane | undefined

  constructor(store: Store, ports: ConsolePorts) {
    this.#store = store
    this.#ports = ports
  }

  get repl(): ReplPane | undefined {
    return this.#repl
  }

  key(press: KeyPress): void {
    const { ui } = this.#store.get()
    if (ui.view === 'repl') return this.#replKey(press)
    if (press.ctrl && press.input === 'c') return this.#ports.exit(0)
    if (ui.question) return this.#answer(press)
    if (ui.prompt) return this.#promptKey(press)
    const binding = bindingOf(press, this.place())
    if (binding !== undefined) this.#do(binding)
  }

  /** A paste is text where text is wanted, and nothing else. */
  paste(text: string): void {
    const { ui } = this.#store.get()
    if (ui.view === 'repl') this.#repl?.controller.paste(text)
    else if (ui.prompt) this.#store.dispatch({ on: 'line', edit: { do: 'insert', text } })
  }

  place(): Place {
    const { kind } = this.#store.rows()
    return kind === 'queue' ? 'anywhere' : kind
  }

  /** The REPL was left: its engine is gone, the next visit starts another. */
  leaveRepl(): void {
    const repl = this.#repl
    this.#repl = undefined
    this.#show(this.#store.get().ui.before)
    if (repl) this.#run(repl.close())
  }

  async close(): Promise<void> {
    await this.#repl?.close()
  }

  #replKey(press: KeyPress): void {
    if (press.name === 'escape' && (this.#repl?.isAtRest() ?? true)) return this.#show(this.#store.get().ui.before)
    this.#repl?.key(press)
  }

  #answer(press: KeyPress): void {
    const { question } = this.#store.get().ui
    this.#ui({ question: undefined })
    if (question && (press.input === 'y' || press.input === 'Y')) this.#act(question.act)
  }

  // --- prompts --------------------------------------------------------------------------------------------------------

  #promptKey(press: KeyPress): void {
    const { prompt } = this.#store.get().ui
    if (prompt === undefined) return
    if (press.name === 'escape') {
      this.#ui({ prompt: undefined, ...(prompt.kind === 'filter' ? { filter: prompt.before } : {}) })
    } else if (press.name === 'enter') {
      this.#ui({ prompt: undefined })
      if (prompt.kind === 'command') this.#command(prompt.line.text.trim())
      else if (prompt.kind === 'args' && prompt.task) this.#retryWith(prompt.task, prompt.line.text)
    } else {
      const edit = lineEditOf(press)
      if (edit) this.#store.dispatch({ on: 'line', edit })
    }
  }

  #command(text: string): void {
    const [word = '', ...rest] = text.split(/\s+/u)
    if (word === '') return
    const views: readonly ViewName[] = ['tasks', 'running', 'workers', 'queues', 'scheduled', 'failed', 'repl']
    const view = views.find((one) => one.startsWith(word.toLowerCase()))
    if (word === 'q' || word === 'quit') return this.#ports.exit(0)
    if (word === 'log') return this.#ui({ overlay: 'log', overlayTop: 0 })
    if (word === 'help') return this.#ui({ overlay: 'help', overlayTop: 0 })
    if (word === 'filter') return this.#store.dispatch({ on: 'filter', text: rest.join(' ') })
    if (word === 'sort') {
      const sort = sorts.find((one) => one === rest[0])
      if (sort) return this.#ui({ sort })
      return this.#say(own`:sort`, clean(`expected one of ${sorts.join(', ')}`))
    }
    if (view) return this.#show(view)
    this.#say(clean(`:${word}`), own`There is no such command; ? helps.`)
  }

  #retryWith(task: TaskView, text: string): void {
    try {
      const args: unknown = JSON.parse(text)
      if (!Array.isArray(args)) throw new SyntaxError('expected a JSON list')
      const { kwargs } = readCallRepr('', task.kwargs)
      this.#run(this.#ports.commands.retry([task], { args, kwargs }))
    } catch (error) {
      this.#say(clean(`tq call ${task.name}`), clean(error instanceof Error ? error.message : String(error)))
    }
  }

  // --- keys -----------------------------------------------------------------------------------------------------------

  #do({ intent, changes }: Binding): void {
    const state = this.#store.get()
    const { ui } = state
    if (changes === true && state.isReadOnly) return this.#say(clean(intent), own`refused: the console is read-only`)
    if (ui.overlay && this.#overlayKey(intent)) return
    const index = this.#store.cursorIndex()
    const row = index < 0 ? undefined : this.#store.rows().rows[index]
    if (this.#move(intent, index)) return
    if (row !== undefined && 'uuid' in row && this.#taskKey(intent, row)) return
    if (row !== undefined && 'hostname' in row && this.#workerKey(intent, row)) return
    switch (intent) {
      case 'quit':
        return this.#ports.exit(0)
      case 'quitOrBack':
        return ui.pane === 'detail' ? this.#ui({ pane: 'list' }) : this.#ports.exit(0)
      case 'back':
        return this.#back()
      case 'tasks':
      case 'running':
      case 'workers':
      case 'queues':
      case 'scheduled':
      case 'failed':
      case 'repl':
        return this.#show(intent)
      case 'command':
        return this.#ui({ prompt: promptFor('command', own`:`, '') })
      case 'filter':
        return this.#ui({ prompt: promptFor('filter', own`/`, ui.filter) })
      case 'help':
        return this.#ui({ overlay: 'help', overlayTop: 0 })
      case 'sort':
        return this.#ui({ sort: sorts[(sorts.indexOf(ui.sort) + 1) % sorts.length] ?? 'age' })
      case 'wrap':
        return this.#ui({ wrap: !ui.wrap, detailTop: 0 })
      case 'freeze':
        return this.#ui({ frozen: ui.frozen ? undefined : state.cluster })
      case 'redraw':
        return this.#run(this.#ports.redraw())
      case 'reconnect':
        return this.#ports.commands.reconnect()
      case 'suspend':
        return this.#run(this.#ports.suspend())
      case 'paneLeft':
        return this.#ui({ pane: 'list' })
      case 'paneRight':
      case 'enter':
        return row === undefined ? undefined : this.#enter(row)
      case 'paneNext':
        return row === undefined ? undefined : ui.pane === 'list' ? this.#enter(row) : this.#ui({ pane: 'list' })
      default:
        return undefined
    }
  }

  /** What is looked at closely is held: a list that follows what is new would take it away. */
  #enter(row: TaskView | WorkerView | QueueView): void {
    this.#select(idOf(row), this.#store.cursorIndex())
    this.#ui({ pane: 'detail', detailTop: 0 })
    if ('hostname' in row && !this.#store.get().inspected.has(row.hostname)) this.#inspect(row)
  }

  #inspect(worker: WorkerView): void {
    if (isAlive(worker, this.#store.get().nowMs)) this.#run(this.#ports.commands.inspect(worker.hostname))
    else this.#say(clean(`tq inspect -d ${worker.hostname}`), own`not asked: it has gone`)
  }

  #overlayKey(intent: Intent): boolean {
    const { ui } = this.#store.get()
    const by = this.#stepOf(intent)
    if (by !== undefined) this.#ui({ overlayTop: Math.max(0, ui.overlayTop + by) })
    else if (intent === 'first') this.#ui({ overlayTop: 0 })
    else if (['back', 'quitOrBack', 'enter', 'help'].includes(intent)) this.#ui({ overlay: undefined })
    else this.#ui({ overlay: undefined })
    return by !== undefined || ['first', 'back', 'quitOrBack', 'enter', 'help'].includes(intent)
  }

  #back(): void {
    const { ui } = this.#store.get()
    if (ui.pane === 'detail') this.#ui({ pane: 'list', detailTop: 0 })
    else if (ui.marks.size > 0) this.#ui({ marks: new Set() })
    else if (ui.filter !== '') this.#store.dispatch({ on: 'filter', text: '' })
  }

  #stepOf(intent: Intent): number | undefined {
    const { size, connection } = this.#store.get()
    const page = Math.max(1, layoutOf(size, connection.state === 'lost').listRows - 1)
    const steps: Partial<Record<Intent, number>> = {
      down: 1,
      up: -1,
      pageDown: page,
      pageUp: -page,
      halfDown: Math.ceil(page / 2),
      halfUp: -Math.ceil(page / 2),
    }
    return steps[intent]
  }

  #move(intent: Intent, index: number): boolean {
    const { ui } = this.#store.get()
    const by = this.#stepOf(intent)
    if (ui.pane === 'detail') return this.#scroll(intent, by)
    const { rows } = this.#store.rows()
    if (by !== undefined || intent === 'last') {
      const to = intent === 'last' ? rows.length - 1 : Math.max(0, Math.min(rows.length - 1, index + (by ?? 0)))
      const row = rows[to]
      if (row !== undefined) this.#select(idOf(row), to)
      return true
    }
    if (intent !== 'first') return false
    this.#select(undefined, 0)
    return true
  }

  #scroll(intent: Intent, by: number | undefined): boolean {
    const state = this.#store.get()
    const length = detailLines(this.#store, this.#ports.look).length
    const lowest = Math.max(0, length - layoutOf(state.size, state.connection.state === 'lost').bodyRows)
    if (by !== undefined) this.#ui({ detailTop: Math.max(0, Math.min(lowest, state.ui.detailTop + by)) })
    else if (intent === 'first') this.#ui({ detailTop: 0 })
    else if (intent === 'last') this.#ui({ detailTop: lowest })
    else return false
    return true
  }

  #taskKey(intent: Intent, task: TaskView): boolean {
    const { ui, nowMs } = this.#store.get()
    const marked = this.#store.rows().rows.filter((row): row is TaskView => 'uuid' in row && ui.marks.has(row.uuid))
    const tasks = marked.length > 0 ? marked : [task]
    const ids = tasks.map(({ uuid }) => uuid)
    const what =
      tasks.length === 1
        ? own`${clean(tasks[0]?.name ?? '')} ${clean(ids[0]?.slice(-8) ?? '')}`
        : own`${tasks.length} tasks`
    switch (intent) {
      case 'mark': {
        const marks = new Set(ui.marks)
        if (!marks.delete(task.uuid)) marks.add(task.uuid)
        this.#ui({ marks })
        return this.#move('down', this.#store.cursorIndex())
      }
      case 'retry':
        // Asked where it might be another one than was meant: several, or a row that the list moved under the cursor.
        if (tasks.length === 1 && this.#isHeld()) this.#act({ do: 'retry', tasks })
        else this.#ui({ question: { text: own`Send ${what} again?`, act: { do: 'retry', tasks } } })
        return true
      case 'editRetry':
        this.#ui({ prompt: promptFor('args', own`${clean(task.name)} args: `, argsText(task), task) })
        return true
      case 'revoke':
        this.#ui({ question: { text: own`Revoke ${what}?`, act: { do: 'revoke', ids } } })
        return true
      case 'terminate':
        this.#ui({ question: { text: own`Revoke ${what} and end it where it runs?`, act: { do: 'terminate', ids } } })
        return true
      case 'traceback': {
        this.#enter(task)
        const { detailColumns, columns } = layoutOf(this.#store.get().size, false)
        const width = detailColumns === 0 ? columns : detailColumns - 2
        const { look } = this.#ports
        this.#ui({ detailTop: tracebackLine(task, { look, nowMs, columns: width, wrap: ui.wrap }) })
        return true
      }
      case 'copyId':
        this.#ports.copy(task.uuid)
        this.#say(own`copy`, own`${clean(task.uuid)} is copied, if the terminal allows it`)
        return true
      case 'copyCli':
        this.#ports.copy(`tq call ${quote(task.name)} --args ${quote(argsText(task))}`)
        this.#say(own`copy`, clean(`tq call ${task.name} --args ${argsText(task)}`))
        return true
      default:
        return false
    }
  }

  #workerKey(intent: Intent, worker: WorkerView): boolean {
    const { commands } = this.#ports
    switch (intent) {
      case 'inspect':
        this.#inspect(worker)
        return true
      case 'grow':
      case 'shrink':
        this.#run(commands.resizePool(worker.hostname, intent === 'grow' ? 1 : -1))
        return true
      case 'shutdown':
        this.#ui({
          question: {
            text: own`Shut ${clean(worker.hostname)} down, once it has finished what runs?`,
            act: { do: 'shutdown', worker: worker.hostname },
          },
        })
        return true
      default:
        return false
    }
  }

  #act(act: Act): void {
    const { commands } = this.#ports
    switch (act.do) {
      case 'retry':
        this.#run(commands.retry(act.tasks))
        break
      case 'revoke':
      case 'terminate':
        this.#run(commands.revoke(act.ids, { terminate: act.do === 'terminate' }))
        break
      case 'shutdown':
        this.#run(commands.shutdown(act.worker))
    }
    this.#ui({ marks: new Set() })
  }

  // --- small ----------------------------------------------------------------------------------------------------------

  #show(view: ViewName): void {
    if (view === 'repl') this.#repl ??= this.#ports.openRepl()
    this.#store.dispatch({ on: 'view', view })
  }

  #isHeld(): boolean {
    const { view, cursors } = this.#store.get().ui
    return view !== 'repl' && cursors[view satisfies ListName].selected !== undefined
  }

  #select(id: string | undefined, at: number): void {
    this.#store.dispatch({ on: 'select', id, at })
  }

  #ui(change: Extract<Parameters<Store['dispatch']>[0], { on: 'ui' }>['change']): void {
    this.#store.dispatch({ on: 'ui', change })
  }

  #say(command: Clean, answer: Clean): void {
    this.#ports.commands.note(command, answer)
  }

  // Commands tell how they went in the command log themselves.
  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#ports.commands.note(own`tq-tui`, clean(error instanceof Error ? error.message : String(error)), {
        failed: true,
      })
    })
  }
}

/** The arguments as JSON where they can be read back, to be edited. */
function argsText(task: TaskView): string {
  try {
    return JSON.stringify(readCallRepr(task.args, task.kwargs).args, (_, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    )
  } catch {
    return task.args
  }
}

function quote(text: string): string {
  return /^[\w.@%+=:,/-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function lineEditOf(press: KeyPress): LineEdit | undefined {
  switch (press.name) {
    case 'backspace':
    case 'delete':
    case 'left':
    case 'right':
      return { do: press.name }
    case 'home':
      return { do: 'start' }
    case 'end':
      return { do: 'end' }
    case undefined: {
      if (press.ctrl) return controlEdits[press.input]
      return press.meta || press.input === '' ? undefined : { do: 'insert', text: press.input }
    }
    default:
      return undefined
  }
}

const controlEdits: Readonly<Record<string, LineEdit>> = {
  a: { do: 'start' },
  e: { do: 'end' },
  b: { do: 'left' },
  f: { do: 'right' },
  h: { do: 'backspace' },
  d: { do: 'delete' },
  u: { do: 'killToStart' },
  k: { do: 'killToEnd' },
  w: { do: 'killWord' },
}
