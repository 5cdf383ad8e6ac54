import type { TqApp } from '../app/tq.ts'
import { type ClusterState, emptyCluster, isAlive, reduceEvents, type WorkerView } from '../events/cluster-state.ts'
import type { WorkerEvent } from '../events/event.ts'
import { eventHistory, replayEvents } from '../events/history.ts'
import { subscribeEvents } from '../events/receiver.ts'
import type { Listening } from '../transports/transport.ts'
import { frameOf, liveOutcome, liveWorker, type LiveWorker } from './protocol.ts'

/** How long changes are gathered: a busy cluster sends ten messages a second, not one for each event. */
const gatherMs = 100
const limits = { maxTasks: 1000, maxText: 500 }
const tasksShown = 200
const historyRead = 500

/** The events of all workers, once for all clients: listened to while somebody watches, and for nobody else. */
export class ClusterFeed {
  readonly #app: TqApp
  readonly #watchers = new Map<object, (frame: string) => void>()
  #state: ClusterState = emptyCluster(limits)
  #listening: Promise<Listening> | undefined
  readonly #changed = new Set<string>()
  readonly #asked = new Set<string>()
  #workersSent = ''

  constructor(app: TqApp) {
    this.#app = app
  }

  /** The first frame is all that is known; then what changes. Rejects when the broker refuses to be listened to. */
  async watch(watcher: object, onFrame: (frame: string) => void): Promise<void> {
    this.#watchers.set(watcher, () => {}) // holds the feed open while it opens
    try {
      this.#listening ??= this.#listen()
      await this.#listening
    } catch (error) {
      this.#listening = undefined
      await this.unwatch(watcher)
      throw error
    }
    if (!this.#watchers.has(watcher)) return
    onFrame(this.#snapshot())
    this.#watchers.set(watcher, onFrame)
  }

  async unwatch(watcher: object): Promise<void> {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    const listening = this.#listening
    this.#listening = undefined
    await listening?.then((one) => one.close()).catch(() => undefined) // never opened: nothing to close
  }

  async close(): Promise<void> {
    for (const watcher of [...this.#watchers.keys()]) await this.unwatch(watcher)
  }

  async #listen(): Promise<Listening> {
    const transport = await this.#app.connections.transport()
    this.#state = emptyCluster(limits)
    this.#changed.clear()
    this.#asked.clear()
    const listening = await subscribeEvents(transport, (events) => this.#take(events))
    try {
      const past = await eventHistory(transport, historyRead)
      this.#state = replayEvents(this.#state, past, this.#app.clock.now())
    } catch (error) {
      await listening.close()
      throw error
    }
    // Workers of a server's broker send events only when they are asked. Their answers take a second, and nobody needs them.
    this.#app.control.enableEvents().catch((error: unknown) => {
      this.#app.logger.warn('The workers could not be asked for their events; live outcomes may be missing.', { error })
    })
    const flushing = this.#app.clock.interval(gatherMs, () => this.#flush())
    return {
      close: async () => {
        flushing.cancel()
        await listening.close()
      },
    }
  }

  #take(events: readonly WorkerEvent[]): void {
    this.#state = reduceEvents(this.#state, events, this.#app.clock.now())
    for (const event of events) {
      if ('uuid' in event) this.#changed.add(event.uuid)
      else if (event.type === 'worker-heartbeat') this.#ask(event.hostname)
      else if (event.type === 'worker-online') {
        this.#asked.delete(event.hostname) // it may have been here before: one that starts has heard nothing
        this.#ask(event.hostname)
      }
    }
  }

  /** A worker that came later has not heard the first request. */
  #ask(hostname: string): void {
    if (this.#asked.has(hostname)) return
    this.#asked.add(hostname)
    this.#app.control.enableEvents({ destination: [hostname] }).catch(() => this.#asked.delete(hostname))
  }

  #flush(): void {
    const tasks = [...this.#changed].flatMap((id) => this.#state.tasks.get(id) ?? []).map(liveOutcome)
    this.#changed.clear()
    const workers = this.#workers()
    const workersText = JSON.stringify(workers)
    if (tasks.length === 0 && workersText === this.#workersSent) return
    this.#workersSent = workersText
    const frame = frameOf({ type: 'cluster', reset: false, tasks, workers })
    for (const onFrame of this.#watchers.values()) onFrame(frame)
  }

  #snapshot(): string {
    const tasks = [...this.#state.tasks.values()].slice(-tasksShown).map(liveOutcome)
    return frameOf({ type: 'cluster', reset: true, tasks, workers: this.#workers() })
  }

  #workers(): readonly LiveWorker[] {
    const nowMs = this.#app.clock.now()
    return [...this.#state.workers.values()].map((one: WorkerView) => liveWorker(one, isAlive(one, nowMs)))
  }
}
