import type { Clock, Timer } from '../core/clock.ts'
import { deferred } from '../core/lifecycle.ts'
import type { Logger } from '../core/logger.ts'
import type { Serializer } from '../serializers/serializer.ts'
import type { Transport, Unsubscribe } from '../transports/transport.ts'
import { encodeEvents, eventExchange } from '../wire/event-dict.ts'
import type { EventFields, EventSink, WorkerEvent } from './event.ts'
import type { LamportClock } from './lamport.ts'

export interface EventDispatcherDeps {
  readonly transport: Transport
  readonly hostname: string
  readonly pid: number
  readonly clock: Clock
  readonly lamport: LamportClock
  readonly logger: Logger
  /** Whether task events are sent from the start. */
  readonly enabled: boolean
  /** Of the setting `eventSerializer`; undefined is JSON. */
  readonly serializer?: Serializer | undefined
}

const largestBatch = 256
const largestBuffer = 10_000
const retryDelayMs = 1000

/**
 * Sends the events of one process. Task events of one turn of the event loop share one message; worker events go at once,
 * after what was emitted before them.
 *
 * States: idle -> gathering (a flush is scheduled for the end of the turn) -> sending -> idle; a failed broadcast leads to
 * waiting (retried every second, or as soon as the transport is ready). Meanwhile at most 10,000 events are kept, the
 * oldest go first; a heartbeat that failed is not sent later, since the next one says more.
 */
export class EventDispatcher implements EventSink {
  readonly #deps: EventDispatcherDeps
  readonly #unsubscribe: Unsubscribe
  #buffer: WorkerEvent[] = []
  #enabled: boolean
  #closed = false
  #scheduled = false
  #sending: Promise<void> | undefined
  #retry: Timer | undefined
  #failing = false
  #dropped = 0
  #reportedDrops = 0
  #utcoffset: number | undefined
  /** How many events were put into the buffer, and how many of them left it for good. */
  #emitted = 0
  #settled = 0
  #waiters: Waiter[] = []

  constructor(deps: EventDispatcherDeps) {
    this.#deps = deps
    this.#enabled = deps.enabled
    this.#unsubscribe = deps.transport.onState((state) => {
      if (state === 'ready' && this.#retry) this.#kick()
    })
  }

  get enabled(): boolean {
    return this.#enabled
  }

  /** Events given up because the broker could not take them in time. */
  get dropped(): number {
    return this.#dropped
  }

  setEnabled(on: boolean): void {
    this.#enabled = on
  }

  emit(fields: EventFields): void {
    if (this.#closed || (!this.#enabled && isTaskEvent(fields))) return
    const timestampMs = this.#deps.clock.now()
    this.#utcoffset ??= Math.trunc(new Date(timestampMs).getTimezoneOffset() / 60)
    this.#buffer.push({
      ...fields,
      hostname: this.#deps.hostname,
      pid: this.#deps.pid,
      clock: this.#deps.lamport.forward(),
      timestampMs,
      utcoffset: this.#utcoffset,
    })
    this.#emitted++
    this.#bound()
    if (!isGathered(fields)) this.#kick()
    else if (!this.#scheduled && !this.#sending && !this.#retry) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#utcoffset = undefined
        this.#kick()
      })
    }
  }

  /** Resolves when all that was emitted so far is out, or at the first broadcast that fails; never rejects. */
  flush(): Promise<void> {
    if (this.#settled === this.#emitted) return Promise.resolve()
    const { promise, resolve } = deferred<void>()
    this.#waiters.push({ upTo: this.#emitted, resolve })
    this.#kick()
    return promise
  }

  /** Flushes once; what is emitted later is dropped. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unsubscribe()
    await this.flush()
    this.#retry?.cancel()
    this.#retry = undefined
    this.#drop(this.#buffer.length)
    this.#buffer = []
  }

  #kick(): void {
    if (this.#sending) return
    this.#retry?.cancel()
    this.#retry = undefined
    if (this.#buffer.length === 0) return
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined
      // What was emitted after the last look at the buffer and before this moment: nobody else would send it.
      if (this.#buffer.length > 0 && !this.#retry && !(this.#closed && this.#failing)) this.#kick()
    })
  }

  async #sendAll(): Promise<void> {
    while (this.#buffer.length > 0) {
      const batch = this.#takeBatch()
      const encoded = this.#encode(batch)
      if (encoded) {
        try {
          await this.#deps.transport.broadcast(eventExchange, encoded.message, encoded.routingKey)
        } catch (error) {
          this.#failed(batch, error)
          return
        }
        this.#recovered()
      }
      this.#settle(batch.length)
    }
  }

  // Only a custom event, which goes alone, can hold what cannot be encoded.
  #encode(batch: readonly WorkerEvent[]): ReturnType<typeof encodeEvents> | undefined {
    try {
      return encodeEvents(batch, this.#deps.serializer)
    } catch (error) {
      this.#dropped += batch.length
      this.#deps.logger.warn(`An event of ${this.#deps.hostname} is dropped: ${textOf(error)}`)
      return undefined
    }
  }

  // A run of events that may share a message, or one other event alone.
  #takeBatch(): WorkerEvent[] {
    const end = this.#buffer.findIndex((event, index) => index === largestBatch || !isGathered(event))
    return this.#buffer.splice(0, end < 0 ? this.#buffer.length : Math.max(1, end))
  }

  #failed(batch: readonly WorkerEvent[], error: unknown): void {
    if (!this.#failing) {
      this.#failing = true
      this.#reportedDrops = this.#dropped
      this.#deps.logger.warn(
        `Could not send events of ${this.#deps.hostname}: ${textOf(error)} ` +
          `Monitors see nothing of this process until it succeeds; up to ${largestBuffer} task events are kept.`,
      )
    }
    if (isGathered(batch[0])) this.#buffer.unshift(...batch)
    else this.#drop(batch.length)
    this.#bound()
    this.#settle(0, { giveUp: true })
    if (!this.#closed) this.#retry = this.#deps.clock.timer(retryDelayMs, () => this.#kick())
  }

  #recovered(): void {
    if (!this.#failing) return
    this.#failing = false
    const lost = this.#dropped - this.#reportedDrops
    this.#deps.logger.info(
      `Events of ${this.#deps.hostname} are sent again${lost > 0 ? `; ${lost} were lost meanwhile` : ''}.`,
    )
  }

  #bound(): void {
    const over = this.#buffer.length - largestBuffer
    if (over <= 0) return
    this.#buffer.splice(0, over)
    this.#drop(over)
  }

  #drop(count: number): void {
    this.#dropped += count
    this.#settle(count)
  }

  #settle(count: number, { giveUp = false } = {}): void {
    this.#settled += count
    if (this.#waiters.length === 0) return
    const done: Waiter[] = []
    const waiting: Waiter[] = []
    for (const waiter of this.#waiters) (giveUp || waiter.upTo <= this.#settled ? done : waiting).push(waiter)
    this.#waiters = waiting
    for (const waiter of done) waiter.resolve()
  }
}

interface Waiter {
  readonly upTo: number
  readonly resolve: () => void
}

// Subject to `enabled`.
function isTaskEvent(event: EventFields): boolean {
  return (event.type === 'custom' ? event.name : event.type).startsWith('task-')
}

// May share a message with its neighbours.
function isGathered(event: EventFields | undefined): boolean {
  return event !== undefined && event.type !== 'custom' && event.type.startsWith('task-')
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
