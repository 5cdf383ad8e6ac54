import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Control } from '../control/control.ts'
import { Mailbox } from '../control/mailbox.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { randomId, requestOrigin } from '../core/id.ts'
import { consoleLogger, type Logger, type LogLevel, type WorkerLog } from '../core/logger.ts'
import type { Settings, SettingsInput } from '../core/settings.ts'
import { type ConnectOptions, SignalHub, type SignalListener } from '../core/signals.ts'
import type { TaskAnnotations } from '../core/task-annotations.ts'
import type { TimeZone } from '../core/time-zone.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import type { EventSink } from '../events/event.ts'
import { LamportClock } from '../events/lamport.ts'
import type { CompressionRegistry } from '../serializers/compression.ts'
import type { ResultCodec } from '../serializers/result-codec.ts'
import type { Serializer, SerializerRegistry } from '../serializers/serializer.ts'
import { AppLogger } from './app-logger.ts'
import { AppSettings, assertChangeable, type SettingDescription } from './app-settings.ts'
import { callerSite } from './call-site.ts'
import { Codecs, type SecurityOptions, securitySettings } from './codecs.ts'
import { type ConfigOptions, settingsFromEnvironment, settingsFromFile, settingsFromObject } from './config-source.ts'
import { Connections } from './connect.ts'
import type { CustomDrivers } from './custom-driver.ts'
import type { MemoryServer } from './open-driver.ts'
import type { Router } from './router.ts'
import type { Signals } from './signals.ts'
import type { TaskClass } from './task-class.ts'
import type { TaskOptions } from './task-options.ts'

/** Marks an app across two copies of the package. */
export const appBrand: unique symbol = Symbol.for('tq.App')

/** What an app is made with: settings, and the few things that are not settings. */
export type TqOptions = AppSettingsInput & {
  /** Default: warnings and errors on stderr. */
  readonly logger?: Logger | undefined
  /** Default: the system's. Tests give a virtual one. */
  readonly clock?: Clock | undefined
  /** Shares one `memory://` server between apps of a process: `createMemoryServer()` of tq-runtime/testing. */
  readonly memory?: MemoryServer | undefined
  /** Brokers and result backends of your own, by the scheme of their URLs; they win over tq's. */
  readonly drivers?: CustomDrivers | undefined
  /** Base class of the tasks that name none with their option `base`. */
  readonly taskCls?: TaskClass | undefined
}

/** Settings as an app takes them: it knows what options tasks have. */
export type AppSettingsInput = Omit<SettingsInput, 'taskAnnotations'> & {
  readonly taskAnnotations?: TaskAnnotations<TaskOptions> | undefined
}

/** What an app stands on: its settings and what they name (codecs, routes, connections), its logger, signals and events. */
export class AppCore {
  readonly [appBrand] = true
  /** Name of the app and first word of automatic task names. */
  readonly main: string
  readonly clock: Clock
  /** Stays the same object for as long as the app lives; see `useLogger`. */
  readonly logger: Logger
  readonly connections: Connections
  /** Logical time of this process, shared by its events and remote control. */
  readonly lamport = new LamportClock()
  readonly control: Control
  /** Where the parts of the app tell what happens; listen with `on`. */
  readonly signals: SignalHub<Signals>
  /** Base class of every task that names none. */
  readonly taskCls: TaskClass | undefined
  /** The logger is not tq's: nobody but its owner sets it up. */
  hasOwnLogger: boolean
  /** Name of this process as a sender. */
  readonly origin: string
  /** Where `rpc` results of this process would go. */
  readonly replyTo: string = randomId()
  /** The file that made the app, where it was made in a file; the loader sets it where it knows better. */
  file: string | undefined
  /** From which level on the default logger writes; a logger of your own decides for itself. */
  logLevel: LogLevel = 'warn'
  /** Where a worker of this app logs, for tasks to see; undefined is stderr. */
  logFile: string | undefined
  /** Where a worker of this process logs, once it has set logging up. */
  workerLog: WorkerLog | undefined
  /** Calls run here through the worker's own executor instead of being sent. */
  eager: boolean
  readonly #mailbox: Mailbox
  readonly #settings: AppSettings
  readonly #codecs: Codecs
  readonly #logger: AppLogger
  #events: Promise<EventSink> | undefined

  constructor(main: string, options: TqOptions) {
    const { logger, clock, memory, taskCls, drivers, ...settings } = options
    this.main = main
    this.#settings = new AppSettings(settings) // a mistyped setting fails here, not at the first call
    this.taskCls = taskCls
    this.file = callerSite()?.file
    this.clock = clock ?? systemClock
    this.hasOwnLogger = logger !== undefined
    this.#logger = new AppLogger(
      logger ??
        consoleLogger(
          () => this.logLevel,
          () => this.clock.now(),
        ),
    )
    this.logger = this.#logger
    this.signals = new SignalHub((signal, error) =>
      this.logger.error(`A listener of ${signal} threw; everything goes on without it.`, { error }),
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
      drivers,
    })
    this.#mailbox = new Mailbox({
      transport: () => this.connections.transport(),
      clock: this.clock,
      lamport: this.lamport,
      logger: this.logger,
    })
    this.control = new Control(this.#mailbox)
  }

  /**
   * Listens to a signal, e.g. `app.on('taskFailure', ({ sender, exception }) => …)`; returns what ends that. `sender` limits it to one
   * task (or worker), or a glob of them. Listeners run in the order in which they were connected; asynchronous ones are awaited. What
   * one throws is logged.
   */
  on<K extends keyof Signals>(
    signal: K,
    listener: SignalListener<Signals[K]>,
    options: ConnectOptions = {},
  ): () => void {
    return this.signals.connect(signal, listener, options)
  }

  /** From now on everything that this app logs goes there. */
  useLogger(logger: Logger): void {
    this.#logger.use(logger)
    this.hasOwnLogger = true
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
  configure(settings: AppSettingsInput): this {
    return this.#configure(settings, 'configure()')
  }

  /** @internal As `configure`, until what it returns is called; that throws as `configure` does. */
  configureForNow(settings: AppSettingsInput): () => void {
    const { eager } = this
    const restore = this.#settings.keep()
    this.configure(settings)
    return () => {
      assertChangeable(this.main, this.connections.used)
      restore()
      this.#codecs.reset()
      this.eager = eager
    }
  }

  /**
   * Settings for which nothing else says anything, wherever it is said; of several the later ones win. For libraries that bring
   * tasks. Throws as `configure` does. Source: celery/app/base.py, Celery.add_defaults.
   */
  addDefaults(settings: AppSettingsInput): this {
    assertChangeable(this.main, this.connections.used)
    this.#settings.addDefaults(settings)
    this.#codecs.reset()
    this.eager = this.settings.taskAlwaysEager
    return this
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

  /** Where this process puts its own events: on when `taskSendSentEvent` is. */
  events(): Promise<EventSink> {
    this.#events ??= this.#openEvents().catch((error: unknown) => {
      this.#events = undefined // the next call tries again
      throw error
    })
    return this.#events
  }

  async #openEvents(): Promise<EventSink> {
    const transport = await this.connections.transport()
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
  }

  /** Ends everything that this app opened. Idempotent. */
  async close(): Promise<void> {
    const events = this.#events
    this.#events = undefined
    await (await events?.catch(() => undefined))?.close()
    await this.#mailbox.rest()
    await this.connections.close()
  }
}
