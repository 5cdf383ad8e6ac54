import { type Logger, systemClock, type TaskMeta, Tq } from 'tq-runtime'
import {
  type ClusterState,
  emptyCluster,
  eventHistory,
  isAlive,
  reduceEvents,
  replayEvents,
  subscribeEvents,
  type TaskView,
  type WorkerEvent,
} from 'tq-runtime/monitor'
import { existsSync } from 'node:fs'
import type { BrokerPlace } from './broker-place.ts'
import type { Editor } from './editor.ts'
import { fingerprint, liveWorkers } from './live-state.ts'
import { OutcomeList } from './outcomes.ts'
import type { LiveQueue, LiveWorker, TaskOutcome } from './protocol.ts'
import type { Texts } from './texts.ts'
import { queueNames, WorkerQuestions } from './worker-questions.ts'

export interface MonitorListener {
  onState(state: MonitorState): void
  onLive(workers: readonly LiveWorker[], queues: readonly LiveQueue[]): void
  onOutcomes(outcomes: readonly Omit<TaskOutcome, 'target'>[], more: number): void
  /** Node names of the workers that were started from here. */
  ownWorkers(): ReadonlySet<string>
}

export interface MonitorState {
  readonly state: 'connecting' | 'live' | 'lost' | 'failed'
  readonly reason?: string | undefined
}

/** What the events tell of one task. */
export type TaskListener = (task: TaskView) => void

const showEveryMs = 250
const tickMs = 1000
const pollMs = 2000
const answerMs = 1500
const longestPauseMs = 15_000
const largestBacklog = 100_000

/**
 * Follows one broker: its events and their history, its workers' answers, its queues. Connects again by itself. A SQLite file that
 * does not exist is waited for, never made.
 */
export class Monitor {
  readonly place: BrokerPlace
  readonly #editor: Editor
  readonly #texts: Texts
  readonly #listener: MonitorListener
  readonly #closed = new AbortController()
  readonly #outcomes: OutcomeList
  readonly #tasks = new Map<string, TaskListener>()
  readonly #questions = new WorkerQuestions()
  #again = new AbortController()
  #running: Promise<void> | undefined
  #connected = Promise.withResolvers<Tq>()
  #isConnected = false
  #wanted = 0
  #app: Tq | undefined
  #wake = new AbortController()
  #cluster: ClusterState = emptyCluster({ maxTasks: 5000, maxText: 1024 })
  #queues: readonly LiveQueue[] = []
  #waiting: WorkerEvent[] = []
  #flushing = false
  #flushedMs = 0
  #shown = ''
  #isVisible = false
  #state: MonitorState = { state: 'connecting' }

  constructor(place: BrokerPlace, deps: { editor: Editor; texts: Texts; listener: MonitorListener }) {
    this.place = place
    this.#editor = deps.editor
    this.#texts = deps.texts
    this.#listener = deps.listener
    this.#outcomes = new OutcomeList(deps.texts)
  }

  get state(): MonitorState {
    return this.#state
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Looks for the file at once, or connects at once. */
  wake(): void {
    this.#wake.abort()
  }

  /** Connects anew. */
  reconnect(): void {
    this.#again.abort()
    this.wake()
  }

  setVisible(isVisible: boolean): void {
    this.#isVisible = isVisible
    if (isVisible) this.#background(() => this.#pollQueues())
  }

  /** The app of the living connection; rejects with why there is none after `patienceMs`. */
  async connected(patienceMs: number): Promise<Tq> {
    this.#wanted++
    this.wake()
    let late: (error: Error) => void = () => undefined
    const timeout = new Promise<never>((_, reject) => {
      late = reject
    })
    const timer = systemClock.timer(
      patienceMs,
      () => {
        const why = this.#state.reason ?? `${this.place.name} does not answer.`
        late(new Error(`There is no connection to the broker. ${why}`))
      },
      { ref: true },
    )
    try {
      return await Promise.race([this.#connected.promise, timeout])
    } finally {
      this.#wanted--
      timer.cancel()
    }
  }

  /** The app, if there is a connection now. */
  get app(): Tq | undefined {
    return this.#app
  }

  /** Hears what events tell of one task, what is known already at once; call what comes back to end that. */
  follow(id: string, listener: TaskListener): () => void {
    this.#tasks.set(id, listener)
    const known = this.#cluster.tasks.get(id)
    if (known) listener(known)
    return () => this.#tasks.delete(id)
  }

  /** False while the file of the broker does not exist. */
  mayConnect(): boolean {
    return this.place.file === undefined || existsSync(this.place.file)
  }

  /** For how long a worker has been silent that should not be; undefined for one that lives or said goodbye. */
  awayMs(hostname: string): number | undefined {
    const worker = this.#cluster.workers.get(hostname)
    const nowMs = systemClock.now()
    if (!worker || isAlive(worker, nowMs) || this.#state.state !== 'live') return undefined
    return nowMs - worker.lastSeenMs
  }

  /** Whether anybody consumes the queue, as far as can be found out within a second. */
  async isConsumed(queue: string): Promise<boolean> {
    const app = await this.connected(answerMs)
    const { consumers } = await (await app.connections.transport()).queueInfo(queue)
    if (consumers !== undefined) return consumers > 0
    const answers = await app.control.inspect('activeQueues', { timeoutMs: 1000 })
    return Object.values(answers).some((queues) => queueNames(queues)?.includes(queue) === true)
  }

  /** A living worker that consumes the queue and has no such task, where all of its consumers lack it. */
  stranger(queue: string, task: string): string | undefined {
    return this.#questions.stranger(queue, task, this.#cluster)
  }

  async meta(id: string, patienceMs: number): Promise<TaskMeta | undefined> {
    const app = await this.connected(patienceMs)
    return app.result(id).meta()
  }

  /** Shows what is known again: own workers came or went. */
  show(): void {
    this.#shown = ''
    this.#scheduleFlush()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.reconnect()
    await this.#running
  }

  // --- connecting -----------------------------------------------------------------------------------------------------

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#closed.signal.aborted) {
      this.#again = new AbortController()
      const { signal } = this.#again
      try {
        await this.#waitForFile(signal)
        if (signal.aborted) continue
        const app = new Tq('tq-vscode', { ...this.place.settings, logger: this.#logger() })
        this.#app = app
        await this.#followEvents(app, signal, () => {
          failures = 0
        })
      } catch (error) {
        if (this.#closed.signal.aborted) break
        const isFinal = error instanceof Error && 'code' in error && error.code === 'TQ_SETTING'
        this.#setState({ state: isFinal ? 'failed' : 'lost', reason: this.#texts.error(error, 500) })
        const pauseMs = isFinal ? Infinity : Math.min(longestPauseMs, 1000 * 2 ** failures++)
        await this.#pause(pauseMs, signal)
      } finally {
        const app = this.#app
        this.#app = undefined
        if (this.#isConnected) this.#connected = Promise.withResolvers<Tq>()
        this.#isConnected = false
        await app?.close().catch(() => undefined)
      }
    }
  }

  async #waitForFile(signal: AbortSignal): Promise<void> {
    const { file } = this.place
    if (file === undefined || existsSync(file)) return
    // A database that nobody has made yet is a broker on which nothing happens.
    this.#cluster = emptyCluster(this.#cluster.limits)
    this.#questions.clear()
    this.#queues = []
    this.#setState({ state: 'live' })
    this.#show()
    while (!signal.aborted && !existsSync(file)) await this.#pause(this.#wanted > 0 ? 20 : tickMs, signal)
  }

  /** Until `signal` aborts or somebody wakes it. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController()
    await systemClock.sleep(ms, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined)
  }

  async #followEvents(app: Tq, signal: AbortSignal, onConnected: () => void): Promise<void> {
    if (this.#state.state === 'connecting') this.#setState({ state: 'connecting' })
    const transport = await app.connections.transport()
    signal.throwIfAborted()
    const stopListening = transport.onState((state, cause) => {
      if (signal.aborted) return
      if (state === 'ready') {
        this.#setState({ state: 'live' })
        // Workers may have been started anew meanwhile, with their events off.
        this.#questions.askAllAgain()
        this.#meetWorkers()
      } else if (state === 'lost') {
        this.#setState({ state: 'lost', reason: cause && this.#texts.error(cause, 500) })
        const { file } = this.place
        if (file !== undefined) setImmediate(() => !existsSync(file) && this.#again.abort())
      }
    })
    const listening = await subscribeEvents(transport, (events) => this.#hear(events))
    let ticks = 0
    const tick = systemClock.interval(tickMs, () => {
      ticks++
      this.#scheduleFlush()
      if (this.#isVisible && (ticks * tickMs) % pollMs === 0) this.#background(() => this.#pollQueues())
      this.#meetWorkers()
    })
    try {
      await transport.announce({ name: 'tq-vscode', kind: 'monitor', queues: [] })
      this.#cluster = replayEvents(this.#cluster, await eventHistory(transport), systemClock.now())
      signal.throwIfAborted()
      this.#setState({ state: 'live' })
      this.#isConnected = true
      this.#connected.resolve(app)
      onConnected()
      this.#background(() => this.#pollQueues())
      this.#background(() => this.#questions.askEverybody(app).then(() => this.#scheduleFlush()))
      this.#scheduleFlush()
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    } finally {
      tick.cancel()
      stopListening()
      await listening.close().catch(() => undefined)
    }
  }

  #setState(state: MonitorState): void {
    const isSame = this.#state.state === state.state && this.#state.reason === state.reason
    this.#state = state
    if (!isSame) this.#listener.onState(state)
  }

  #logger(): Logger {
    const at =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (message: string): void =>
        this.#editor.log(level, `${this.place.name}: ${message}`)
    return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }
  }

  /** Work that nobody waits for; that the connection is lost is told elsewhere. */
  #background(work: () => Promise<void>): void {
    if (this.#state.state !== 'live' || this.#app === undefined) return
    work().catch((error: unknown) => {
      if (this.#closed.signal.aborted || this.#state.state !== 'live') return
      this.#editor.log('debug', `${this.place.name}: ${String(error)}`)
    })
  }

  // --- events ---------------------------------------------------------------------------------------------------------

  #hear(events: readonly WorkerEvent[]): void {
    for (const event of events) this.#waiting.push(event)
    if (this.#waiting.length > largestBacklog) this.#waiting.splice(0, this.#waiting.length - largestBacklog)
    // The past comes first.
    if (!this.#isConnected) return
    const isAwaited = this.#tasks.size > 0 && events.some((event) => 'uuid' in event && this.#tasks.has(event.uuid))
    if (isAwaited) this.#reduce()
    this.#scheduleFlush()
  }

  #reduce(): void {
    const events = this.#waiting
    this.#waiting = []
    this.#cluster = reduceEvents(this.#cluster, events, systemClock.now())
    this.#outcomes.add(events, this.#cluster)
    const touched = new Set<string>()
    for (const event of events) {
      if (event.type === 'worker-online') this.#questions.forget(event.hostname)
      if ('uuid' in event && this.#tasks.has(event.uuid)) touched.add(event.uuid)
    }
    for (const id of touched) {
      const task = this.#cluster.tasks.get(id)
      if (task) this.#tasks.get(id)?.(task)
    }
  }

  #scheduleFlush(): void {
    if (this.#flushing || this.#closed.signal.aborted) return
    this.#flushing = true
    const restMs = this.#flushedMs + showEveryMs - systemClock.monotonic()
    systemClock.timer(Math.max(0, restMs), () => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    this.#flushedMs = systemClock.monotonic()
    if (this.#closed.signal.aborted) return
    if (this.#isConnected && this.#waiting.length > 0) this.#reduce()
    const news = this.#outcomes.take()
    if (news) this.#listener.onOutcomes(news.outcomes, news.more)
    this.#meetWorkers()
    this.#show()
  }

  #show(): void {
    const workers = liveWorkers(this.#cluster, this.#questions.answers, {
      nowMs: systemClock.now(),
      own: this.#listener.ownWorkers(),
      texts: this.#texts,
    })
    const print = `${fingerprint(workers)}${JSON.stringify(this.#queues)}`
    if (print === this.#shown) return
    this.#shown = print
    this.#listener.onLive(workers, this.#queues)
  }

  /** The last state again, for a target that has joined. */
  showAgain(): void {
    this.#shown = ''
    this.#show()
  }

  // --- queues ------------------------------------------------------------------------------------------------------

  #meetWorkers(): void {
    this.#background(async () => {
      if (this.#app && (await this.#questions.askNew(this.#app, this.#cluster))) this.#scheduleFlush()
    })
  }

  async #pollQueues(): Promise<void> {
    const app = this.#app
    if (!app) return
    const transport = await app.connections.transport()
    const seen = new Set([this.place.defaultQueue, ...(await transport.queueNames())])
    for (const { queues } of this.#questions.answers.values()) for (const name of queues ?? []) seen.add(name)
    const names = [...seen].sort().slice(0, 200)
    this.#queues = await Promise.all(
      names.map(async (name): Promise<LiveQueue> => {
        const { ready, held, parked, consumers } = await transport.queueInfo(name)
        const known = consumers ?? this.#questions.consumersOf(name, this.#cluster)
        return { name: this.#texts.line(name), ready, held, parked, ...(known !== undefined && { consumers: known }) }
      }),
    )
    this.#scheduleFlush()
  }
}
