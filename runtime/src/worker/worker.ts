import { freemem, totalmem } from 'node:os'
import { publish } from '../app/publish.ts'
import type { TqApp } from '../app/tq.ts'
import { serveMailbox } from '../control/mailbox.ts'
import { ConnectionError } from '../core/errors.ts'
import { nodeName } from '../core/id.ts'
import { deferred } from '../core/lifecycle.ts'
import { tasksPerSecond } from '../core/rate.ts'
import { version } from '../core/version.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import type { Pool } from '../pools/pool.ts'
import { Executor } from '../run/executor.ts'
import type { Listening, Transport } from '../transports/transport.ts'
import type { WorkerStats } from '../wire/inspect-dict.ts'
import { Autoscaler, type AutoscaleRange } from './autoscale.ts'
import { Consumer } from './consumer.ts'
import { Heartbeat } from './heartbeat.ts'
import { defaultConcurrency, makePool, type PoolName } from './make-pool.ts'
import { endWithBroker, reachServers } from './reach.ts'
import { type Controlled, handleCommand } from './remote-commands.ts'
import { RevokedTasks } from './revoked.ts'
import { WorkerQueues } from './worker-queues.ts'

export interface WorkerOptions {
  /** Node name; `%h` host, `%n` its first part, `%d` its domain. Default `celery@%h`. */
  readonly hostname?: string | undefined
  /** Default those of the setting `taskQueues`; where it is unset the default queue and those that tasks name in their options. */
  readonly queues?: readonly string[] | undefined
  /** Not these of them. */
  readonly excludeQueues?: readonly string[] | undefined
  /** Default the setting `workerPool`. */
  readonly pool?: PoolName | undefined
  /** Default the setting `workerConcurrency`, else 100 on the async pool and the number of cores on others. */
  readonly concurrency?: number | undefined
  /** A child of the pool is replaced after so many tasks. Default the setting `workerMaxTasksPerChild`. */
  readonly maxTasksPerChild?: number | undefined
  /** A child that holds more (KiB) is replaced. Default the setting `workerMaxMemoryPerChild`. */
  readonly maxMemoryPerChild?: number | undefined
  /** Grows and shrinks the pool with the demand; it starts with `min`. */
  readonly autoscale?: AutoscaleRange | undefined
  /** Further task modules that children import: globs relative to the app's file. */
  readonly include?: readonly string[] | undefined
  /** Default the setting `workerPrefetchMultiplier`. */
  readonly prefetchMultiplier?: number | 'auto' | undefined
  /** Emit task events. Default the setting `workerSendTaskEvents`. */
  readonly events?: boolean | undefined
  /** Ends by itself after this long without a task (ms). Default never. */
  readonly idleMs?: number | undefined
}

export type WorkerState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

const waitInMemoryMs = 1000
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
  readonly #giveUp = new AbortController()
  readonly #starting = new AbortController()
  #lostBroker = false
  readonly #revoked: RevokedTasks
  readonly #queues: WorkerQueues
  readonly #parts: { close(): Promise<void> }[] = []
  #state: WorkerState = 'new'
  #stopping: Promise<void> | undefined
  #running: Running | undefined
  #startedMonotonic = 0
  #lastTaskMonotonic = 0
  #deadlineMs = Infinity
  readonly #hurry = deferred<void>()

  constructor(app: TqApp, options: WorkerOptions = {}) {
    this.#app = app
    this.#options = options
    this.hostname = nodeName(options.hostname ?? 'celery@%h')
    this.#queues = new WorkerQueues(app.router.queues, app.workerQueues(), {
      only: options.queues,
      except: options.excludeQueues,
      direct: app.settings.workerDirect ? this.hostname : undefined,
    })
    this.#revoked = new RevokedTasks(app.clock)
    this.finished = this.#finished.promise
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
    return this.#options.concurrency ?? this.#app.settings.workerConcurrency ?? defaultConcurrency(this.pool)
  }

  /** Resolves when it consumes. Rejects with ConnectionError, or ChannelError for a node name that is taken. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'starting'
    try {
      await this.#start()
      this.#state = 'running'
    } catch (error) {
      await this.stop(0)
      throw error
    }
  }

  async #start(): Promise<void> {
    const { clock, logger, settings, connections, lamport } = this.#app
    // One that ends by itself is waited for by somebody: it says at once what is wrong.
    const [transport, backend] =
      this.#options.idleMs === undefined
        ? await reachServers(this.#app, this.#starting.signal)
        : await Promise.all([connections.transport(), connections.backend()])
    const forgetBroker = endWithBroker(this.#app, transport, () => {
      this.#lostBroker = true
      void this.stop(0)
    })
    this.#parts.push({ close: async () => forgetBroker() })
    await transport.announce({ name: this.hostname, kind: 'worker', queues: this.#queues.consumed })
    const eventsOn = this.#options.events ?? settings.workerSendTaskEvents
    const events = new EventDispatcher({
      transport,
      hostname: this.hostname,
      pid: process.pid,
      clock,
      lamport,
      logger,
      enabled: eventsOn === 'auto' ? transport.features.embedded : eventsOn,
      serializer: this.#app.eventSerializer,
    })
    this.#parts.push(events)
    const pool = makePool({
      app: this.#app,
      pool: this.pool,
      concurrency: this.concurrency,
      include: this.#options.include ?? [],
      maxTasksPerChild: this.#options.maxTasksPerChild,
      maxMemoryPerChild: this.#options.maxMemoryPerChild,
      onUpdate: (update) => executor.onUpdate(update),
    })
    this.#parts.push({ close: async () => void (await pool.stop('kill', 0)) })
    const executor = new Executor({
      app: this.#app,
      transport,
      backend,
      pool,
      events,
      hostname: this.hostname,
      clock,
      logger,
      publish: (prepared) => publish(this.#app, [prepared]),
      isRevoked: (id) => this.#revoked.has(id),
      waitAtMostMs: waitInMemoryMs,
      giveUp: this.#giveUp.signal,
    })
    this.#startedMonotonic = this.#lastTaskMonotonic = clock.monotonic()
    const consumer = new Consumer({
      transport,
      executor,
      pool,
      queues: this.#queues.bindings,
      prefetchMultiplier: this.#options.prefetchMultiplier ?? settings.workerPrefetchMultiplier,
      canGrow: () => autoscaler !== undefined && pool.capacity < autoscaler.range.max,
      clock,
      logger,
      onFinished: () => {
        this.#lastTaskMonotonic = clock.monotonic()
      },
    })
    const heartbeat = new Heartbeat({
      events,
      clock,
      interval: settings.workerHeartbeatInterval,
      version,
      figures: () => ({ active: consumer.running, processed: processed(executor) }),
    })
    for (const name of this.#app.registry.names()) {
      const { rateLimit = settings.taskDefaultRateLimit } = this.#app.registry.require(name).definition.options
      if (!settings.workerDisableRateLimits) consumer.rates.set(name, tasksPerSecond(rateLimit))
    }
    const autoscaler: Autoscaler | undefined = this.#autoscale(pool, consumer)
    const running: Running = { transport, executor, pool, consumer, heartbeat, events, autoscaler }
    this.#running = running
    if (settings.workerEnableRemoteControl) {
      this.#parts.push(await this.#serve(running))
    }
    await pool.start()
    await heartbeat.start()
    await consumer.start()
    this.#watchIdle()
    if (settings.workerEnableRemoteControl && !transport.features.embedded) void this.#warnOfTwin()
    logger.info(`${this.hostname} ready.`)
  }

  #autoscale(pool: Pool, consumer: Consumer): Autoscaler | undefined {
    const { autoscale } = this.#options
    if (!autoscale) return undefined
    const { clock, logger } = this.#app
    const onResized = (): void => consumer.resized()
    const scaler = new Autoscaler({ ...autoscale, pool, demand: () => consumer.demand, onResized, clock, logger })
    this.#parts.push({ close: async () => scaler.stop() })
    return scaler
  }

  #serve(running: Running): Promise<Listening> {
    const { lamport, logger } = this.#app
    const { transport } = running
    const controlled = this.#controlled(running)
    return serveMailbox({ transport, hostname: this.hostname, lamport, logger }, (command, args) =>
      handleCommand(controlled, command, args),
    )
  }

  // A broker without a list of its peers cannot refuse a second worker of the same name; its answer gives it away.
  async #warnOfTwin(): Promise<void> {
    const { control, logger } = this.#app
    try {
      if ((await control.countNamed(this.hostname, 1000)) < 2) return
      logger.warn(
        `Another worker is called ${this.hostname}, too: remote control and monitors take the two for one. Give one of them another name (-n).`,
      )
    } catch (error) {
      logger.debug(`Could not look for workers called ${this.hostname}.`, { error })
    }
  }

  #watchIdle(): void {
    const { idleMs } = this.#options
    const { clock } = this.#app
    if (idleMs === undefined) return
    const check = clock.interval(Math.min(idleMs, 1000), () => {
      const busy = (this.#running?.consumer.running ?? 0) > 0
      if (busy || clock.monotonic() - this.#lastTaskMonotonic < idleMs) return
      this.#app.logger.info(`${this.hostname} had no task for ${idleMs / 1000} s and ends.`)
      void this.stop()
    })
    this.#parts.push({ close: async () => check.cancel() })
  }

  /**
   * Warm shutdown: takes nothing new, waits for what runs until `deadlineMs` (monotonic; default for ever), then gives back what
   * is unsettled and ends. A second call with an earlier deadline hurries the first.
   */
  stop(deadlineMs = Infinity): Promise<void> {
    this.#deadlineMs = Math.min(this.#deadlineMs, deadlineMs)
    if (this.#stopping && this.#deadlineMs <= this.#app.clock.monotonic()) this.#hurry.resolve()
    this.#starting.abort()
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    const running = this.#running
    try {
      if (running) {
        await running.consumer.pause()
        const ended = await Promise.race([running.consumer.drain(this.#deadlineMs), this.#hurry.promise])
        // Messages go back first, the runs are ended second: running twice beats losing.
        if (ended !== true) this.#giveUp.abort()
        await running.consumer.close()
        await running.pool.stop(ended === true ? 'drain' : 'kill', this.#deadlineMs)
        // Children are gone now: how their runs ended is stored while there is a connection.
        if (running.pool.runsElsewhere) await running.consumer.drain(this.#app.clock.monotonic() + lastStoresMs)
        await running.heartbeat.stop()
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      this.#app.logger.warn(`${this.hostname} ends without its broker: ${error.message}`)
    } finally {
      for (const part of this.#parts.reverse()) await part.close()
      this.#state = 'stopped'
      this.#finished.resolve()
    }
  }

  #controlled(running: Running): Controlled {
    const { executor, consumer, heartbeat, events } = running
    return {
      hostname: this.hostname,
      queues: () => this.#queues.bindings,
      addQueue: async (name, binding) => {
        const bindings = this.#queues.add(name, binding)
        if (bindings) await consumer.add(bindings)
        return bindings !== undefined
      },
      removeQueue: async (name) => {
        const queue = this.#queues.remove(name)
        if (queue !== undefined) await consumer.remove(queue)
        return queue !== undefined
      },
      active: () => [...executor.active.values()].filter((one) => one.startedAtMs !== undefined),
      reserved: () => consumer.reserved(),
      scheduled: () => consumer.scheduled(),
      registered: () => this.#app.registry.names(),
      stats: () => this.#stats(running),
      report: () =>
        `tq ${version}, Node ${process.version}, ${Math.round(freemem() / 2 ** 20)} of ${Math.round(totalmem() / 2 ** 20)} MB free`,
      clock: () => this.#app.lamport.value,
      revoked: () => this.#revoked.ids(),
      revoke: (ids) => this.#revoked.add(ids),
      terminate: (id, signal) => {
        const run = executor.active.get(id)?.run
        run?.terminate(signal)
        return run !== undefined
      },
      setTimeLimits: (task, limits) => executor.limits.change(task, limits),
      setRateLimit: (task, perSecond) => consumer.rates.set(task, perSecond),
      pool: running.pool,
      resized: () => consumer.resized(),
      autoscaler: running.autoscaler,
      setEvents: (on) => {
        const changed = events.enabled !== on
        events.setEnabled(on)
        return changed
      },
      heartbeat: () => heartbeat.beat(),
      shutdown: () => {
        this.#app.logger.warn(`${this.hostname} was told to shut down by remote control.`)
        void this.stop()
      },
    }
  }

  #stats({ executor, pool, consumer, transport }: Running): WorkerStats {
    const { clock, lamport, connections } = this.#app
    const usage = process.resourceUsage()
    const url = URL.parse(connections.brokerUrl())
    return {
      total: Object.fromEntries(executor.totals),
      pid: process.pid,
      clock: lamport.value,
      uptime: (clock.monotonic() - this.#startedMonotonic) / 1000,
      pool: {
        implementation: `tq/pools/${pool.name}`,
        maxConcurrency: pool.capacity,
        processes: pool.pids,
        maxTasksPerChild: this.#options.maxTasksPerChild ?? this.#app.settings.workerMaxTasksPerChild,
        timeouts: { soft: this.#app.settings.taskSoftTimeLimit ?? 0, hard: this.#app.settings.taskTimeLimit ?? 0 },
      },
      broker: {
        transport: transport.name,
        hostname: url?.hostname ?? '',
        port: url?.port ? Number(url.port) : undefined,
        userid: url?.username || undefined,
        virtualHost: url?.pathname ?? '',
      },
      prefetchCount: consumer.prefetch,
      rusage: { utime: usage.userCPUTime / 1e6, stime: usage.systemCPUTime / 1e6, maxrss: usage.maxRSS },
    }
  }
}

interface Running {
  readonly transport: Transport
  readonly executor: Executor
  readonly pool: Pool
  readonly consumer: Consumer
  readonly heartbeat: Heartbeat
  readonly events: EventDispatcher
  readonly autoscaler: Autoscaler | undefined
}

function processed(executor: Executor): number {
  let total = 0
  for (const count of executor.totals.values()) total += count
  return total
}
