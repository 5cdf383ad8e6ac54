import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ResultBackend } from '../backends/result-backend.ts'
import { Control } from '../control/control.ts'
import { Mailbox } from '../control/mailbox.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { randomId, requestOrigin } from '../core/id.ts'
import { consoleLogger, type Logger, type LogLevel } from '../core/logger.ts'
import type { Message } from '../core/message.ts'
import type { Settings, SettingsInput } from '../core/settings.ts'
import type { SignatureData } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import type { TimeZone } from '../core/time-zone.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import type { EventSink } from '../events/event.ts'
import { LamportClock } from '../events/lamport.ts'
import type { CompressionRegistry } from '../serializers/compression.ts'
import type { ResultCodec } from '../serializers/result-codec.ts'
import type { Serializer, SerializerRegistry } from '../serializers/serializer.ts'
import { AppSettings, assertChangeable, type SettingDescription } from './app-settings.ts'
import { AsyncResult } from './async-result.ts'
import { builtInTasks } from './built-in-tasks.ts'
import { callerSite, type Site } from './call-site.ts'
import { Codecs, type SecurityOptions, securitySettings } from './codecs.ts'
import { Caller, type EagerRunner, type Lineage, type ManyCall } from './calling.ts'
import { Signature, taskData } from './canvas.ts'
import { type ConfigOptions, settingsFromEnvironment, settingsFromFile, settingsFromObject } from './config-source.ts'
import { Connections, type MemoryServer } from './connect.ts'
import { BoundTask, runInContext } from './context.ts'
import { defineExternal, defineTask } from './defining.ts'
import type { DefinitionArguments } from './definition.ts'
import { directContext } from './direct-call.ts'
import { type GroupResult, ResultSet } from './group-result.ts'
import { type EnsuredWorker, OwnWorker } from './own-worker.ts'
import type { PublishOptions } from './publish.ts'
import { Registry } from './registry.ts'
import type { Router } from './router.ts'
import type { Call, CallOptions } from './send.ts'
import { isSharedTask } from './shared-task.ts'
import type { AnyTask, BoundFunction, BoundParameters, Task, TaskFunction, TaskOptions } from './task.ts'

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
  readonly #mailbox: Mailbox
  readonly #settings: AppSettings
  readonly #caller: Caller
  readonly #worker: OwnWorker
  readonly #codecs: Codecs
  #events: Promise<EventSink> | undefined
  readonly #closers: (() => Promise<void>)[] = []

  constructor(main: string, options: TqOptions, parts: AppParts) {
    const { logger, clock, memory, ...settings } = options
    this.main = main
    this.#settings = new AppSettings(settings) // a mistyped setting fails here, not at the first call
    this.#caller = new Caller(this, () => parts.eagerRunner(this))
    this.#worker = new OwnWorker(this)
    this.#site = callerSite()
    for (const task of builtInTasks(this)) this.registry.addBuiltIn(task)
    this.file = this.#site?.file
    this.clock = clock ?? systemClock
    this.logger =
      logger ??
      consoleLogger(
        () => this.logLevel,
        () => this.clock.now(),
      )
    this.#codecs = new Codecs(() => this.settings, this.clock)
    this.origin = requestOrigin(process.pid)
    this.eager = this.settings.taskAlwaysEager
    this.connections = new Connections({
      settings: () => this.settings,
      resultCodec: () => this.resultCodec,
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
    return this.#settings.current
  }

  /** Where calls go, and the queues there are. */
  get router(): Router {
    return this.#settings.router
  }

  /** The zone of times in messages. */
  get zone(): TimeZone {
    return this.#settings.zone
  }

  /** json, yaml, msgpack, auth, and what is added with `register`. */
  get serializers(): SerializerRegistry {
    return this.#codecs.serializers
  }

  /** gzip, zstd, brotli, lzma, bzip2, and what is added with `register`. */
  get compressions(): CompressionRegistry {
    return this.#codecs.compressions
  }

  /** The form of stored results. */
  get resultCodec(): ResultCodec {
    return this.#codecs.results
  }

  /** What encodes events; undefined is JSON. Throws SettingError for an `eventSerializer` that nobody knows. */
  get eventSerializer(): Serializer | undefined {
    const { eventSerializer } = this.settings
    return eventSerializer === 'json' ? undefined : this.serializers.get(eventSerializer)
  }

  /**
   * From now on messages are signed, and only signed ones are run: sets `taskSerializer` and `acceptContent` to `auth`, beside what
   * is given. Throws SettingError where a key, certificate or store is missing, or once the app has connected.
   */
  setupSecurity(options: SecurityOptions = {}): this {
    return this.#configure(securitySettings(options, this.settings), 'setupSecurity()')
  }

  /** Changes settings. Throws SettingError once the app has connected: half of it would know only the old ones. */
  configure(settings: SettingsInput): this {
    return this.#configure(settings, 'configure()')
  }

  /** As `configure`, from an object whose keys may be Celery's, e.g. one that is shared with Python. */
  configFromObject(source: Readonly<Record<string, unknown>>, options: ConfigOptions = {}): this {
    return this.#configure(settingsFromObject(source, options), 'configFromObject()')
  }

  /** As `configure`, from a JSON, TypeScript or JavaScript file; the path is relative to the file that made the app. */
  configFromFile(file: string, options: ConfigOptions = {}): this {
    return this.#configure(settingsFromFile(file, this.file, options), file)
  }

  /** As `configure`, from environment variables such as `TQ_TASK_ACKS_LATE=true`. Nothing but the URLs is read from there unasked. */
  configFromEnvironment(namespace = 'TQ'): this {
    for (const { variable, input } of settingsFromEnvironment(process.env, namespace)) {
      this.#configure(input, `environment (${variable})`)
    }
    return this
  }

  #configure(settings: SettingsInput, origin: string): this {
    assertChangeable(this.main, this.connections.used)
    this.#settings.add(settings, origin)
    this.#codecs.reset()
    if (settings.taskAlwaysEager !== undefined) this.eager = settings.taskAlwaysEager
    return this
  }

  /** Every setting with its value, secrets masked, its default, and where it was set. Source: celery/app/utils.py, Settings.table. */
  describeSettings(): readonly SettingDescription[] {
    return this.#settings.describe(process.env)
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
  task(...given: DefinitionArguments): unknown {
    return defineTask(this, given, this.#site?.file)
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
    const task: unknown = defineExternal(this, name, options)
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

  /** The signature of a canvas that is data already, e.g. read from Python's dict. */
  canvas<R = unknown, H = AsyncResult<R>>(data: SignatureData): Signature<[], R, H> {
    return new Signature(this, data)
  }

  /** Encodes and publishes one call, or runs it here when the app is eager. */
  send<R>(call: Call): Promise<AsyncResult<R>> {
    return this.#caller.send(call)
  }

  /**
   * Sends many calls in few writes, over the one connection; results come in the order of the calls. Nothing is sent when one of
   * them cannot be encoded or routed. Rejects with OperationalError, which says how many were sent before the broker was lost.
   */
  sendMany<R = unknown>(calls: Iterable<ManyCall<R>>, options: PublishOptions = {}): Promise<AsyncResult<R>[]> {
    return this.#caller.sendMany(calls, options)
  }

  /** Sends a signature: a task or a canvas. `H` is the handle on what it gives. */
  sendSignature<H>(signature: SignatureData, options: CallOptions = {}): Promise<H> {
    return this.#caller.sendSignature(signature, options)
  }

  /** @internal What a worker sends after a task that has ended. */
  sendFollowing(signature: SignatureData, lineage: Lineage, steps?: readonly SignatureData[]): Promise<ResultRef> {
    return this.#caller.sendFollowing(signature, lineage, steps)
  }

  /** @internal Where results are kept, the eager ones while the app is eager. */
  resultBackend(): Promise<ResultBackend> {
    return this.#caller.backend()
  }

  /** @internal Puts a canvas in the place of the task that runs. */
  sendReplacement(replaced: Message, signature: SignatureData): Promise<void> {
    return this.#caller.sendReplacement(replaced, signature)
  }

  /** @internal Makes a canvas a part of the chord that the task which runs is a part of. */
  sendPart<H>(running: Message, signature: SignatureData): Promise<H> {
    return this.#caller.sendPart(running, signature)
  }

  /** A handle on a call that was sent before. */
  result<R = unknown>(id: string): AsyncResult<R> {
    return new AsyncResult<R>(this.#caller.source(), id)
  }

  /** A group's result that was saved with `GroupResult.save()`, here or by Python; undefined when there is none. */
  async restoreGroup<R = unknown>(id: string): Promise<GroupResult<R[]> | undefined> {
    const source = this.#caller.source()
    const group = await (await source.backend()).fetchGroup(id)
    return group && (source.resultOf(group) as GroupResult<R[]>) // a reference with members
  }

  /** Several results to be asked together. */
  resultSet<R>(results: Iterable<AsyncResult<R>> = []): ResultSet<R[]> {
    return new ResultSet<R[]>(this.#caller.source(), results)
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
        serializer: this.eventSerializer,
      })
    })
    return this.#events
  }

  // --- workers and the end ------------------------------------------------------------------------------------------

  /**
   * On an embedded broker: sees to it that a worker consumes `queue`, starting one as a child process where none does.
   * Elsewhere nothing is started. Rejects with LoadError when the started worker ends at once.
   */
  ensureWorker(queue: string = this.settings.taskDefaultQueue): Promise<EnsuredWorker> {
    return this.#worker.ensure(queue)
  }

  /** What a worker consumes that is told nothing else: `taskQueues`, or the default queue and those that tasks name. */
  workerQueues(): readonly string[] {
    const { names } = this.router.queues
    if (this.settings.taskQueues !== undefined) return names
    return [...new Set([...names, ...this.tasks().flatMap((task) => task.definition.options.queue ?? [])])]
  }

  /** Has `close` call this first, newest first. */
  onClose(fn: () => Promise<void>): void {
    this.#closers.push(fn)
  }

  /** Ends everything that this app opened or started. Idempotent. */
  async close(): Promise<void> {
    for (let closer = this.#closers.pop(); closer; closer = this.#closers.pop()) await closer()
    const events = this.#events
    this.#events = undefined
    await this.#caller.close()
    await (await events?.catch(() => undefined))?.close()
    await this.#mailbox.close()
    await this.connections.close()
    await this.#worker.stop()
  }
}
