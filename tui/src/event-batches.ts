import type { Clock } from 'tq-runtime'
import type { WorkerEvent } from 'tq-runtime/monitor'

export interface EventBatchesOptions {
  readonly clock: Clock
  readonly onBatch: (events: readonly WorkerEvent[], dropped: number) => void
}

const largestBacklog = 100_000

/** Gathers events: the first is handed on at once, what follows in batches that are `intervalMs` apart. */
export class EventBatches {
  readonly #options: EventBatchesOptions
  #waiting: WorkerEvent[] = []
  #dropped = 0
  #isArmed = false
  #flushedMs = 0
  #isClosed = false
  /** Least time between two batches; the screen makes it longer when a frame is expensive. */
  intervalMs = 100

  constructor(options: EventBatchesOptions) {
    this.#options = options
  }

  hear(events: readonly WorkerEvent[]): void {
    for (const event of events) this.#waiting.push(event)
    const over = this.#waiting.length - largestBacklog
    if (over > 0) this.#dropped += this.#waiting.splice(0, over).length
    if (this.#isArmed) return
    this.#isArmed = true
    const { clock } = this.#options
    const restMs = this.#flushedMs + this.intervalMs - clock.monotonic()
    if (restMs <= 0) setImmediate(() => this.#flush())
    else clock.timer(restMs, () => this.#flush(), { ref: true })
  }

  /** What still waits is dropped. */
  close(): void {
    this.#isClosed = true
  }

  #flush(): void {
    this.#isArmed = false
    this.#flushedMs = this.#options.clock.monotonic()
    const events = this.#waiting
    const dropped = this.#dropped
    this.#waiting = []
    this.#dropped = 0
    if (!this.#isClosed) this.#options.onBatch(events, dropped)
  }
}
