import type { Clock, Tq } from 'tq-runtime'
import { systemClock } from 'tq-runtime'
import { type AppPlace, type EphemeralWorker, projectFolder, startEphemeralWorker } from 'tq-runtime/loader'
import {
  type CallArguments,
  eventHistory,
  type InspectAnswer,
  isAlive,
  readCallRepr,
  type Refusal,
  subscribeEvents,
  type TaskView,
  type Transport,
  type WorkerEvent,
} from 'tq-runtime/monitor'
import { dirname } from 'node:path'
import type { Store } from './store.ts'
import { type Clean, clean, own } from './ui/text.ts'

export interface SessionOptions {
  /** Makes the app that speaks to the broker; called again by every attempt to connect. */
  readonly open: () => Promise<{ readonly app: Tq; readonly place?: AppPlace | undefined }>
  /** On an embedded broker: starts a worker where none consumes. */
  readonly startsWorker: boolean
  readonly clock?: Clock | undefined
}

export interface NoteKind {
  readonly failed?: boolean | undefined
  readonly quiet?: boolean | undefined
}

const largestBacklog = 100_000
const pollMs = 2000
const longestPauseMs = 15_000
const answerMs = 1500

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
  #lastLog = 0
  #waiting: WorkerEvent[] = []
  #dropped = 0
  #flushing = false
  #flushedMs = 0
  readonly #asked = new Set<string>()
  /** Least time between two batches of events; the screen makes it longer when a frame is expensive. */
  intervalMs = 100

  constructor(store: Store, options: SessionOptions) {
    this.#store = store
    this.#options = options
    this.#clock = options.clock ?? systemClock
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
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    // Listening first, so that nothing falls between the past and the present; what is seen twice counts once.
    const listening = await subscribeEvents(transport, (events) => this.#hear(events))
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

  #hear(events: readonly WorkerEvent[]): void {
    for (const event of events) this.#waiting.push(event)
    const over = this.#waiting.length - largestBacklog
    if (over > 0) this.#dropped += this.#waiting.splice(0, over).length
    if (this.#flushing) return
    this.#flushing = true
    const restMs = this.#flushedMs + this.intervalMs - this.#clock.monotonic()
    if (restMs <= 0) setImmediate(() => this.#flush())
    else this.#clock.timer(restMs, () => this.#flush(), { ref: true })
  }

  #flush(): void {
    this.#flushing = false
    this.#flushedMs = this.#clock.monotonic()
    const events = this.#waiting
    const dropped = this.#dropped
    this.#waiting = []
    this.#dropped = 0
    if (this.#closed.signal.aborted) return
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
      const command = clean(
        `tq control enable_events${destination === undefined ? '' : ` -d ${destination.join(',')}`}`,
      )
      await this.#logged(command, async () => {
        const replies = await app.control.enableEvents({ destination, timeoutMs: answerMs })
        return answersOf(replies, ({ ok }) => ok)
      })
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
    await this.#logged(own`tq worker --ephemeral`, async () => {
      const starting = startEphemeralWorker(place.file, {
        cwd: projectFolder(dirname(place.file)),
        onWarning: (text) => this.note(own`worker`, clean(text.trim()), { failed: true, quiet: true }),
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

  // --- commands -------------------------------------------------------------------------------------------------------

  async revoke(ids: readonly string[], options: { readonly terminate: boolean }): Promise<void> {
    const flag = options.terminate ? '--terminate ' : ''
    await this.#logged(clean(`tq control revoke ${flag}${ids.join(' ')}`), async (app) => {
      await app.control.revoke(ids, options)
      return own`sent for ${ids.length} ${clean(ids.length === 1 ? 'task' : 'tasks')}`
    })
  }

  /** Each task sent again under a new id; with `call` the one task with other arguments. */
  async retry(tasks: readonly TaskView[], call?: CallArguments): Promise<void> {
    for (const task of tasks) {
      const queue = task.queue === undefined ? '' : ` --queue ${task.queue}`
      const kwargs = task.kwargs === '' || task.kwargs === '{}' ? '' : ` ${task.kwargs}`
      const shown = call === undefined ? `${task.args}${kwargs}` : JSON.stringify(call.args)
      await this.#logged(clean(`tq call ${task.name} ${shown}${queue}`), async (app) => {
        if (task.name === '') throw new Error('Its name is not known: the event that tells it was not seen.')
        const { args, kwargs: named } = call ?? (await this.#callOf(app, task))
        const options = task.queue === undefined ? {} : { queue: task.queue }
        const result = await app.sendTask(task.name, args, named, options)
        return clean(`retry of ${task.uuid.slice(-8)}: ${result.id}`)
      })
    }
  }

  /** The stored arguments where results hold them (resultExtended), else what the event shows, if that can be read back. */
  async #callOf(app: Tq, task: TaskView): Promise<CallArguments> {
    const backend = await app.connections.backend().catch(() => undefined)
    const [meta] = (await backend?.fetch([task.uuid]).catch(() => [])) ?? []
    if (meta?.args !== undefined) return { args: meta.args, kwargs: meta.kwargs ?? {} }
    return readCallRepr(task.args, task.kwargs)
  }

  async shutdown(hostname: string): Promise<void> {
    await this.#logged(clean(`tq control shutdown -d ${hostname}`), async (app) => {
      await app.control.shutdown({ destination: [hostname] })
      return own`sent: it finishes what runs, then ends`
    })
  }

  async resizePool(hostname: string, by: 1 | -1): Promise<void> {
    const command = by > 0 ? 'pool_grow' : 'pool_shrink'
    await this.#logged(clean(`tq control ${command} 1 -d ${hostname}`), async (app) => {
      const options = { destination: [hostname], timeoutMs: answerMs }
      const replies = by > 0 ? await app.control.poolGrow(1, options) : await app.control.poolShrink(1, options)
      const answer = answersOf(replies, ({ ok }) => ok)
      this.#asked.delete(hostname)
      return answer
    })
  }

  /** Pings the worker and asks what it is doing; the answers become its detail. */
  async inspect(hostname: string): Promise<void> {
    await this.#logged(clean(`tq inspect -d ${hostname}`), async (app) => {
      const options = { destination: [hostname], timeoutMs: answerMs }
      const started = this.#clock.monotonic()
      const pong = await app.control.ping(options)
      const ms = Math.round(this.#clock.monotonic() - started)
      if (pong[hostname] === undefined) throw new Error(`${hostname} did not answer within ${answerMs / 1000} s.`)
      const [stats, queues, active, reserved, scheduled, registered, revoked] = await Promise.all([
        app.control.inspect('stats', options),
        app.control.inspect('activeQueues', options),
        app.control.inspect('active', options),
        app.control.inspect('reserved', options),
        app.control.inspect('scheduled', options),
        app.control.inspect('registered', options),
        app.control.inspect('revoked', options),
      ])
      const lines = [
        clean(`pong in ${ms} ms`),
        ...told('', stats[hostname], statsLines),
        ...told('queues', queues[hostname], (list) => [list.map(({ name }) => name).join(', ')]),
        ...told('active', active[hostname], (list) => list.map(taskLine)),
        ...told('reserved', reserved[hostname], (list) => list.map(taskLine)),
        ...told('scheduled', scheduled[hostname], (list) =>
          list.map(({ eta, request }) => `${eta} ${taskLine(request)}`),
        ),
        ...told('registered', registered[hostname], (list) => [`${list.length} tasks`, ...list]),
        ...told('revoked', revoked[hostname], (list) => [`${list.length}`]),
      ]
      this.#store.dispatch({ on: 'inspected', worker: hostname, inspected: { atMs: this.#clock.now(), lines } })
      return clean(`pong in ${ms} ms`)
    })
  }

  /** A line for the command log that is no command; a `quiet` one stands only there. */
  note(command: Clean, answer: Clean, { failed = false, quiet = false }: NoteKind = {}): void {
    const entry = { id: ++this.#lastLog, atMs: this.#clock.now(), command, answer, failed, quiet }
    this.#store.dispatch({ on: 'log', entry })
  }

  async #logged(command: Clean, work: (app: Tq) => Promise<Clean>): Promise<void> {
    const entry = { id: ++this.#lastLog, atMs: this.#clock.now(), command }
    this.#store.dispatch({ on: 'log', entry })
    try {
      const app = this.#app
      if (app === undefined) throw new Error('There is no connection to the broker.')
      const answer = await work(app)
      this.#store.dispatch({ on: 'log', entry: { ...entry, answer } })
    } catch (error) {
      this.#store.dispatch({ on: 'log', entry: { ...entry, answer: messageOf(error), failed: true } })
    }
  }

  /** Work that nobody waits for; a lost connection is told by the transport. */
  #background(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (this.#closed.signal.aborted || this.#store.get().connection.state !== 'live') return
      this.note(own`tq-tui`, messageOf(error), { failed: true })
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

function messageOf(error: unknown): Clean {
  return clean(error instanceof Error ? error.message : String(error))
}

function isRefusal(value: object | string): value is Refusal {
  return typeof value === 'object' && 'error' in value && !('pool' in value)
}

/** `w1@box: pool will grow`, or that nobody answered. Throws where one refused. */
function answersOf<T extends object>(
  replies: Readonly<Record<string, T | Refusal>>,
  text: (value: T) => string,
): Clean {
  const all = Object.entries(replies).map(([hostname, one]) => `${hostname}: ${isRefusal(one) ? one.error : text(one)}`)
  if (all.length === 0) throw new Error(`Nobody answered within ${answerMs / 1000} s.`)
  if (Object.values(replies).some(isRefusal)) throw new Error(all.join('; '))
  return clean(all.join('; '))
}

/** Lines of one answer under its title; nothing where there is none. */
function told<T extends object>(
  title: string,
  answer: T | Refusal | undefined,
  lines: (value: T) => readonly string[],
): readonly Clean[] {
  if (answer === undefined) return []
  const told_ = isRefusal(answer) ? [answer.error] : lines(answer)
  if (title === '') return told_.map(clean)
  const [first = 'none', ...rest] = told_.slice(0, 200)
  return [clean(`${title.padEnd(11)}${first}`), ...rest.map((line) => clean(`${' '.repeat(11)}${line}`))]
}

function statsLines({ pool, prefetchCount, uptime, broker }: InspectAnswer['stats']): readonly string[] {
  return [
    `pool       ${pool.implementation}, ${pool.maxConcurrency} at once`,
    `prefetch   ${prefetchCount}`,
    `up         ${Math.floor(uptime)} s`,
    `broker     ${broker.transport} ${broker.hostname}${broker.port === undefined ? '' : `:${broker.port}`}`,
  ]
}

function taskLine({ id, name, args }: InspectAnswer['active'][number]): string {
  return `${name} ${id} ${typeof args === 'string' ? args : JSON.stringify(args)}`
}
