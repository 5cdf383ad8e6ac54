import type { Clock, Tq } from 'tq-runtime'
import { systemClock } from 'tq-runtime'
import { type AppPlace, type EphemeralWorker, projectFolder, startEphemeralWorker } from 'tq-runtime/loader'
import { eventHistory, isAlive, isRefusal, subscribeEvents, type Transport, type WorkerEvent } from 'tq-runtime/monitor'
import { dirname } from 'node:path'
import { answerMs, answersOf, CommandLog, messageOf } from './command-log.ts'
import { EventBatches } from './event-batches.ts'
import type { Store } from './store.ts'
import { TaskCommands } from './task-commands.ts'
import { type Clean, clean, own } from './ui/text.ts'
import { WorkerCommands } from './worker-commands.ts'

export interface SessionOptions {
  /** Makes the app that speaks to the broker; called again by every attempt to connect. */
  readonly open: () => Promise<{ readonly app: Tq; readonly place?: AppPlace | undefined }>
  /** On an embedded broker: starts a worker where none consumes. */
  readonly startsWorker: boolean
  readonly clock?: Clock | undefined
}

const pollMs = 2000
const longestPauseMs = 15_000

/** Everything that the console does to the world: it follows the events of one broker and sends commands. What comes of it goes into the store. */
export class ConsoleSession {
  readonly #store: Store
  readonly #options: SessionOptions
  readonly #clock: Clock
  readonly #closed = new AbortController()
  #again = new AbortController()
  #running: Promise<void> | undefined
  #app: Tq | undefined
  #place: AppPlace | undefined
  #worker: Promise<EphemeralWorker> | undefined
  readonly #asked = new Set<string>()
  readonly log: CommandLog
  readonly tasks: TaskCommands
  readonly workers: WorkerCommands
  readonly batches: EventBatches

  constructor(store: Store, options: SessionOptions) {
    this.#store = store
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const app = (): Tq | undefined => this.#app
    this.log = new CommandLog(store, this.#clock, app)
    this.tasks = new TaskCommands(store, this.log, app)
    const onResized = (hostname: string): void => void this.#asked.delete(hostname)
    this.workers = new WorkerCommands({ store, log: this.log, clock: this.#clock, onResized })
    this.batches = new EventBatches({ clock: this.#clock, onBatch: (events, dropped) => this.#take(events, dropped) })
  }

  /** Connects, and again whenever that fails, until `close`. Resolves when the first attempt has an outcome. */
  start(): Promise<void> {
    const first = Promise.withResolvers<void>()
    this.#running = this.#run(first.resolve)
    return first.promise
  }

  /** Tries at once instead of waiting, or starts anew. */
  reconnect(): void {
    this.#again.abort()
  }

  /** Idempotent. A worker that was started for the console ends with this process, once it has finished what it runs. */
  async close(): Promise<void> {
    this.#closed.abort()
    this.batches.close()
    this.#again.abort()
    await this.#running
  }

  async #run(attempted: () => void): Promise<void> {
    let failures = 0
    while (!this.#closed.signal.aborted) {
      this.#again = new AbortController()
      const { signal } = this.#again
      try {
        const { app, place } = await this.#options.open()
        this.#app = app
        this.#place = place
        await this.#follow(app, signal, () => {
          failures = 0
          attempted()
        })
      } catch (error) {
        const pauseMs = Math.min(longestPauseMs, 1000 * 2 ** failures++)
        this.#lost(error, this.#clock.now() + pauseMs)
        attempted()
        await this.#clock.sleep(pauseMs, signal).catch(() => undefined)
      } finally {
        const app = this.#app
        this.#app = undefined
        await app?.close().catch(() => undefined)
      }
    }
  }

  /** Until `signal` aborts; rejects when there is no connection to be had. */
  async #follow(app: Tq, signal: AbortSignal, connected: () => void): Promise<void> {
    const broker = clean(app.brokerName())
    const before = this.#store.get().connection
    if (before.state !== 'lost') {
      this.#store.dispatch({
        on: 'connection',
        connection: { state: 'connecting', broker, sinceMs: this.#clock.now() },
      })
    }
    const transport = await app.connections.transport()
    const stopListening = transport.onState((state, cause) => {
      if (signal.aborted) return
      if (state === 'ready') {
        this.#live(broker)
        // Workers may have been started anew meanwhile, with their events off.
        this.#asked.clear()
        this.#background(this.#meetWorkers(app))
      } else if (state === 'lost') this.#lost(cause, undefined)
    })
    const ended = aborted(signal)
    // Listening first, so that nothing falls between the past and the present; what is seen twice counts once.
    const listening = await subscribeEvents(transport, (events) => this.batches.hear(events))
    await transport.announce({ name: 'tq-tui', kind: 'monitor', queues: [] })
    this.#live(broker)
    const past = await eventHistory(transport)
    this.#store.dispatch({ on: 'history', events: past, nowMs: this.#clock.now() })
    await this.#pollQueues(app)
    connected()
    const poll = this.#clock.interval(pollMs, () => {
      const { view } = this.#store.get().ui
      if (view === 'queues' && this.#store.get().connection.state === 'live') this.#background(this.#pollQueues(app))
    })
    try {
      this.#background(this.#ensureWorker(app))
      this.#background(this.#meetWorkers(app))
      await ended
    } finally {
      poll.cancel()
      stopListening()
      await listening.close().catch(() => undefined)
    }
  }

  // --- events ---------------------------------------------------------------------------------------------------------

  #take(events: readonly WorkerEvent[], dropped: number): void {
    this.#store.dispatch({ on: 'events', events, nowMs: this.#clock.now(), dropped })
    const app = this.#app
    if (app === undefined) return
    const { cluster } = this.#store.get()
    for (const { type, hostname } of events) if (type === 'worker-online') this.#asked.delete(hostname)
    if ([...cluster.workers.keys()].some((hostname) => !this.#asked.has(hostname)))
      this.#background(this.#meetWorkers(app))
    if (events.some(({ type }) => type === 'task-sent')) this.#background(this.#ensureWorker(app))
  }

  /** Task events are switched on where they may be off, and pools asked for their size: of workers not met before. */
  async #meetWorkers(app: Tq): Promise<void> {
    const { cluster } = this.#store.get()
    const nowMs = this.#clock.now()
    const living = [...cluster.workers.values()]
      .filter((worker) => isAlive(worker, nowMs))
      .map(({ hostname }) => hostname)
    const isFirst = this.#asked.size === 0
    const fresh = living.filter((hostname) => !this.#asked.has(hostname))
    for (const hostname of cluster.workers.keys()) this.#asked.add(hostname)
    // At first nobody may be known: then everybody is asked.
    const destination = isFirst && fresh.length === 0 ? undefined : fresh
    if (destination?.length === 0) return
    if (!app.connections.embedded) {
      // Who is there is known at once, not at the next beat.
      if (isFirst) await app.control.heartbeat()
      const command = clean(
        `tq control enable_events${destination === undefined ? '' : ` -d ${destination.join(',')}`}`,
      )
      const enabled = async (): Promise<Clean> => {
        const replies = await app.control.enableEvents({ destination, timeoutMs: answerMs })
        return Object.keys(replies).length === 0 ? own`no worker answered` : answersOf(replies, ({ ok }) => ok)
      }
      await this.log.run(command, enabled, { quiet: true })
    }
    const stats = await app.control.inspect('stats', { destination, timeoutMs: answerMs })
    const slots = new Map<string, number>()
    for (const [hostname, one] of Object.entries(stats)) {
      this.#asked.add(hostname)
      if (!isRefusal(one)) slots.set(hostname, one.pool.maxConcurrency)
    }
    if (slots.size > 0) this.#store.dispatch({ on: 'slots', slots })
  }

  async #pollQueues(app: Tq): Promise<void> {
    const transport = await app.connections.transport()
    const { cluster } = this.#store.get()
    const seen = new Set([app.settings.taskDefaultQueue, ...(await transport.queueNames())])
    for (const { queue } of cluster.tasks.values()) if (queue !== undefined) seen.add(queue)
    const names = [...seen].sort().slice(0, 200)
    const queues = await Promise.all(names.map(async (name) => ({ name, ...(await transport.queueInfo(name)) })))
    const known = this.#store.get().queues
    if (JSON.stringify(known) !== JSON.stringify(queues)) this.#store.dispatch({ on: 'queues', queues })
  }

  async #ensureWorker(app: Tq): Promise<void> {
    const place = this.#place
    if (!this.#options.startsWorker || place === undefined || this.#worker || !app.connections.embedded) return
    const transport: Transport = await app.connections.transport()
    const { consumers } = await transport.queueInfo(app.settings.taskDefaultQueue)
    if (consumers !== 0 || this.#worker || this.#closed.signal.aborted) return
    await this.log.run(own`tq worker --ephemeral`, async () => {
      const starting = startEphemeralWorker(place.file, {
        cwd: projectFolder(dirname(place.file)),
        onWarning: (text) => this.log.note(own`worker`, clean(text.trim()), { failed: true, quiet: true }),
        onEnd: () => {
          this.#worker = undefined
        },
      })
      this.#worker = starting
      starting.catch(() => {
        this.#worker = undefined
      })
      return own`${clean((await starting).hostname)} started; it ends 60 s after its last task`
    })
  }

  /** Work that nobody waits for; a lost connection is told by the transport. */
  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (this.#closed.signal.aborted || this.#store.get().connection.state !== 'live') return
      this.log.note(own`tq-tui`, messageOf(error), { failed: true })
    })
  }

  #live(broker: Clean): void {
    const { connection } = this.#store.get()
    if (connection.state === 'live' && connection.broker === broker) return
    this.#store.dispatch({ on: 'connection', connection: { state: 'live', broker, sinceMs: this.#clock.now() } })
  }

  #lost(cause: unknown, retryAtMs: number | undefined): void {
    const { connection } = this.#store.get()
    const sinceMs = connection.state === 'lost' ? connection.sinceMs : this.#clock.now()
    const reason = cause === undefined ? connection.reason : messageOf(cause)
    this.#store.dispatch({ on: 'connection', connection: { ...connection, state: 'lost', sinceMs, reason, retryAtMs } })
  }
}

/** Resolves when the signal aborts, at once if it has. */
function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
