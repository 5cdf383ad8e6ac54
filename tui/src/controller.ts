import { CursorKeys } from './cursor-keys.ts'
import { type ConsolePorts, KeyContext } from './key-context.ts'
import { type Binding, bindingOf, type Intent, type Place } from './keymap.ts'
import { Menus } from './menus.ts'
import { Prompts } from './prompts.ts'
import type { KeyPress } from './repl/keys.ts'
import type { ReplPane } from './repl-pane.ts'
import { type Act, promptFor, sorts, type ViewName } from './state.ts'
import type { Store } from './store.ts'
import { TaskKeys } from './task-keys.ts'
import { clean, own } from './ui/text.ts'
import { WorkerKeys } from './worker-keys.ts'

/** Keys in, changes of the store and commands out; each key takes effect at once, however many come in one read. */
export class ConsoleController {
  readonly #keys: KeyContext
  readonly #cursor: CursorKeys
  readonly #tasks: TaskKeys
  readonly #workers: WorkerKeys
  readonly #menus: Menus
  readonly #prompts: Prompts
  #repl: ReplPane | undefined

  constructor(store: Store, ports: ConsolePorts) {
    this.#keys = new KeyContext(store, ports)
    this.#cursor = new CursorKeys(this.#keys)
    this.#tasks = new TaskKeys(this.#keys, () => this.#cursor.move('down'))
    this.#workers = new WorkerKeys(this.#keys)
    this.#menus = new Menus(this.#keys)
    this.#prompts = new Prompts(this.#keys, (text) => this.#command(text))
  }

  get repl(): ReplPane | undefined {
    return this.#repl
  }

  key(press: KeyPress): void {
    const { ui, keymap } = this.#keys.store.get()
    if (ui.view === 'repl') return this.#replKey(press)
    if (press.ctrl && press.input === 'c') return this.#keys.ports.exit(0)
    if (ui.question) return this.#answer(press)
    if (ui.prompt) return this.#prompts.key(press, ui.prompt)
    if (ui.menu) return this.#menus.key(press, ui.menu)
    const binding = bindingOf(press, this.place(), keymap)
    if (binding !== undefined) this.#do(binding)
  }

  /** A paste is text where text is wanted, and nothing else. */
  paste(text: string): void {
    const { ui } = this.#keys.store.get()
    if (ui.view === 'repl') this.#repl?.controller.paste(text)
    else if (ui.prompt) this.#keys.store.dispatch({ on: 'line', edit: { do: 'insert', text } })
  }

  place(): Place {
    const { kind } = this.#keys.store.rows()
    return kind === 'queue' ? 'anywhere' : kind
  }

  /** The REPL was left: its engine is gone, the next visit starts another. */
  leaveRepl(): void {
    const repl = this.#repl
    this.#repl = undefined
    this.#show(this.#keys.store.get().ui.before)
    if (repl) this.#keys.run(repl.close())
  }

  async close(): Promise<void> {
    await this.#repl?.close()
  }

  #replKey(press: KeyPress): void {
    if (press.name === 'escape' && (this.#repl?.isAtRest() ?? true)) {
      return this.#show(this.#keys.store.get().ui.before)
    }
    this.#repl?.key(press)
  }

  #answer(press: KeyPress): void {
    const { question } = this.#keys.store.get().ui
    this.#keys.ui({ question: undefined })
    if (question && (press.input === 'y' || press.input === 'Y')) this.#act(question.act)
  }

  #act(act: Act): void {
    const { tasks, workers } = this.#keys.commands
    switch (act.do) {
      case 'retry':
        this.#keys.run(tasks.retry(act.tasks))
        break
      case 'revoke':
      case 'terminate':
        this.#keys.run(tasks.revoke(act.ids, { terminate: act.do === 'terminate' }))
        break
      case 'shutdown':
        this.#keys.run(workers.shutdown(act.worker))
    }
    this.#keys.ui({ marks: new Set() })
  }

  /** What is typed after `:`. */
  #command(text: string): void {
    const [word = '', ...rest] = text.split(/\s+/u)
    const views: readonly ViewName[] = ['tasks', 'running', 'workers', 'queues', 'scheduled', 'failed', 'repl']
    const view = views.find((one) => one.startsWith(word.toLowerCase()))
    if (word === 'q' || word === 'quit') return this.#keys.ports.exit(0)
    if (word === 'log') return this.#keys.ui({ overlay: 'log', overlayTop: 0 })
    if (word === 'help') return this.#keys.ui({ overlay: 'help', overlayTop: 0 })
    if (word === 'columns') return this.#menus.columns()
    if (word === 'filter') return this.#keys.store.dispatch({ on: 'filter', text: rest.join(' ') })
    if (word === 'sort') {
      const sort = sorts.find((one) => one === rest[0])
      if (sort) return this.#keys.ui({ sort })
      return this.#keys.say(own`:sort`, clean(`expected one of ${sorts.join(', ')}`))
    }
    if (view) return this.#show(view)
    this.#keys.say(clean(`:${word}`), own`There is no such command; ? helps.`)
  }

  #do({ intent, changes }: Binding): void {
    const { store } = this.#keys
    const state = store.get()
    if (changes === true && state.isReadOnly) {
      return this.#keys.say(clean(intent), own`refused: the console is read-only`)
    }
    if (state.ui.overlay && this.#cursor.overlay(intent)) return
    const row = this.#keys.row()
    if (this.#cursor.move(intent)) return
    if (row !== undefined && 'uuid' in row && this.#tasks.key(intent, row)) return
    if (row !== undefined && 'hostname' in row && this.#workers.key(intent, row)) return
    this.#doAnywhere(intent)
  }

  #doAnywhere(intent: Intent): void {
    const { store, ports } = this.#keys
    const state = store.get()
    const { ui } = state
    const row = this.#keys.row()
    switch (intent) {
      case 'quit':
        return ports.exit(0)
      case 'quitOrBack':
        return ui.pane === 'detail' ? this.#keys.ui({ pane: 'list' }) : ports.exit(0)
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
        return this.#keys.ui({ prompt: promptFor({ to: 'command' }, own`:`, '') })
      case 'filter':
        return this.#keys.ui({ prompt: promptFor({ to: 'filter' }, own`/`, ui.filter) })
      case 'help':
        return this.#keys.ui({ overlay: 'help', overlayTop: 0 })
      case 'sort':
        return this.#keys.ui({ sort: sorts[(sorts.indexOf(ui.sort) + 1) % sorts.length] ?? 'age' })
      case 'columns':
        return this.#menus.columns()
      case 'wrap':
        return this.#keys.ui({ wrap: !ui.wrap, detailTop: 0 })
      case 'freeze':
        return this.#keys.ui({ frozen: ui.frozen ? undefined : state.cluster })
      case 'redraw':
        return this.#keys.run(ports.redraw())
      case 'reconnect':
        return this.#keys.commands.reconnect()
      case 'suspend':
        return this.#keys.run(ports.suspend())
      case 'paneLeft':
        return this.#keys.ui({ pane: 'list' })
      case 'paneRight':
      case 'enter':
        return row === undefined ? undefined : this.#keys.enter(row)
      case 'paneNext':
        if (ui.pane === 'detail') return this.#keys.ui({ pane: 'list' })
        return row === undefined ? undefined : this.#keys.enter(row)
      default:
        return undefined
    }
  }

  #back(): void {
    const { ui } = this.#keys.store.get()
    if (ui.pane === 'detail') this.#keys.ui({ pane: 'list', detailTop: 0 })
    else if (ui.marks.size > 0) this.#keys.ui({ marks: new Set() })
    else if (ui.filter !== '') this.#keys.store.dispatch({ on: 'filter', text: '' })
  }

  #show(view: ViewName): void {
    const { openRepl } = this.#keys.ports
    if (view === 'repl' && openRepl === undefined) {
      return this.#keys.say(own`REPL`, own`it has a command of its own here: tq-tui repl`)
    }
    if (view === 'repl') this.#repl ??= openRepl?.()
    this.#keys.store.dispatch({ on: 'view', view })
  }
}
