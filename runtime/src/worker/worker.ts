import { freemem, totalmem } from 'node:os'
import { publish } from '../app/send.ts'
import type { TqApp } from '../app/tq.ts'
import { serveMailbox } from '../control/mailbox.ts'
import { ConnectionError, SettingError } from '../core/errors.ts'
import { nodeName } from '../core/id.ts'
import { deferred } from '../core/lifecycle.ts'
import { version } from '../core/version.ts'
import { EventDispatcher } from '../events/dispatcher.ts'
import { AsyncPool } from '../pools/async.ts'
import type { Pool } from '../pools/pool.ts'
import { Executor } from '../run/executor.ts'
import { taskRunner, Terminated } from '../run/run-task.ts'
import type { Listening, Transport } from '../transports/transport.ts'
import type { WorkerStats } from '../wire/inspect-dict.ts'
import { Consumer } from './consumer.ts'
import { Heartbeat } from './heartbeat.ts'
import { type Controlled, handleCommand } from './remote-commands.ts'
import { RevokedTasks } from './revoked.ts'

export interface WorkerOptions {
  /** Node name; `%h` host, `%n` its first part, `%d` its domain. Default `celery@%h`. */
  readonly hostname?: string | undefined
  /** Default the setting `taskDefaultQueue` and the queues that tasks name in their options. */
  readonly queues?: readonly string[] | undefined
  /** Default the setting `workerConcurrency`, else 100. */
  readonly concurrency?: number | undefined
  /** Default the setting `workerPrefetchMultiplier`. */
  readonly prefetchMultiplier?: number | 'auto' | undefined
  /** Emit task events. Default the setting `workerSendTaskEvents`. */
  readonly events?: boolean | undefined
  /** Ends by itself after this long without a task (ms). Default never. */
  readonly idleMs?: number | undefined
}

export type WorkerState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

const defaultConcurrency = 100
const waitInMemoryMs = 1000

/**
 * A worker: consumes queues, runs tasks, answers remote control, tells monitors that it lives.
 * States: new -> starting -> running -> stopping -> stopped; a start that fails goes to stopped.
 */
export class Worker {
  readonly hostname: string
  readonly queues: readonly string[]
  /** Resolves when the worker has stopped, by whatever way. */
  readonly finished: Promise<void>
  readonly #app: TqApp
  readonly #options: WorkerOptions
  readonly #finished = deferred<void>()
  readonly #giveUp = new AbortController()
  readonly #revoked: RevokedTasks
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
    this.queues = options.queues ?? queuesOf(app)
    if (this.queues.length === 0) throw new SettingError('expected queues to name at least one queue, got none')
    this.#revoked = new RevokedTasks(app.clock)
    this.finished = this.#finished.promise
  }

  get state(): WorkerState {
    return this.#state
  }

  get concurrency(): number {
    return this.#options.concurrency ?? this.#app.settings.workerConcurrency ?? defaultConcurrency
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
    const [transport, backend] = await Promise.all([connections.transport(), connections.backend()])
    await transport.announce({ name: this.hostname, kind: 'worker', queues: this.queues })
    const eventsOn = this.#options.events ?? settings.workerSendTaskEvents
    const events = new EventDispatcher({
      transport,
      hostname: this.hostname,
      pid: process.pid,
      clock,
      lamport,
      logger,
      enabled: eventsOn === 'auto' ? transport.features.embedded : eventsOn,
    })
    this.#parts.push(events)
    const runTask = taskRunner({
      app: this.#app,
      clock,
      isEager: false,
      onUpdate: (update) => executor.onUpdate(update),
    })
    const pool: Pool = new AsyncPool({
      capacity: this.concurrency,
      runTask,
      clock,
      terminated: (signal) => new Terminated(signal),
    })
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
      queues: this.queues,
      prefetchMultiplier: this.#options.prefetchMultiplier ?? settings.workerPrefetchMultiplier,
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
    const running: Running = { transport, executor, pool, consumer, heartbeat, events }
    this.#running = running
    if (settings.workerEnableRemoteControl) {
      this.#parts.push(await this.#serve(running))
    }
    await heartbeat.start()
    await consumer.start()
    this.#watchIdle()
    if (settings.workerEnableRemoteControl && !transport.features.embedded) void this.#warnOfTwin()
    logger.info(`${this.hostname} ready.`)
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
      queues: this.queues,
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
        processes: [process.pid],
        maxTasksPerChild: undefined,
        timeouts: { soft: this.#app.settings.taskSoftTimeLimit ?? 0, hard: 0 },
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
}

/** The default queue, and those that registered tasks name. */
function queuesOf(app: TqApp): readonly string[] {
  const queues = new Set([app.settings.taskDefaultQueue])
  for (const task of app.tasks()) if (task.definition.options.queue) queues.add(task.definition.options.queue)
  return [...queues]
}

function processed(executor: Executor): number {
  let total = 0
  for (const count of executor.totals.values()) total += count
  return total
}
