import type { Clock, Timer } from '../core/clock.ts'
import type { AmqpDelivery } from './amqp-delivery.ts'

export interface InboxDeps {
  readonly clock: Clock
  /** Whether anything may be handed over now. */
  readonly isOpen: () => boolean
  readonly hand: (deliveries: readonly AmqpDelivery[]) => void
}

/**
 * Between the channel and the consumer: waits for the rest of a due time, gathers what one read of the socket brought, and
 * keeps the number of unsettled deliveries under the limit where the broker sends more (it counts for each queue).
 */
export class AmqpInbox {
  readonly #deps: InboxDeps
  readonly #waiting = new Map<AmqpDelivery, Timer>()
  readonly #handed = new Set<AmqpDelivery>()
  #arrived: AmqpDelivery[] = []
  #limit: number
  #handing = false

  /** `limit` 0 is none. */
  constructor(limit: number, deps: InboxDeps) {
    this.#limit = limit
    this.#deps = deps
  }

  setLimit(limit: number): void {
    this.#limit = limit
    this.handSoon()
  }

  /** Takes one in; it is handed over when it is due and there is room. */
  take(delivery: AmqpDelivery): void {
    const { clock } = this.#deps
    const waitMs = delivery.dueMs === undefined ? 0 : delivery.dueMs - clock.now()
    if (waitMs > 0) {
      // A timer may fire a moment before the clock is there.
      const timer = clock.timer(waitMs, () => this.take(delivery))
      this.#waiting.set(delivery, timer)
    } else {
      this.#waiting.delete(delivery)
      this.#arrived.push(delivery)
      this.handSoon()
    }
  }

  isWaiting(delivery: AmqpDelivery): boolean {
    return this.#waiting.has(delivery)
  }

  /** Those that are not due yet. */
  waiting(): readonly AmqpDelivery[] {
    return [...this.#waiting.keys()]
  }

  /** It is not held any more, and leaves room. */
  settled(delivery: AmqpDelivery): void {
    this.#handed.delete(delivery)
    this.#waiting.get(delivery)?.cancel()
    this.#waiting.delete(delivery)
    if (this.#arrived.length > 0) this.handSoon()
  }

  clear(): void {
    for (const timer of this.#waiting.values()) timer.cancel()
    this.#waiting.clear()
    this.#arrived = []
    this.#handed.clear()
  }

  /** After all frames that came in one read. */
  handSoon(): void {
    if (this.#handing) return
    this.#handing = true
    queueMicrotask(() => {
      this.#handing = false
      if (this.#deps.isOpen()) this.#hand()
    })
  }

  #hand(): void {
    const room = this.#limit > 0 ? Math.max(0, this.#limit - this.#handed.size) : this.#arrived.length
    const deliveries = this.#arrived.splice(0, room)
    if (deliveries.length === 0) return
    for (const delivery of deliveries) this.#handed.add(delivery)
    this.#deps.hand(deliveries)
  }
}
