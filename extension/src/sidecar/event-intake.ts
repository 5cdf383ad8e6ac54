import { systemClock } from 'tq-runtime'
import {
  type ClusterState,
  emptyCluster,
  reduceEvents,
  replayEvents,
  type TaskView,
  type WorkerEvent,
} from 'tq-runtime/monitor'
import { OutcomeList } from './outcomes.ts'
import type { Texts } from './texts.ts'

/** What the events tell of one task. */
export type TaskListener = (task: TaskView) => void

const largestBacklog = 100_000

/** Takes the events of a broker together: what they make of the cluster, of tasks that somebody follows, and of those that ended. */
export class EventIntake {
  readonly outcomes: OutcomeList
  readonly #onOnline: (hostname: string) => void
  readonly #tasks = new Map<string, TaskListener>()
  #cluster: ClusterState = emptyCluster({ maxTasks: 5000, maxText: 1024 })
  #waiting: WorkerEvent[] = []

  constructor(texts: Texts, onOnline: (hostname: string) => void) {
    this.outcomes = new OutcomeList(texts)
    this.#onOnline = onOnline
  }

  get cluster(): ClusterState {
    return this.#cluster
  }

  /** Hears what events tell of one task, what is known already at once; call what comes back to end that. */
  follow(id: string, listener: TaskListener): () => void {
    this.#tasks.set(id, listener)
    const known = this.#cluster.tasks.get(id)
    if (known) listener(known)
    return () => this.#tasks.delete(id)
  }

  /** Kept until `reduce`. */
  hear(events: readonly WorkerEvent[]): void {
    for (const event of events) this.#waiting.push(event)
    if (this.#waiting.length > largestBacklog) this.#waiting.splice(0, this.#waiting.length - largestBacklog)
  }

  /** Whether one of these is about a task that somebody follows. */
  isAwaited(events: readonly WorkerEvent[]): boolean {
    return this.#tasks.size > 0 && events.some((event) => 'uuid' in event && this.#tasks.has(event.uuid))
  }

  /** What was there before anybody listened. */
  replay(history: readonly WorkerEvent[]): void {
    this.#cluster = replayEvents(this.#cluster, history, systemClock.now())
  }

  reduce(): void {
    if (this.#waiting.length === 0) return
    const events = this.#waiting
    this.#waiting = []
    this.#cluster = reduceEvents(this.#cluster, events, systemClock.now())
    this.outcomes.add(events, this.#cluster)
    const touched = new Set<string>()
    for (const event of events) {
      if (event.type === 'worker-online') this.#onOnline(event.hostname)
      if ('uuid' in event && this.#tasks.has(event.uuid)) touched.add(event.uuid)
    }
    for (const id of touched) {
      const task = this.#cluster.tasks.get(id)
      if (task) this.#tasks.get(id)?.(task)
    }
  }

  /** Nothing has happened. */
  clear(): void {
    this.#cluster = emptyCluster(this.#cluster.limits)
  }
}
