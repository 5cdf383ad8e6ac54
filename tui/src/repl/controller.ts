import { cleanInput, cleanOutput } from './clean.ts'
import { commandOf, type CommandResult } from './commands.ts'
import { Completion } from './completion.ts'
import { edit, type EditorState, newEditor } from './editor.ts'
import { EngineEndedError } from './engine-client.ts'
import { History, isKept } from './history.ts'
import { type Command, type KeyPress, meaningOf } from './keys.ts'
import { banner, promptOf, restartNote } from './notes.ts'
import { Printer } from './printer.ts'
import type { EngineEvent, Ready, StartOptions } from './protocol.ts'
import { Runner } from './runner.ts'
import { searchKey } from './search-keys.ts'
import { Session } from './session.ts'

export interface Menu {
  readonly names: readonly string[]
  readonly selected: number
  readonly from: number
}

/** All that the view shows. */
export interface ScreenState {
  readonly prompt: string
  readonly editor: EditorState
  readonly known: ReadonlySet<string>
  readonly menu?: Menu | undefined
  /** Signature of the call the cursor stands in. */
  readonly hint?: string | undefined
  readonly preview?: string | undefined
  /** Set while an input is evaluated: what the status line says, once there is something to say. */
  readonly running?: { readonly status: string } | undefined
  /** The session is over: nothing live is left on the screen. */
  readonly isOver?: boolean | undefined
}

/** What the controller needs of the terminal. */
export interface ScreenPorts {
  /** Text for the scrollback, above the editor; ends with a newline. */
  readonly print: (text: string) => void
  readonly clear: () => void
  readonly page: (text: string) => Promise<void>
  readonly suspend: () => Promise<void>
  readonly exit: (code: number) => void
  readonly size: () => { readonly columns: number; readonly rows: number }
  readonly colours: boolean
}

const bannerWaitsMs = 2_000

/** Everything between keys and screen: one state, changed at once for each key, whatever the view is doing. */
export class ReplController {
  readonly #ports: ScreenPorts
  readonly #session: Session
  readonly #printer: Printer
  readonly #completion: Completion
  readonly #runner: Runner
  readonly #listeners = new Set<() => void>()
  #state: ScreenState = { prompt: promptOf(undefined, false), editor: newEditor(), known: new Set() }
  #history: History | undefined
  #ready: Ready | undefined
  #worker: string | undefined
  #bannerShown = false
  #bannerTimer: NodeJS.Timeout | undefined
  /** Keys that came while an input was evaluated or judged: they are for the next prompt. */
  #typedAhead: (KeyPress | { readonly paste: string })[] = []
  #busy = false

  constructor(ports: ScreenPorts) {
    this.#ports = ports
    this.#printer = new Printer(ports)
    this.#completion = new Completion({
      state: () => this.#state,
      set: (change) => this.#set(change),
      edit: (action) => this.#edit(action),
      engine: () => this.#session.engine,
      columns: () => ports.size().columns,
      isIdle: () => this.#ready !== undefined && !this.#busy,
    })
    this.#session = new Session({
      onOutput: (stream, text) => this.#printer.output(stream, text),
      onEvent: (event) => this.#onEvent(event),
      onEnd: () => undefined,
      onRestart: (end) => {
        this.#printer.note(restartNote(end))
        void this.#session.ready.then((ready) => this.#adopt(ready))
      },
    })
    this.#runner = new Runner({
      session: this.#session,
      printer: this.#printer,
      columns: () => ports.size().columns,
      colours: ports.colours,
      onStatus: (status) => this.#set({ running: status === undefined ? undefined : { status } }),
      hasWorker: () => this.#worker !== undefined && this.#worker !== '',
      broker: () => this.#ready?.broker ?? '',
    })
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly snapshot = (): ScreenState => this.#state

  async start(options: StartOptions, keepHistory: boolean): Promise<void> {
    const ready = await this.#session.start(options)
    if (keepHistory) this.#history = new History(ready.projectFolder)
    const entries = this.#history?.read() ?? []
    this.#set({ editor: edit(this.#state.editor, { do: 'history', entries }) })
    for (const note of ready.notes) this.#printer.error(note)
    this.#adopt(ready)
    // The banner names the worker: it goes above the prompt when that is known, or when something else is printed.
    if (ready.app === undefined || ready.eager || options.worker === 'later') this.#showBanner()
    else this.#bannerTimer = setTimeout(() => this.#showBanner(), bannerWaitsMs)
  }

  close(): Promise<void> {
    this.#completion.stop()
    clearTimeout(this.#bannerTimer)
    this.#runner.stop()
    return this.#session.close()
  }

  // --- keys -----------------------------------------------------------------------------------------------------------

  key(press: KeyPress): void {
    const meaning = meaningOf(press)
    if (this.#busy && !(meaning !== undefined && 'command' in meaning && meaning.command === 'cancel')) {
      this.#typedAhead.push(press)
      return
    }
    if (meaning === undefined) return
    if (this.#state.editor.search !== undefined) {
      const { action, isAll } = searchKey(press, meaning)
      this.#set({ editor: edit(this.#state.editor, action) })
      if (isAll) return
    }
    if ('command' in meaning) this.#command(meaning.command)
    else this.#edit(meaning.edit.do === 'insert' ? { do: 'insert', text: cleanInput(meaning.edit.text) } : meaning.edit)
  }

  /** One insertion, whatever it holds: newlines in it submit nothing. */
  paste(text: string): void {
    if (this.#busy) this.#typedAhead.push({ paste: text })
    else this.#edit({ do: 'insert', text: cleanInput(text) })
  }

  #edit(action: Parameters<typeof edit>[1]): void {
    this.#set({ editor: edit(this.#state.editor, action), menu: undefined, hint: undefined, preview: undefined })
    this.#completion.askSoon()
  }

  #command(command: Command): void {
    const { menu, editor } = this.#state
    switch (command) {
      case 'enter':
        if (menu !== undefined) return this.#completion.take(menu)
        return this.#guarded(this.#enter())
      case 'newline':
        return this.#edit({ do: 'newline' })
      case 'complete':
      case 'completeBack':
        if (menu !== undefined) return this.#completion.move(menu, command === 'complete' ? 1 : -1)
        return this.#guarded(this.#completion.complete())
      case 'escape':
        return this.#set({ menu: undefined, hint: undefined, preview: undefined })
      case 'cancel':
        return this.#cancel()
      case 'endOfInput':
        if (editor.text === '') return this.#leave()
        return this.#edit({ do: 'delete' })
      case 'clearScreen':
        return this.#ports.clear()
      case 'suspend':
        return this.#guarded(this.#ports.suspend())
      case 'search':
        return this.#set({
          editor: edit(editor, { do: 'searchOlder' }),
          menu: undefined,
          preview: undefined,
          hint: undefined,
        })
    }
  }

  #cancel(): void {
    if (this.#session.interrupt()) return
    if (this.#busy) return
    const { editor } = this.#state
    if (editor.text === '') return this.#printer.note('Ctrl-D or .exit leaves.')
    this.#echo(editor.text)
    this.#set({ editor: edit(editor, { do: 'clear' }), menu: undefined, hint: undefined, preview: undefined })
  }

  // --- submitting -----------------------------------------------------------------------------------------------------

  async #enter(): Promise<void> {
    const text = this.#state.editor.text
    if (text.trim() === '') return this.#submit(text)
    const command = commandOf(text)
    if (command === undefined && (await this.#isUnfinished(text))) return this.#edit({ do: 'newline' })
    this.#submit(text)
    if (command === undefined) await this.#runner.evaluate(text)
    else await this.#apply(await command.run(this.#session))
  }

  #leave(): void {
    this.#set({ isOver: true })
    this.#ports.exit(0)
  }

  async #isUnfinished(text: string): Promise<boolean> {
    return (await this.#session.engine.request({ op: 'check', code: text })).state === 'unfinished'
  }

  #submit(text: string): void {
    this.#echo(text)
    if (isKept(text)) this.#history?.append(text)
    this.#completion.stop()
    const editor = edit(this.#state.editor, { do: 'submitted', remember: isKept(text) })
    this.#set({ editor, menu: undefined, hint: undefined, preview: undefined })
  }

  async #apply(result: CommandResult): Promise<void> {
    if (result.problem !== undefined) this.#printer.error(result.problem)
    if (result.text !== undefined && result.text !== '') this.#printer.value(result.text)
    if (result.effect === 'clear') this.#ports.clear()
    if (result.effect === 'exit') return this.#leave()
    if (result.page !== undefined) await this.#ports.page(cleanOutput(result.page))
    for (const again of result.replay ?? []) {
      this.#echo(again)
      if (!(await this.#runner.evaluate(again))) break
    }
    this.#adopt(await this.#session.ready)
  }

  // --- state and output -----------------------------------------------------------------------------------------------

  /** Work that a key set off: until it is done, further keys wait. What escapes it is a defect, and shown as one. */
  #guarded(work: Promise<void>): void {
    this.#busy = true
    work
      .catch((error: unknown) => {
        if (!(error instanceof EngineEndedError))
          this.#printer.error(error instanceof Error ? (error.stack ?? error.message) : String(error))
      })
      .finally(() => {
        this.#busy = false
        const keys = this.#typedAhead
        this.#typedAhead = []
        for (const key of keys) {
          if ('paste' in key) this.paste(key.paste)
          else this.key(key)
        }
      })
      .catch(() => undefined)
  }

  #adopt(ready: Ready): void {
    this.#ready = ready
    const known = new Set(ready.tasks.flatMap(({ binding }) => (binding === undefined ? [] : [binding])))
    this.#set({ prompt: promptOf(ready, this.#session.eager), known })
  }

  #showBanner(): void {
    clearTimeout(this.#bannerTimer)
    if (this.#ready === undefined || this.#bannerShown) return
    this.#bannerShown = true
    this.#printer.note(banner(this.#ready, this.#worker, this.#ports.size().columns))
  }

  #onEvent(event: EngineEvent): void {
    switch (event.event) {
      case 'unhandledRejection':
      case 'uncaughtException':
        return this.#printer.error(
          `${event.event === 'unhandledRejection' ? 'Unhandled rejection' : 'Uncaught'}: ${event.text}`,
        )
      case 'note':
        return this.#printer.note(event.text)
      case 'worker':
        // Part of the banner if it comes in time, else a line of its own.
        this.#worker = event.text
        if (this.#bannerShown && event.text !== '') return this.#printer.note(event.text)
        return this.#showBanner()
      case 'following':
        return undefined
      case 'state':
        return this.#runner.state(event.state)
    }
  }

  #echo(text: string): void {
    this.#showBanner()
    this.#printer.echo(text, this.#state)
  }

  #set(change: Partial<ScreenState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }
}
