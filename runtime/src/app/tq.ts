import { dirname, join } from 'node:path'
import { existsSync, realpathSync } from 'node:fs'
import type { ResultBackend } from '../backends/result-backend.ts'
import { Control } from '../control/control.ts'
import { Mailbox } from '../control/mailbox.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { SettingError, TaskNameError } from '../core/errors.ts'
import { randomId, requestOrigin, taskId } from '../core/id.ts'
import { consoleLogger, type Logger, type LogLevel } from '../core/logger.ts'
import { resolveSettings, type Settings, type SettingsInput } from '../core/settings.ts'
import { type SignatureData, withOptions } from '../core/signature.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import type { EventSink } from '../events/event.ts'
import { LamportClock } from '../events/lamport.ts'
import { jsonSerializer } from '../serializers/json.ts'
import { SerializerRegistry } from '../serializers/serializer.ts'
import { AsyncResult, type ResultSource, type RevokeOptions } from './async-result.ts'
import { callerSite, type Site } from './call-site.ts'
import { freezeChain, Signature, taskData } from './canvas.ts'
import { Connections, type MemoryServer } from './connect.ts'
import { BoundTask, currentContext, runInContext } from './context.ts'
import { directContext } from './direct-call.ts'
import type { EphemeralWorker } from './ephemeral-worker.ts'
import { readDefinition } from './definition.ts'
import { Registry } from './registry.ts'
import { isSharedTask } from './shared-task.ts'
import { type Call, type CallOptions, callOf, dataOf, emitSent, type Prepared, prepare, publish } from './send.ts'
import {
  type AnyTask,
  type BoundFunction,
  type BoundParameters,
  makeTask,
  type Task,
  type TaskFunction,
  type TaskOptions,
} from './task.ts'
import { autoName } from './task-name.ts'

/** Marks an app across two copies of the package. */
export const appBrand: unique symbol = Symbol.for('tq.App')

/** What an app is made with: settings, and the few things that are not settings. */
export type TqOptions = SettingsInput & {
  /** Default: warnings and errors on stderr. */
  readonly logger?: Logger | undefined
  /** Default: the system's. Tests give a virtual one. */
  readonly clock?: Clock | undefined
  /** Shares one `memory://` server between apps of a process: `createMemoryServer()` of tq-runtime/testing. */
  readonly memory?: MemoryServer | undefined
}

/** How calls run here instead of being sent. Given by the package's index, so that this floor does not reach up. */
export interface EagerRunner {
  /** Runs it and all that follows from it; resolves when it has ended, or at once for what another eager task sends. */
  run(prepared: Prepared, options: { readonly wait: boolean }): Promise<EagerRun>
  backend(): Promise<ResultBackend>
  close(): Promise<void>
}

export interface EagerRun {
  /** What a task ended with that failed; undefined otherwise and where nobody waited. */
  readonly error: Error | undefined
  /** Runs it took, retries included; 0 where nobody waited. */
  readonly attempts: number
  /** Virtual ms that its ETA and retries would have taken. */
  readonly simulatedMs: number
}

/** What the floors above give an app. */
export interface AppParts {
  eagerRunner(app: TqApp): Promise<EagerRunner>
}

/**
 * One application: its tasks, settings and connections. Nothing is connected before the first use; `close()` ends all of it.
 * The package's `Tq` adds what stands on higher floors (workers).
 */
export class TqApp {
  readonly [appBrand] = true
  /** Name of the app and first word of automatic task names. */
  readonly main: string
  readonly registry = new Registry()
  readonly clock: Clock
  readonly logger: Logger
  readonly connections: Connections
  /** Logical time of this process, shared by its events and remote control. */
  readonly lamport = new LamportClock()
  readonly control: Control
  /** Name of this process as a sender. */
  readonly origin: string
  /** Where `rpc` results of this process would go. */
  readonly replyTo: string = randomId()
  /** The file that made the app, where it was made in a file; the loader sets it where it knows better. */
  file: string | undefined
  /** From which level on the default logger writes; a logger of your own decides for itself. */
  logLevel: LogLevel = 'warn'
  /** Globs given to `autodiscoverTasks`. */
  readonly discovered: string[] = []
  /** Calls run here through the worker's own executor instead of being sent. */
  eager: boolean
  readonly #site: Site | undefined
  readonly #parts: AppParts
  readonly #mailbox: Mailbox
  readonly #inputs: SettingsInput[]
  #settings: Settings
  #serializers: SerializerRegistry | undefined
  #events: Promise<EventSink> | undefined
  #runner: Promise<EagerRunner> | undefined
  #worker: Promise<EphemeralWorker> | undefined
  readonly #closers: (() => Promise<void>)[] = []

  constructor(main: string, options: TqOptions, parts: AppParts) {
    const { logger, clock, memory, ...settings } = options
    this.main = main
    this.#inputs = [settings]
    this.#parts = parts
    this.#site = callerSite()
    this.file = this.#site?.file
    this.clock = clock ?? systemClock
    this.logger =
      logger ??
      consoleLogger(
        () => this.logLevel,
        () => this.clock.now(),
      )
    this.origin = requestOrigin(process.pid)
    this.#settings = resolveSettings(...this.#inputs) // a mistyped setting fails here, not at the first call
    this.eager = this.#settings.taskAlwaysEager
    this.connections = new Connections({
      settings: () => this.settings,
      clock: this.clock,
      logger: this.logger,
      hostname: this.origin,
      projectFolder: () => this.projectFolder(),
      env: process.env,
      memory,
    })
    this.#mailbox = new Mailbox({
      transport: () => this.connections.transport(),
      clock: this.clock,
      lamport: this.lamport,
      logger: this.logger,
    })
    this.control = new Control(this.#mailbox)
  }

  get settings(): Settings {
    return this.#settings
  }

  get serializers(): SerializerRegistry {
    const { acceptContent, jsonStyle } = this.#settings
    this.#serializers ??= new SerializerRegistry(acceptContent, [jsonSerializer({ style: jsonStyle })])
    return this.#serializers
  }

  /** Changes settings. Throws SettingError once the app has connected: half of it would know only the old ones. */
  configure(settings: SettingsInput): this {
    if (this.connections.used) {
      throw new SettingError(`App '${this.main}' is connected already: call configure() before the first task is sent.`)
    }
    this.#inputs.push(settings)
    this.#settings = resolveSettings(...this.#inputs)
    this.#serializers = undefined
    if (settings.taskAlwaysEager !== undefined) this.eager = settings.taskAlwaysEager
    return this
  }

  /** Folder of the package.json nearest to the app's real file; undefined for an app made outside any file. */
  projectFolder(): string | undefined {
    if (this.file === undefined || !existsSync(this.file)) return undefined
    const start = dirname(realpathSync(this.file))
    for (let folder = start; ; folder = dirname(folder)) {
      if (existsSync(join(folder, 'package.json'))) return folder
      if (dirname(folder) === folder) return start
    }
  }

  /** `embedded`, or the broker's URL without its password. */
  brokerName(): string {
    return this.connections.brokerName()
  }

  // --- defining -----------------------------------------------------------------------------------------------------

  /** Defines a task. Throws DuplicateTaskError, or TaskNameError where no name is given and none can be derived. */
  task<F extends TaskFunction>(name: string, fn: F): Task<Parameters<F>, ReturnType<F>>
  task<F extends BoundFunction>(
    name: string,
    options: TaskOptions & { readonly bind: true },
    fn: F,
  ): Task<BoundParameters<F>, ReturnType<F>>
  task<F extends TaskFunction>(
    name: string,
    options: TaskOptions & { readonly bind?: false | undefined },
    fn: F,
  ): Task<Parameters<F>, ReturnType<F>>
  task<F extends TaskFunction>(fn: F): Task<Parameters<F>, ReturnType<F>>
  task<F extends BoundFunction>(
    options: TaskOptions & { readonly bind: true },
    fn: F,
  ): Task<BoundParameters<F>, ReturnType<F>>
  task<F extends TaskFunction>(
    options: TaskOptions & { readonly bind?: false | undefined },
    fn: F,
  ): Task<Parameters<F>, ReturnType<F>>
  task(...given: readonly (string | TaskOptions | TaskFunction)[]): unknown {
    const site = callerSite()
    const { name, options, fn } = readDefinition(given)
    const task = makeTask({ name: name ?? this.#autoName(site, fn), fn, options, site, external: false }, () => this)
    this.registry.register(task)
    return task
  }

  #autoName(site: Site | undefined, fn: TaskFunction): string {
    if (this.settings.taskNames === 'explicit') {
      throw new TaskNameError(
        `App '${this.main}' allows explicit task names only (taskNames: 'explicit'): write app.task('${this.main}.${fn.name || 'name'}', ...).`,
      )
    }
    return autoName(this.main, this.#site?.file, site?.file, fn.name)
  }

  /** A task that is implemented elsewhere: `app.external<typeof add>('math.add')`, or with a function type for Python's. */
  external<F extends TaskFunction | AnyTask>(
    name: string,
    options: TaskOptions = {},
  ): F extends Task<infer A, infer R>
    ? Task<A, R>
    : F extends TaskFunction
      ? Task<Parameters<F>, ReturnType<F>>
      : never {
    const fn = (): never => {
      throw new TypeError(`Task '${name}' is implemented elsewhere and cannot be called here; use delay().`)
    }
    const task: unknown = makeTask({ name, fn, options, site: callerSite(), external: true }, () => this)
    return task as ReturnType<typeof this.external<F>> // the caller's word: there is no implementation to infer from
  }

  /** Adopts the shared tasks among a module's exports. */
  use(module: Readonly<Record<string, unknown>>): void {
    for (const value of Object.values(module)) {
      if (isSharedTask(value)) this.registry.register(value.adopt(this))
    }
  }

  /** Adds a glob of task modules, relative to the app's file, to those that the loader imports. */
  autodiscoverTasks(pattern = './**/tasks{,/**/*}.{ts,js}'): void {
    this.discovered.push(pattern)
  }

  /** The registered tasks, by name. */
  tasks(): readonly AnyTask[] {
    return this.registry.names().map((name) => this.registry.require(name))
  }

  // --- calling ------------------------------------------------------------------------------------------------------

  /** Sends a call by name; nothing of the task needs to be known here. */
  sendTask<R = unknown>(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Readonly<Record<string, unknown>> = {},
    options: CallOptions = {},
  ): Promise<AsyncResult<R>> {
    return this.send<R>({ task: name, args, options: { ...options, kwargs } })
  }

  /** A signature by name: what `add.s(...)` makes. */
  signature(
    name: string,
    args: readonly unknown[] = [],
    options: { readonly immutable?: boolean; readonly kwargs?: Readonly<Record<string, unknown>> } = {},
  ): Signature<never[], unknown> {
    return new Signature(this, taskData(name, args, { immutable: options.immutable ?? false, kwargs: options.kwargs }))
  }

  /** Encodes and publishes one call, or runs it here when the app is eager. */
  async send<R>(call: Call): Promise<AsyncResult<R>> {
    const definition = call.definition ?? this.registry.get(call.task)?.definition
    const prepared = prepare(this, { ...call, definition })
    currentContext()?.children.push({ id: prepared.message.id })
    if (this.eager) return this.#runEager<R>(prepared, call.following !== true && currentContext() === undefined)
    await publish(this, [prepared], call.options)
    await emitSent(this, prepared)
    return new AsyncResult<R>(this.#source(), prepared.message.id)
  }

  async #runEager<R>(prepared: Prepared, wait: boolean): Promise<AsyncResult<R>> {
    const runner = await this.#eagerRunner()
    const { error, attempts, simulatedMs } = await runner.run(prepared, { wait })
    if (error && this.settings.taskEagerPropagates) throw error
    const source = { ...this.#source(), backend: () => runner.backend() }
    return new AsyncResult<R>(source, prepared.message.id, undefined, { attempts, simulatedMs })
  }

  /** Sends a signature: a task, or a chain with its later steps frozen. */
  async sendSignature<R>(signature: SignatureData, options: CallOptions = {}): Promise<AsyncResult<R>> {
    if (signature.kind === 'task') return this.send<R>(callOf(signature, options))
    if (signature.kind !== 'chain') {
      throw new TypeError(`A ${signature.kind} cannot be sent yet; tasks and chains can.`)
    }
    const { taskId: id, link, linkError, ...rest } = options
    const laid = withOptions(signature, {
      ...(id === undefined ? {} : { taskId: id }),
      link: [...(signature.options.link ?? []), ...dataOf(link)],
      linkError: [...(signature.options.linkError ?? []), ...dataOf(linkError)],
    })
    const frozen = freezeChain(laid, () => taskId(this.clock.now()), this.replyTo)
    await this.send({ ...callOf(frozen.first, rest), chain: frozen.rest })
    let result: AsyncResult<unknown> | undefined
    for (const step of frozen.ids) result = new AsyncResult(this.#source(), step, result)
    return result as AsyncResult<R> // a chain has at least one step
  }

  /** A handle on a call that was sent before. */
  result<R = unknown>(id: string): AsyncResult<R> {
    return new AsyncResult<R>(this.#source(), id)
  }

  #source(): ResultSource {
    return {
      clock: this.clock,
      backend: async () => (this.eager ? (await this.#eagerRunner()).backend() : this.connections.backend()),
      revoke: (id: string, options: RevokeOptions) => this.control.revoke(id, options),
      explainWaiting: (id) => {
        void this.#explainWaiting(id)
      },
    }
  }

  async #explainWaiting(id: string): Promise<void> {
    const transport = await this.connections.transport()
    const queue = this.settings.taskDefaultQueue
    const { consumers } = await transport.queueInfo(queue)
    if (consumers !== 0) return
    this.logger.warn(
      `Waiting for task ${id}, but no worker consumes queue '${queue}' on ${this.brokerName()}. Start one: tq worker`,
    )
  }

  /** `add(2, 2)`: the function itself, with a context of its own when it is bound. */
  callDirectly(task: AnyTask, args: readonly never[]): unknown {
    const { fn, options } = task.definition
    if (!options.bind) return fn(...args)
    const context = directContext(this, task, args)
    return runInContext(context, () => fn(new BoundTask(context) as never, ...args))
  }

  /** Where this process puts its own events: on when `taskSendSentEvent` is. */
  events(): Promise<EventSink> {
    this.#events ??= this.connections.transport().then((transport) => {
      const { taskSendSentEvent } = this.settings
      return new EventDispatcher({
        transport,
        hostname: this.origin,
        pid: process.pid,
        clock: this.clock,
        lamport: this.lamport,
        logger: this.logger,
        enabled: taskSendSentEvent === 'auto' ? transport.features.embedded : taskSendSentEvent,
      })
    })
    return this.#events
  }

  #eagerRunner(): Promise<EagerRunner> {
    this.#runner ??= this.#parts.eagerRunner(this)
    return this.#runner
  }

  // --- workers and the end ------------------------------------------------------------------------------------------

  /**
   * On an embedded broker: sees to it that a worker consumes `queue`, starting one as a child process where none does.
   * Elsewhere nothing is started. Rejects with LoadError when the started worker ends at once.
   */
  async ensureWorker(
    queue: string = this.settings.taskDefaultQueue,
  ): Promise<{ started: boolean; hostname: string | undefined }> {
    if (!this.connections.embedded) return { started: false, hostname: undefined }
    const transport = await this.connections.transport()
    if (this.#worker) return { started: false, hostname: (await this.#worker).hostname }
    const { consumers } = await transport.queueInfo(queue)
    if (consumers !== 0) return { started: false, hostname: undefined }
    if (this.file === undefined) return { started: false, hostname: undefined }
    const own = new Set([this.settings.taskDefaultQueue])
    for (const task of this.tasks()) if (task.definition.options.queue) own.add(task.definition.options.queue)
    const { file } = this
    const options = {
      cwd: this.projectFolder() ?? process.cwd(),
      queues: own.has(queue) ? undefined : [...own, queue],
    }
    this.#worker = import('./ephemeral-worker.ts').then((module) => module.startEphemeralWorker(file, options))
    this.#worker.catch(() => {
      this.#worker = undefined
    })
    return { started: true, hostname: (await this.#worker).hostname }
  }

  /** Has `close` call this first, newest first. */
  onClose(fn: () => Promise<void>): void {
    this.#closers.push(fn)
  }

  /** Ends everything that this app opened or started. Idempotent. */
  async close(): Promise<void> {
    for (let closer = this.#closers.pop(); closer; closer = this.#closers.pop()) await closer()
    const [worker, runner, events] = [this.#worker, this.#runner, this.#events]
    this.#worker = undefined
    this.#runner = undefined
    this.#events = undefined
    await (await runner)?.close()
    await (await events?.catch(() => undefined))?.close()
    await this.#mailbox.close()
    await this.connections.close()
    await (await worker?.catch(() => undefined))?.stop()
  }
}
