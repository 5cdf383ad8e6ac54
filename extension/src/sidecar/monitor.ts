import { type Logger, systemClock, type TaskMeta, Tq } from 'tq-runtime'
import { eventHistory, isAlive, subscribeEvents, type WorkerEvent } from 'tq-runtime/monitor'
import { existsSync } from 'node:fs'
import type { BrokerPlace } from './broker-place.ts'
import { ConnectionGate } from './connection-gate.ts'
import type { Editor } from './editor.ts'
import { EventIntake, type TaskListener } from './event-intake.ts'
import { liveQueues } from './live-queues.ts'
import { LiveShow } from './live-show.ts'
import type { LiveFacts } from './live-state.ts'
import type { LiveQueue, LiveWorker, TaskOutcome } from './protocol.ts'
import type { Texts } from './texts.ts'
import { isConsumed, WorkerQuestions } from './worker-questions.ts'

export interface MonitorListener {
  onState(state: MonitorState): void
  onLive(workers: readonly LiveWorker[], queues: readonly LiveQueue[]): void
  onOutcomes(outcomes: readonly Omit<TaskOutcome, 'target'>[], more: number): void
  ownWorkers(): Pick<LiveFacts, 'own' | 'replaced'>
}

export interface MonitorState {
  readonly state: 'connecting' | 'live' | 'lost' | 'failed'
  readonly reason?: string | undefined
}

const showEveryMs = 250
const tickMs = 1000
const pollMs = 2000
const answerMs = 1500
const longestPauseMs = 15_000

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
  readonly #intake: EventIntake
  readonly #live: LiveShow
  readonly #gate = new ConnectionGate()
  readonly #questions = new WorkerQuestions()
  #again = new AbortController()
  #running: Promise<void> | undefined
  #app: Tq | undefined
  #wake = new AbortController()
  #flushing = false
  #flushedMs = 0
  #isVisible = false
  #state: MonitorState = { state: 'connecting' }

  constructor(place: BrokerPlace, deps: { editor: Editor; texts: Texts; listener: MonitorListener }) {
    this.place = place
    this.#editor = deps.editor
    this.#texts = deps.texts
    this.#listener = deps.listener
    this.#intake = new EventIntake(deps.texts, (hostname) => this.#questions.forget(hostname))
    this.#live = new LiveShow({
      texts: deps.texts,
      questions: this.#questions,
      onLive: (workers, queues) => deps.listener.onLive(workers, queues),
      ownWorkers: () => deps.listener.ownWorkers(),
    })
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
  connected(patienceMs: number): Promise<Tq> {
    const app = this.#gate.wait(patienceMs, () => this.#state.reason ?? `${this.place.name} does not answer.`)
    this.wake()
    return app
  }

  /** Hears what events tell of one task, what is known already at once; call what comes back to end that. */
  follow(id: string, listener: TaskListener): () => void {
    return this.#intake.follow(id, listener)
  }

  /** False while the file of the broker does not exist. */
  mayConnect(): boolean {
    return this.place.file === undefined || existsSync(this.place.file)
  }

  /** For how long a worker has been silent that should not be; undefined for one that lives or said goodbye. */
  awayMs(hostname: string): number | undefined {
    const worker = this.#intake.cluster.workers.get(hostname)
    const nowMs = systemClock.now()
    if (!worker || isAlive(worker, nowMs) || this.#state.state !== 'live') return undefined
    return nowMs - worker.lastSeenMs
  }

  /** Whether anybody consumes the queue, as far as can be found out within a second. */
  async isConsumed(queue: string): Promise<boolean> {
    return isConsumed(await this.connected(answerMs), queue)
  }

  /** A living worker that consumes the queue and has no such task, where all of its consumers lack it. */
  stranger(queue: string, task: string): string | undefined {
    return this.#questions.stranger(queue, task, this.#intake.cluster)
  }

  async meta(id: string, patienceMs: number): Promise<TaskMeta | undefined> {
    const app = await this.connected(patienceMs)
    return app.result(id).meta()
  }

  /** Shows what is known again: own workers came or went, or somebody has joined. */
  show(): void {
    this.#live.forget()
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
        const app = new Tq('tq-vscode', { ...this.place.settings, logger: loggerOf(this.#editor, this.place.name) })
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
        this.#gate.close()
        await app?.close().catch(() => undefined)
      }
    }
  }

  async #waitForFile(signal: AbortSignal): Promise<void> {
    const { file } = this.place
    if (file === undefined || existsSync(file)) return
    // A database that nobody has made yet is a broker on which nothing happens.
    this.#intake.clear()
    this.#questions.clear()
    this.#live.queues = []
    this.#setState({ state: 'live' })
    this.#live.show(this.#intake.cluster)
    while (!signal.aborted && !existsSync(file)) await this.#pause(this.#gate.isWanted ? 20 : tickMs, signal)
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
      this.#intake.replay(await eventHistory(transport))
      signal.throwIfAborted()
      this.#setState({ state: 'live' })
      this.#gate.open(app)
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
    this.#intake.hear(events)
    // The past comes first.
    if (!this.#gate.isOpen) return
    if (this.#intake.isAwaited(events)) this.#intake.reduce()
    this.#scheduleFlush()
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
    if (this.#gate.isOpen) this.#intake.reduce()
    const news = this.#intake.outcomes.take()
    if (news) this.#listener.onOutcomes(news.outcomes, news.more)
    this.#meetWorkers()
    this.#live.show(this.#intake.cluster)
  }

  // --- queues ------------------------------------------------------------------------------------------------------

  #meetWorkers(): void {
    this.#background(async () => {
      if (this.#app && (await this.#questions.askNew(this.#app, this.#intake.cluster))) this.#scheduleFlush()
    })
  }

  async #pollQueues(): Promise<void> {
    const app = this.#app
    if (!app) return
    this.#live.queues = await liveQueues(app, {
      defaultQueue: this.place.defaultQueue,
      questions: this.#questions,
      cluster: this.#intake.cluster,
      texts: this.#texts,
    })
    this.#scheduleFlush()
  }
}

function loggerOf(editor: Editor, broker: string): Logger {
  const at = (level: 'info' | 'warn' | 'error') => (message: string) => editor.log(level, `${broker}: ${message}`)
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }
}
