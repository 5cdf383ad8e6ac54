import stringWidth from 'string-width'
import { cleanInput, cleanOutput } from './clean.ts'
import { commandOf, type CommandResult, commands } from './commands.ts'
import { edit, type EditorState, newEditor } from './editor.ts'
import { EngineEndedError } from './engine-client.ts'
import { History, isKept } from './history.ts'
import { type Command, type KeyPress, meaningOf } from './keys.ts'
import { banner, duration, followNote, promptOf, restartNote, waitingNote } from './notes.ts'
import { paintWhole } from './paint.ts'
import type { EngineEvent, EvalAnswer, Ready, StartOptions } from './protocol.ts'
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

const askAfterMs = 30
const bannerWaitsMs = 2_000
const timerAfterMs = 1_000
const noConsumerAfterMs = 3_000

/** Everything between keys and screen: one state, changed at once for each key, whatever the view is doing. */
export class ReplController {
  readonly #ports: ScreenPorts
  readonly #session: Session
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
  #asked = 0
  #timer: NodeJS.Timeout | undefined
  #ticker: NodeJS.Timeout | undefined
  #partial = { out: '', err: '' }

  constructor(ports: ScreenPorts) {
    this.#ports = ports
    this.#session = new Session({
      onOutput: (stream, text) => this.#output(stream, text),
      onEvent: (event) => this.#onEvent(event),
      onEnd: () => undefined,
      onRestart: (end) => {
        this.#printNote(restartNote(end))
        void this.#session.ready.then((ready) => this.#adopt(ready))
      },
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
    for (const note of ready.notes) this.#printError(note)
    this.#adopt(ready)
    // The banner names the worker: it goes above the prompt when that is known, or when something else is printed.
    if (ready.app === undefined || ready.eager || options.worker === 'later') this.#showBanner()
    else this.#bannerTimer = setTimeout(() => this.#showBanner(), bannerWaitsMs)
  }

  close(): Promise<void> {
    clearTimeout(this.#timer)
    clearTimeout(this.#bannerTimer)
    clearInterval(this.#ticker)
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
    if (this.#state.editor.search !== undefined && this.#searchKey(press, meaning)) return
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
    this.#askSoon()
  }

  #command(command: Command): void {
    const { menu, editor } = this.#state
    switch (command) {
      case 'enter':
        if (menu !== undefined) return this.#takeMenu(menu)
        return this.#guarded(this.#enter())
      case 'newline':
        return this.#edit({ do: 'newline' })
      case 'complete':
      case 'completeBack':
        if (menu !== undefined) return this.#moveMenu(menu, command === 'complete' ? 1 : -1)
        return this.#guarded(this.#complete())
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

  /** Keys while Ctrl-R searches. False: the key ends the search and means what it always means. */
  #searchKey(press: KeyPress, meaning: NonNullable<ReturnType<typeof meaningOf>>): boolean {
    const apply = (action: Parameters<typeof edit>[1]): true => {
      this.#set({ editor: edit(this.#state.editor, action) })
      return true
    }
    if ('command' in meaning) {
      if (meaning.command === 'search') return apply({ do: 'searchOlder' })
      if (meaning.command === 'cancel' || meaning.command === 'escape') return apply({ do: 'searchCancel' })
      apply({ do: 'searchTake' })
      // Enter takes the entry and leaves it to be read before it runs.
      return meaning.command === 'enter'
    }
    if (press.name === 'backspace') return apply({ do: 'searchBackspace' })
    if (meaning.edit.do === 'insert') return apply({ do: 'searchType', text: cleanInput(meaning.edit.text) })
    apply({ do: 'searchTake' })
    return false
  }

  #cancel(): void {
    if (this.#session.interrupt()) return
    if (this.#busy) return
    const { editor } = this.#state
    if (editor.text === '') return this.#printNote('Ctrl-D or .exit leaves.')
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
    if (command === undefined) await this.#evaluate(text)
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
    clearTimeout(this.#timer)
    this.#asked += 1
    const editor = edit(this.#state.editor, { do: 'submitted', remember: isKept(text) })
    this.#set({ editor, menu: undefined, hint: undefined, preview: undefined })
  }

  async #apply(result: CommandResult): Promise<void> {
    if (result.problem !== undefined) this.#printError(result.problem)
    if (result.text !== undefined && result.text !== '') this.#print(result.text)
    if (result.effect === 'clear') this.#ports.clear()
    if (result.effect === 'exit') return this.#leave()
    if (result.page !== undefined) await this.#ports.page(cleanOutput(result.page))
    for (const again of result.replay ?? []) {
      this.#echo(again)
      if (!(await this.#evaluate(again))) break
    }
    this.#adopt(await this.#session.ready)
  }

  /** False when it failed. */
  async #evaluate(code: string): Promise<boolean> {
    this.#watch()
    const { columns } = this.#ports.size()
    try {
      const answer = await this.#session.evaluate(code, { width: columns, colours: this.#ports.colours })
      this.#flushPartial()
      return this.#show(answer)
    } catch (error) {
      this.#flushPartial()
      if (!(error instanceof EngineEndedError)) throw error
      return false
    } finally {
      clearInterval(this.#ticker)
      this.#set({ running: undefined })
    }
  }

  #show(answer: EvalAnswer): boolean {
    if ('incomplete' in answer) return false
    if ('error' in answer) {
      if (answer.error.kind === 'interrupted') this.#printNote(answer.error.text)
      else this.#printError(answer.error.text)
      if (answer.followed !== undefined && answer.error.kind === 'task')
        this.#printNote(followNote(answer.followed, answer.ms))
      return false
    }
    if (answer.followed !== undefined) this.#printFollowed(answer.text, followNote(answer.followed, answer.ms))
    else if (answer.unfollowed !== undefined && answer.text === '') this.#printNote(answer.unfollowed)
    else if (answer.type !== 'undefined') this.#print(answer.text)
    return true
  }

  /** The value, and how it came about at the right of its last line where there is room. */
  #printFollowed(text: string, note: string): void {
    const shown = cleanOutput(text)
    const last = stringWidth(shown.split('\n').at(-1) ?? '')
    const column = Math.max(36, last + 2)
    const fits = column + stringWidth(note) < this.#ports.size().columns
    this.#ports.print(`${shown}${fits ? ' '.repeat(column - last) : '\n'}${this.#dim(note)}\n`)
  }

  /** The status line of a followed task: nothing for a moment, then its state, then how long it takes. */
  #watch(): void {
    const started = performance.now()
    this.#set({ running: { status: '' } })
    let warned = false
    this.#ticker = setInterval(() => {
      const { running } = this.#state
      const ms = performance.now() - started
      if (running === undefined || ms < timerAfterMs) return
      this.#set({ running: { status: `${running.status.split(' · ')[0] ?? ''} · ${duration(ms)} · Ctrl-C` } })
      if (warned || this.#hasWorker() || ms < noConsumerAfterMs || !running.status.startsWith('PENDING')) return
      warned = true
      this.#printNote(waitingNote(this.#ready?.broker ?? ''))
    }, 100)
  }

  #hasWorker(): boolean {
    return this.#worker !== undefined && this.#worker !== ''
  }

  // --- completion -----------------------------------------------------------------------------------------------------

  async #complete(): Promise<void> {
    const { text, cursor } = this.#state.editor
    const line = text.slice(text.lastIndexOf('\n', cursor - 1) + 1, cursor)
    // Tab at the start of a line is an indent.
    if (text.includes('\n') && line.trim() === '') return this.#edit({ do: 'insert', text: '  ' })
    const found = /^\s*\.[a-z]*$/u.test(text)
      ? {
          names: Object.keys(commands).filter((name) => name.startsWith(text.trim())),
          from: text.length - text.trimStart().length,
          hint: undefined,
        }
      : await this.#session.engine.request({ op: 'complete', code: text, at: cursor })
    if (found.hint !== undefined) this.#set({ hint: found.hint })
    const [first] = found.names
    if (first === undefined) return
    const common = found.names.reduce(commonPrefix, first)
    const extended = common.length > cursor - found.from
    if (extended) this.#edit({ do: 'replace', from: found.from, text: common })
    if (found.names.length > 1)
      this.#set({ menu: { names: found.names, selected: extended ? -1 : 0, from: found.from } })
  }

  #moveMenu(menu: Menu, step: number): void {
    const count = menu.names.length
    this.#set({ menu: { ...menu, selected: (Math.max(menu.selected, step > 0 ? -1 : 0) + step + count) % count } })
  }

  #takeMenu(menu: Menu): void {
    const name = menu.names[Math.max(0, menu.selected)] ?? ''
    this.#edit({ do: 'replace', from: menu.from, text: name })
  }

  /** The grey preview and the signature, once the keys pause; an answer that comes too late is dropped. */
  #askSoon(): void {
    clearTimeout(this.#timer)
    const asked = ++this.#asked
    this.#timer = setTimeout(() => void this.#ask(asked).catch(() => undefined), askAfterMs)
  }

  async #ask(asked: number): Promise<void> {
    const { text, cursor } = this.#state.editor
    if (text.trim() === '' || text.startsWith('.') || this.#ready === undefined || this.#busy) return
    const { engine } = this.#session
    const [preview, completion] = await Promise.all([
      engine.request({ op: 'preview', code: text, width: this.#ports.size().columns - 4 }),
      engine.request({ op: 'complete', code: text, at: cursor }),
    ])
    if (asked !== this.#asked || this.#busy) return
    const shown = preview.text === undefined || preview.text === text.trim() ? undefined : cleanOutput(preview.text)
    this.#set({ preview: shown, hint: completion.hint })
  }

  // --- state and output -----------------------------------------------------------------------------------------------

  /** Work that a key set off: until it is done, further keys wait. What escapes it is a defect, and shown as one. */
  #guarded(work: Promise<void>): void {
    this.#busy = true
    work
      .catch((error: unknown) => {
        if (!(error instanceof EngineEndedError))
          this.#printError(error instanceof Error ? (error.stack ?? error.message) : String(error))
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
    this.#ports.print(`${this.#dim(cleanOutput(banner(this.#ready, this.#worker, this.#ports.size().columns)))}\n`)
  }

  #onEvent(event: EngineEvent): void {
    switch (event.event) {
      case 'unhandledRejection':
      case 'uncaughtException':
        return this.#printError(
          `${event.event === 'unhandledRejection' ? 'Unhandled rejection' : 'Uncaught'}: ${event.text}`,
        )
      case 'note':
        return this.#printNote(event.text)
      case 'worker':
        // Part of the banner if it comes in time, else a line of its own.
        this.#worker = event.text
        if (this.#bannerShown && event.text !== '') return this.#printNote(event.text)
        return this.#showBanner()
      case 'following':
        return undefined
      case 'state':
        return this.#set({ running: { status: event.state } })
    }
  }

  #output(stream: 'out' | 'err', text: string): void {
    const lines = (this.#partial[stream] + text).split('\n')
    this.#partial[stream] = lines.pop() ?? ''
    if (lines.length > 0) this.#ports.print(`${cleanOutput(lines.join('\n'))}\n`)
  }

  #flushPartial(): void {
    for (const stream of ['out', 'err'] as const) {
      if (this.#partial[stream] !== '') this.#ports.print(`${cleanOutput(this.#partial[stream])}\n`)
      this.#partial[stream] = ''
    }
  }

  #echo(text: string): void {
    this.#showBanner()
    const { columns } = this.#ports.size()
    const { prompt, known } = this.#state
    this.#ports.print(`${paintWhole(text, { prompt, columns, colours: this.#ports.colours, known })}\n`)
  }

  #print(text: string): void {
    this.#ports.print(`${cleanOutput(text)}\n`)
  }

  #printNote(text: string): void {
    this.#ports.print(`${this.#dim(cleanOutput(text))}\n`)
  }

  #printError(text: string): void {
    const [first = '', ...rest] = cleanOutput(text).split('\n')
    const red = this.#ports.colours ? `\u001b[31m${first}\u001b[0m` : first
    this.#ports.print(`${[red, ...rest].join('\n')}\n`)
  }

  #dim(text: string): string {
    return this.#ports.colours ? `\u001b[2m${text}\u001b[0m` : text
  }

  #set(change: Partial<ScreenState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }
}

function commonPrefix(a: string, b: string): string {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return a.slice(0, length)
}
