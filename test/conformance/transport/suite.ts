import { expect } from 'vitest'
import type { ResultBackend } from '../../../runtime/src/backends/result-backend.ts'
import type { RawMessage } from '../../../runtime/src/core/message.ts'
import type { VirtualClock } from '../../../runtime/src/core/virtual-clock.ts'
import type { Queue } from '../../../runtime/src/transports/topology.ts'
import type { Delivery, Subscription, Transport } from '../../../runtime/src/transports/transport.ts'
import type { Condition } from '../../helpers/clock.ts'

export const hourMs = 3_600_000
export const stallMs = 200

/** One empty broker, made anew for each test. */
export interface TransportFixture {
  /** A further client of the same broker, over a connection of its own, not connected yet. The suite closes it. */
  open(): Promise<Transport>
  /** The broker's clock where it is a virtual one; absent where time is real. */
  readonly clock?: VirtualClock | undefined
  /** `waitFor` or `waitForOn(clock)` of helpers/clock.ts. */
  waitFor(condition: Condition): Promise<void>
  /** Called after the clients are closed. */
  cleanup(): Promise<void>
  /** A result backend whose plans these transports carry out, not connected yet; absent where there is none. */
  readonly plan?: (() => Promise<ResultBackend>) | undefined
}

export type Behaviour = (title: string, run: () => Promise<void>) => void

/** What each part of the suite works with: the broker of the test that runs, and its clients, which are closed after it. */
export interface TransportSuite {
  readonly fixture: TransportFixture
  readonly nativeEta: boolean
  readonly priority: boolean
  readonly plans: boolean
  readonly withPriorities: Behaviour
  readonly withPlans: Behaviour
  unconnected(): Promise<Transport>
  /** With the queues declared, `q` by default. */
  connected(queues?: readonly Queue[]): Promise<Transport>
  connectedBackend(): Promise<ResultBackend>
  /** Of queue `q` and without a prefetch, by default. */
  consumed(transport: Transport, queues?: readonly string[], prefetch?: number): Promise<Inbox>
  nowMs(): number
}

/** Collects what a subscription delivers; each delivery is handed out once, in order of arrival. */
export class Inbox {
  readonly all: Delivery[] = []
  /** Largest number of deliveries that were unsettled at one time; only where all are settled through `ack` below. */
  mostUnsettled = 0
  autoAck = false
  readonly #waitFor: (condition: Condition) => Promise<void>
  readonly #nowMs: () => number
  readonly #arrivals = new Map<Delivery, number>()
  #subscription: Subscription | undefined
  #failure: unknown
  #unsettled = 0
  #taken = 0

  constructor(waitFor: (condition: Condition) => Promise<void>, nowMs: () => number) {
    this.#waitFor = waitFor
    this.#nowMs = nowMs
  }

  get subscription(): Subscription {
    if (!this.#subscription) throw new Error('not subscribed yet')
    return this.#subscription
  }

  async consume(transport: Transport, queues: readonly string[], prefetch: number): Promise<void> {
    this.#subscription = await transport.subscribe(queues, { prefetch }, (deliveries) => this.#collect(deliveries))
  }

  async take(count: number): Promise<readonly Delivery[]> {
    await this.#waitFor(() => this.#failure !== undefined || this.all.length >= this.#taken + count)
    if (this.#failure !== undefined) throw this.#failure
    this.#taken += count
    return this.all.slice(this.#taken - count, this.#taken)
  }

  arrivedMs(delivery: Delivery): number | undefined {
    return this.#arrivals.get(delivery)
  }

  async next(): Promise<Delivery> {
    const [delivery] = await this.take(1)
    if (!delivery) throw new Error('nothing was delivered')
    return delivery
  }

  // Counted down before the answer: the next claim may ride in the same exchange and be delivered first.
  async ack(delivery: Delivery): Promise<void> {
    this.#unsettled--
    expect(await delivery.ack()).toBe('ok')
  }

  #collect(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) this.#failure = new Error('onDeliveries was called with an empty list')
    this.all.push(...deliveries)
    for (const delivery of deliveries) this.#arrivals.set(delivery, this.#nowMs())
    this.#unsettled += deliveries.length
    this.mostUnsettled = Math.max(this.mostUnsettled, this.#unsettled)
    if (!this.autoAck) return
    for (const delivery of deliveries) {
      this.ack(delivery).catch((error: unknown) => {
        this.#failure = error
      })
    }
  }
}

/** A few turns of the event loop: a claim that was under way is over, and what wakes the consumer now is what the test does. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Of this priority. */
export function urgent(priority: number): Partial<RawMessage> {
  return { properties: { priority } }
}
