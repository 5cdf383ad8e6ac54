import type { StorePlan } from '../backends/result-backend.ts'
import type { RawMessage } from '../core/message.ts'
import type { Delivery, DeliveryInfo, Settled } from './transport.ts'

/** Settles deliveries for the subscription that claimed them. */
export interface DeliveryHolder {
  /** Why this plan cannot be carried out, if it cannot. */
  refusal(storing: StorePlan | undefined): Error | undefined
  settle(delivery: RedisDelivery, storing: StorePlan | undefined): Promise<Settled>
  requeue(delivery: RedisDelivery): Promise<Settled>
  park(delivery: RedisDelivery, untilMs: number): Promise<Settled>
  quarantine(delivery: RedisDelivery, reason: string): Promise<Settled>
}

export class RedisDelivery implements Delivery {
  readonly raw: RawMessage
  readonly info: DeliveryInfo
  readonly tag: string
  /** As it was taken from the list. */
  readonly envelope: string
  /** Score under which we hold it: the proof of ownership. Another one once the lease was refreshed. */
  score: number
  /** The scores before refreshes whose answers have not come: one of these or `score` is the current one. */
  formerScores: readonly number[] = []
  readonly #holder: DeliveryHolder
  #settled: Promise<Settled> | undefined

  constructor(
    holder: DeliveryHolder,
    claimed: {
      readonly raw: RawMessage
      readonly info: DeliveryInfo
      readonly tag: string
      readonly envelope: string
      readonly score: number
    },
  ) {
    this.#holder = holder
    this.raw = claimed.raw
    this.info = claimed.info
    this.tag = claimed.tag
    this.envelope = claimed.envelope
    this.score = claimed.score
  }

  ack(options?: { readonly storing?: StorePlan | undefined }): Promise<Settled> {
    const refused = this.#settled ? undefined : this.#holder.refusal(options?.storing)
    if (refused) return Promise.reject(refused)
    return this.#once(() => this.#holder.settle(this, options?.storing))
  }

  reject(options: { readonly requeue: boolean }): Promise<Settled> {
    return this.#once(() => (options.requeue ? this.#holder.requeue(this) : this.#holder.settle(this, undefined)))
  }

  park(untilMs: number): Promise<Settled> {
    return this.#once(() => this.#holder.park(this, untilMs))
  }

  quarantine(reason: string): Promise<Settled> {
    return this.#once(() => this.#holder.quarantine(this, reason))
  }

  /** The message is not ours any more: whatever is asked from now on answers so. */
  lose(): void {
    this.#settled ??= Promise.resolve('lost')
  }

  /** The first answer stands; after a failure it may be tried again. */
  #once(settle: () => Promise<Settled>): Promise<Settled> {
    if (this.#settled) return this.#settled
    const settled = settle()
    this.#settled = settled
    settled.catch(() => {
      this.#settled = undefined
    })
    return settled
  }
}
