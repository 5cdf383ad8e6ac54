import { asCli, taskCall } from './as-cli.ts'
import { complete } from './complete.ts'
import { describe } from './describe.ts'
import { EngineWorker } from './engine-worker.ts'
import { type Evaluated, Evaluator } from './evaluator.ts'
import { type Followed, follow, isFollowable, type ReplApp } from './follow.ts'
import { foreignFolders, nearestPackage } from './folders.ts'
import { previewOf } from './preview.ts'
import { printError, printValue, printWhole } from './print.ts'
import { projectModules, type ProjectModules } from './project.ts'
import type { Answers, Counts, EngineEvent, EvalAnswer, EvalError, Ready, Request, StartOptions } from './protocol.ts'
import { runInput } from './run-input.ts'
import { bindGlobals, taskLines } from './scope.ts'
import { translate } from './translate.ts'

export interface EnginePorts {
  readonly send: (message: EngineEvent | { readonly id: number }) => void
  readonly counts: () => Counts
  readonly end: (code: number) => void
}

/** What `loadApp` of tq-runtime/loader gives; structural, because the project may hold its own copy. */
interface LoadedApp {
  readonly app: ReplApp
  readonly file: string
  readonly projectFolder: string
  readonly failures: readonly { readonly file: string; readonly line?: number | undefined; readonly message: string }[]
  readonly exports?: Readonly<Record<string, unknown>> | undefined
}

type EvalRequest = Extract<Request, { op: 'eval' }>

const stateAfterMs = 300
/** The worker's start waits until the prompt stands: both take a processor. */
const promptFirstMs = 150

/** The REPL without its screen: evaluates inputs one after the other, follows results, prints them to text. */
export class Engine {
  readonly #ports: EnginePorts
  readonly #evaluator = new Evaluator()
  readonly #foreign = foreignFolders()
  #modules: ProjectModules | undefined
  #projectFolder = process.cwd()
  #started: Promise<Ready> | undefined
  #loaded: LoadedApp | undefined
  #bound: readonly string[] = []
  readonly #worker: EngineWorker
  #inputs = 0
  #lastValue: unknown
  #lastError: unknown
  #lastCall = ''
  /** The input that is being evaluated: how to give it up, and what it awaits. */
  #current: { readonly id: number; readonly abort: AbortController } | undefined

  constructor(ports: EnginePorts) {
    this.#ports = ports
    this.#worker = new EngineWorker(() => this.#loaded?.app, ports.send)
  }

  /** To be called when the process exits, for whatever reason. */
  disconnect(): void {
    this.#evaluator.disconnect()
  }

  /** Answers one request. Never rejects. */
  async handle(request: Request): Promise<void> {
    if (request.op === 'interrupt') {
      if (this.#current?.id === request.target) this.#current.abort.abort()
      return
    }
    try {
      this.#ports.send({ ...(await this.#answer(request)), id: request.id })
    } catch (error) {
      const text = this.#errorText(error, false)
      if (request.op !== 'eval') this.#ports.send({ event: 'note', text })
      this.#ports.send({
        id: request.id,
        ...(request.op === 'eval' ? { error: { kind: 'throw', text }, ...this.#state(0) } : {}),
      })
    }
    if (request.op === 'close') setImmediate(() => this.#ports.end(0))
  }

  report(event: 'unhandledRejection' | 'uncaughtException', error: unknown): void {
    this.#lastError = error
    this.#ports.send({ event, text: this.#errorText(error, false), counts: this.#ports.counts() })
  }

  async #answer(request: Exclude<Request, { op: 'interrupt' }>): Promise<Answers[keyof Answers]> {
    if (request.op === 'start') {
      this.#started = this.#start(request.options)
      // Loads Node's TypeScript parser while the first input is typed.
      setImmediate(() => void this.#started?.then(() => this.#check('0')).catch(() => undefined))
      return this.#started
    }
    if (request.op === 'check') return { state: await this.#check(request.code) }
    await this.#started
    switch (request.op) {
      case 'eval':
        return this.#evaluate(request)
      case 'preview':
        return { text: await previewOf(this.#evaluator, request.code, request.width) }
      case 'complete':
        return complete(this.#evaluator, request.code, request.at, this.#bound)
      case 'describe':
        return {
          text: await describe(request.name, {
            evaluator: this.#evaluator,
            tasks: this.#tasks(),
            projectFolder: this.#projectFolder,
          }),
        }
      case 'tasks':
        return { tasks: this.#tasks() }
      case 'eager':
        return this.#worker.setEager(request.on)
      case 'worker':
        return this.#worker.ask()
      case 'full':
        return { text: printWhole(this.#lastValue, request.colours) }
      case 'trace':
        return { text: this.#lastError === undefined ? 'No error yet.' : this.#errorText(this.#lastError, true) }
      case 'asCli':
        return asCli(this.#lastCall, this.#evaluator)
      case 'close':
        await this.#loaded?.app.close().catch(() => undefined)
        return {}
    }
  }

  // --- starting -------------------------------------------------------------------------------------------------------

  async #start(options: StartOptions): Promise<Ready> {
    process.chdir(options.cwd)
    process.argv = [process.execPath, 'repl']
    this.#projectFolder = nearestPackage(options.cwd)
    const notes: string[] = []
    if (options.loadApp) await this.#load(options, notes)
    this.#modules = projectModules(this.#projectFolder)
    this.#evaluator.provide('import', this.#modules.import)
    this.#evaluator.provide('meta', this.#modules.meta)
    Object.defineProperty(globalThis, 'require', { value: this.#modules.require, configurable: true, writable: true })
    if (this.#loaded !== undefined) await this.#bindScope(this.#loaded)
    const app = this.#loaded?.app
    if (app !== undefined && options.eager) app.eager = true
    if (app !== undefined && !options.eager && options.worker === 'now')
      setTimeout(() => void this.#worker.see(), promptFirstMs)
    return {
      app: app?.main,
      file: this.#loaded?.file,
      projectFolder: this.#projectFolder,
      broker: app?.brokerName() ?? '',
      tasks: this.#tasks(),
      eager: app?.eager ?? false,
      notes,
      failed: options.loadApp && options.app !== undefined && app === undefined,
    }
  }

  async #load(options: StartOptions, notes: string[]): Promise<void> {
    try {
      const loader: unknown = await import(options.loader ?? 'tq-runtime/loader')
      // The published contract of tq-runtime/loader.
      const contract = loader as { loadApp(o: { app?: string | undefined; cwd: string }): Promise<LoadedApp> }
      const loaded = await contract.loadApp({
        ...(options.app === undefined ? {} : { app: options.app }),
        cwd: options.cwd,
      })
      this.#loaded = loaded
      this.#projectFolder = loaded.projectFolder
      for (const failure of loaded.failures) {
        notes.push(`${failure.file}${failure.line === undefined ? '' : `:${failure.line}`}: ${failure.message}`)
      }
    } catch (error) {
      this.#lastError = error
      notes.push(error instanceof Error ? error.message : String(error))
    }
  }

  /** Tasks under their export names, what tq exports (`chain`, `group`, …), and the app. */
  async #bindScope(loaded: LoadedApp): Promise<void> {
    const library: unknown = await this.#modules?.import('tq-runtime').catch(() => undefined)
    if (typeof library === 'object' && library !== null) bindGlobals({ ...library })
    this.#bound = bindGlobals({ ...loaded.exports, app: loaded.app })
  }

  // --- evaluating -----------------------------------------------------------------------------------------------------

  async #evaluate(request: EvalRequest): Promise<Omit<EvalAnswer, 'id'>> {
    const started = performance.now()
    const ms = (): number => performance.now() - started
    const wrong = (error: EvalError): Omit<EvalAnswer, 'id'> => ({ error, ...this.#state(ms()) })
    const input = await translate(request.code, { lowerDecorators: this.#modules?.lowerDecorators() })
    if (input.kind === 'unfinished') return { incomplete: true }
    if (input.kind === 'wrong') return wrong({ ...input, kind: 'syntax' })
    if (input.empty) return { text: '', type: 'undefined', ...this.#state(ms()) }
    if (/[.](?:delay|applyAsync)\s*\(/u.test(request.code)) void this.#worker.see()
    if (taskCall.test(request.code)) this.#lastCall = request.code
    const current = { id: request.id, abort: new AbortController() }
    this.#current = current
    try {
      const evaluated = await runInput(this.#evaluator, input.js, ++this.#inputs, current.abort.signal)
      if (evaluated.kind === 'terminated') return wrong({ kind: 'interrupted', text: 'interrupted' })
      if (evaluated.kind === 'thrown') return wrong(this.#thrown(evaluated))
      const value = evaluated.value
      if (isFollowable(value)) {
        this.#remember('_', value)
        this.#remember('_r', value)
        if (input.follow) return await this.#follow(request, value, current.abort.signal, ms)
        return { ...this.#shown(value, request), unfollowed: value.id, ...this.#state(ms()) }
      }
      if (value !== undefined) this.#remember('_', value)
      return { ...this.#shown(value, request), ...this.#state(ms()) }
    } finally {
      if (this.#current === current) this.#current = undefined
    }
  }

  async #follow(
    request: EvalRequest,
    result: Parameters<typeof follow>[0],
    signal: AbortSignal,
    ms: () => number,
  ): Promise<Omit<EvalAnswer, 'id'>> {
    const eager = this.#loaded?.app.eager ?? false
    this.#ports.send({ event: 'following', id: request.id, taskId: result.id })
    if (!eager) void this.#worker.see()
    const onState = (state: string): void => this.#ports.send({ event: 'state', id: request.id, state })
    const followed: Followed = await follow(result, { signal, onState, stateAfterMs })
    if (followed.kind === 'left') {
      const error: EvalError = { kind: 'interrupted', text: `The task goes on: await _ follows it again.` }
      return { error, ...this.#state(ms()), followed: { taskId: result.id, eager } }
    }
    const note = { taskId: result.id, eager, worker: followed.worker, simulated: result.eager }
    if (followed.kind === 'value')
      return { ...this.#shown(followed.value, request), ...this.#state(ms()), followed: note }
    this.#remember('_error', followed.error)
    this.#lastError = followed.error
    const error: EvalError = { kind: 'task', text: this.#errorText(followed.error, false) }
    return { error, ...this.#state(ms()), followed: note }
  }

  #thrown(evaluated: Extract<Evaluated, { kind: 'thrown' }>): EvalError {
    const { error } = evaluated
    this.#remember('_error', error)
    this.#lastError = error
    const place = /\brepl:\d+:(\d+):(\d+)/u.exec(error instanceof Error ? (error.stack ?? '') : '')
    return {
      kind: evaluated.compiling ? 'syntax' : 'throw',
      text: this.#errorText(error, false),
      ...(place === null ? {} : { line: Number(place[1]), column: Number(place[2]) }),
    }
  }

  #shown(
    value: unknown,
    request: EvalRequest,
  ): { readonly text: string; readonly type: string; readonly cut: boolean } {
    this.#lastValue = value
    return { ...printValue(value, request), type: value === null ? 'null' : typeof value }
  }

  #state(ms: number): { readonly ms: number; readonly counts: Counts; readonly bindings: number } {
    return { ms, counts: this.#ports.counts(), bindings: this.#evaluator.lexicalNames().length }
  }

  #remember(name: '_' | '_r' | '_error', value: unknown): void {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false })
  }

  #errorText(error: unknown, whole: boolean): string {
    const options = { colours: false, projectFolder: this.#projectFolder, foreignFolders: this.#foreign, whole }
    return printError(error, options)
  }

  async #check(code: string): Promise<'finished' | 'unfinished' | 'wrong'> {
    const { kind } = await translate(code, { lowerDecorators: (lowered) => lowered })
    return kind === 'ready' ? 'finished' : kind
  }

  // --- commands -------------------------------------------------------------------------------------------------------

  #tasks(): ReturnType<typeof taskLines> {
    if (this.#loaded === undefined) return []
    return taskLines(this.#loaded.app.tasks(), this.#loaded.exports ?? {}, this.#projectFolder)
  }
}
