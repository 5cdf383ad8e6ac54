import type { TqApp } from '../app/tq.ts'
import { serveMailbox } from '../control/mailbox.ts'
import { ConnectionError } from '../core/errors.ts'
import { nodeName } from '../core/id.ts'
import { deferred } from '../core/lifecycle.ts'
import { orAborted } from '../core/or-aborted.ts'
import { fileNameFor } from '../run/log-file.ts'
import type { Listening } from '../transports/transport.ts'
import { ChordSweep } from '../run/chord-sweep.ts'
import { announceProcess, announceProcessEnd } from '../run/announce.ts'
import { announceShutdown, announceWorker } from './announce-worker.ts'
import { controlledWorker } from './controlled-worker.ts'
import { describeWorker } from './describe.ts'
import { defaultConcurrency, type PoolName } from './make-pool.ts'
import { mingle, warnOfTwin } from './mingle.ts'
import { cancelWithBroker, endWithBroker, reachServers } from './reach.ts'
import { handleCommand } from './remote-commands.ts'
import { RevokedTasks } from './revoked.ts'
import { Shutdown } from './shutdown.ts'
import { StateDb } from './state-db.ts'
import type { WorkerOptions } from './worker-options.ts'
import { assembleParts, type WorkerParts } from './worker-parts.ts'
import { purgeQueues, WorkerQueues } from './worker-queues.ts'

export type { WorkerOptions } from './worker-options.ts'

export type WorkerState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

const lastStoresMs = 2000

/**
 * A worker: consumes queues, runs tasks, answers remote control, tells monitors that it lives.
 * States: new -> starting -> running -> stopping -> stopped; a start that fails goes to stopped.
 */
export class Worker {
  readonly hostname: string
  /** Resolves when the worker has stopped, by whatever way. */
  readonly finished: Promise<void>
  readonly #app: TqApp
  readonly #options: WorkerOptions
  readonly #finished = deferred<void>()
  readonly #starting = new AbortController()
  readonly #shutdown: Shutdown
  #lostBroker = false
  readonly #revoked: RevokedTasks
  readonly #queues: WorkerQueues
  readonly #closers: (() => Promise<void>)[] = []
  #wasTold = false
  #state: WorkerState = 'new'
  #stopping: Promise<void> | undefined
  #parts: WorkerParts | undefined
  /** Settles when it has started, or has failed to. */
  #attempt: Promise<void> | undefined
  #startedMonotonic = 0
  #lastTaskMonotonic = 0

  constructor(app: TqApp, options: WorkerOptions = {}) {
    this.#app = app
    this.#options = options
    this.#shutdown = new Shutdown(app.clock)
    this.hostname = nodeName(options.hostname ?? 'celery@%h')
    this.#queues = new WorkerQueues(app.router.queues, app.workerQueues(), {
      only: options.queues,
      except: options.excludeQueues,
      direct: app.settings.workerDirect ? this.hostname : undefined,
    })
    const { workerRevokesMax: most, workerRevokeExpires: keptSeconds } = app.settings
    this.#revoked = new RevokedTasks(app.clock, { most, keptMs: keptSeconds * 1000 })
    this.finished = this.#finished.promise
  }

  /** It no longer waits for what runs: that goes back, or has gone. */
  get hasGivenUp(): boolean {
    return this.#shutdown.hasGivenUp
  }

  /** Somebody has told it to stop. */
  get wasTold(): boolean {
    return this.#wasTold
  }

  /** What it does at this moment, in words. */
  describe(): string {
    const parts = this.#parts
    return parts ? describeWorker(this.hostname, parts, this.#app.clock) : `${this.hostname} is ${this.#state}.`
  }

  /** True when it ended because its broker was lost. */
  get lostBroker(): boolean {
    return this.#lostBroker
  }

  /** The queues that it consumes now. */
  get queues(): readonly string[] {
    return this.#queues.names
  }

  get state(): WorkerState {
    return this.#state
  }

  get pool(): PoolName {
    return this.#options.pool ?? this.#app.settings.workerPool
  }

  get concurrency(): number {
    if (this.pool === 'solo') return 1
    if (this.#options.autoscale) return this.#options.autoscale.min
    // 0 is none given. Source: celery/worker/worker.py, setup_defaults.
    return this.#options.concurrency || this.#app.settings.workerConcurrency || defaultConcurrency(this.pool)
  }

  /** Resolves when it consumes. Rejects with ConnectionError, or ChannelError for a node name that is taken. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'starting'
    const attempt = this.#start()
    this.#attempt = attempt.catch(() => undefined)
    try {
      await attempt
      if (this.#state === 'starting') this.#state = 'running'
    } catch (error) {
      this.#wasTold = this.#stopping !== undefined
      await this.stop(0)
      throw error
    }
  }

  async #start(): Promise<void> {
    const { clock, logger, settings, connections } = this.#app
    await announceWorker(this.#app, 'celerydInit', this)
    await announceWorker(this.#app, 'workerInit', this)
    const { signal } = this.#starting
    this.#openState()
    // One that ends by itself is waited for by somebody: it says at once what is wrong.
    const [transport, backend] =
      this.#options.idleMs === undefined
        ? await reachServers(this.#app, signal)
        : await Promise.all([connections.consuming(), connections.backend()])
    const forgetBroker = endWithBroker(this.#app, transport, () => {
      this.#lostBroker = true
      void this.stop(0)
    })
    this.#closers.push(async () => forgetBroker())
    await transport.announce({ name: this.hostname, kind: 'worker', queues: this.#queues.consumed })
    this.#startedMonotonic = this.#lastTaskMonotonic = clock.monotonic()
    signal.throwIfAborted()
    const parts = assembleParts({
      app: this.#app,
      options: this.#options,
      hostname: this.hostname,
      pool: this.pool,
      concurrency: this.concurrency,
      transport,
      backend,
      queues: this.#queues,
      revoked: this.#revoked,
      giveUp: this.#shutdown.signal,
      onFinished: () => {
        this.#lastTaskMonotonic = clock.monotonic()
      },
    })
    const { pool, events, autoscaler, heartbeat, consumer } = parts
    this.#closers.push(() => events.close())
    this.#closers.push(async () => void (await pool.stop('kill', 0)))
    if (autoscaler) this.#closers.push(async () => autoscaler.stop())
    this.#parts = parts
    const forgetLoss = cancelWithBroker(this.#app, transport, () => parts.executor.active.values())
    this.#closers.push(async () => forgetLoss())
    if (settings.workerEnableRemoteControl) {
      const mailbox = await this.#serve(parts)
      this.#closers.push(() => mailbox.close())
    }
    await announceWorker(this.#app, 'celerydAfterSetup', this)
    if (!pool.runsElsewhere) {
      await announceProcess(this.#app, this.hostname)
      this.#closers.push(async () => announceProcessEnd(this.#app, this.hostname))
    }
    signal.throwIfAborted()
    // User code that hangs at import ends with its process only.
    await orAborted(pool.start(), signal)
    if (this.#options.purge === true) await purgeQueues(this.#app, transport, this.#queues)
    await heartbeat.start()
    signal.throwIfAborted()
    await consumer.start()
    const sweep = new ChordSweep({ app: this.#app, backend, everyMs: settings.chordSweepInterval * 1000 })
    sweep.start()
    this.#closers.push(() => sweep.close())
    this.#watchIdle()
    if (settings.workerEnableRemoteControl && !transport.features.embedded) {
      void warnOfTwin(this.#app, this.hostname)
      if (this.#options.mingle !== false) void mingle(this.#app, this.hostname, this.#revoked)
    }
    await announceWorker(this.#app, 'workerReady', this)
    this.#options.onReady?.()
    logger.info(`${this.hostname} ready.`)
  }

  #openState(): void {
    const { clock, logger, lamport, settings } = this.#app
    const file = this.#options.stateDb ?? settings.workerStateDb
    if (file === undefined) return
    const name = fileNameFor(file, { hostname: this.hostname, index: 0 })
    const state = new StateDb({ file: name, revoked: this.#revoked, lamport, clock, logger })
    state.open()
    this.#closers.push(async () => state.close())
  }

  #serve(parts: WorkerParts): Promise<Listening> {
    const { lamport, logger } = this.#app
    const controlled = controlledWorker({
      app: this.#app,
      options: this.#options,
      hostname: this.hostname,
      queues: this.#queues,
      revoked: this.#revoked,
      parts,
      startedMonotonic: this.#startedMonotonic,
      stop: () => void this.stop(),
    })
    return serveMailbox({ transport: parts.transport, hostname: this.hostname, lamport, logger }, (command, args) =>
      handleCommand(controlled, command, args),
    )
  }

  #watchIdle(): void {
    const { idleMs } = this.#options
    const { clock } = this.#app
    if (idleMs === undefined) return
    const check = clock.interval(Math.min(idleMs, 1000), () => {
      const busy = (this.#parts?.consumer.running ?? 0) > 0
      if (busy || clock.monotonic() - this.#lastTaskMonotonic < idleMs) return
      this.#app.logger.info(`${this.hostname} had no task for ${idleMs / 1000} s and ends.`)
      void this.stop()
    })
    this.#closers.push(async () => check.cancel())
  }

  /**
   * Warm shutdown: takes nothing new, waits for what runs until `deadlineMs` (monotonic; default for ever), then gives back what
   * is unsettled and ends. A second call with an earlier deadline hurries the first.
   */
  stop(deadlineMs = Infinity): Promise<void> {
    this.#shutdown.hurry(deadlineMs)
    this.#starting.abort()
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /**
   * Cold shutdown: what is unsettled goes back now, or once the setting `workerSoftShutdownTimeout` has passed. Called a second time
   * it waits for nothing. Source: celery/apps/worker.py, on_cold_shutdown (Celery 5.5).
   */
  stopCold(): Promise<void> {
    const { logger, settings } = this.#app
    const isIdle = (this.#parts?.consumer.running ?? 0) === 0
    const isLong = settings.workerEnableSoftShutdownOnIdle
    const softSeconds = isIdle && !isLong ? 0 : settings.workerSoftShutdownTimeout
    this.#shutdown.cool(softSeconds * 1000, isLong)
    if (!this.#shutdown.hasGivenUp) logger.warn(`${this.hostname} gives what runs ${softSeconds} s to end.`)
    return this.stop()
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    await this.#attempt
    const parts = this.#parts
    try {
      if (parts) {
        const how = this.#shutdown.deadlineMs === Infinity ? 'Warm' : 'Cold'
        await announceShutdown(this.#app, this, how)
        await parts.consumer.pause()
        const isDone = await this.#shutdown.wait(parts.consumer.drain(Infinity))
        // Messages go back first, the runs are ended second: running twice beats losing.
        await parts.consumer.close()
        await parts.pool.stop(isDone ? 'drain' : 'kill', this.#shutdown.deadlineMs)
        // Children are gone now: how their runs ended is stored while there is a connection.
        if (parts.pool.runsElsewhere) await parts.consumer.drain(this.#app.clock.monotonic() + lastStoresMs)
        await parts.heartbeat.stop()
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#warnOfEnd(error)
    } finally {
      for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
        await close().catch((error: unknown) => this.#warnOfEnd(error))
      }
      this.#state = 'stopped'
      if (parts) await announceWorker(this.#app, 'workerShutdown', this)
      this.#finished.resolve()
    }
  }

  #warnOfEnd(error: unknown): void {
    const why = error instanceof ConnectionError ? 'without its broker' : 'without having closed everything'
    this.#app.logger.warn(`${this.hostname} ends ${why}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
