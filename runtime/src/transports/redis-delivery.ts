import type { StorePlan } from '../backends/result-backend.ts'
import type { RawMessage } from '../core/message.ts'
import { SettleOnce } from './settle-once.ts'
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
  readonly #settling = new SettleOnce()

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
    const refused = this.#settling.isSettled ? undefined : this.#holder.refusal(options?.storing)
    if (refused) return Promise.reject(refused)
    return this.#settling.run(() => this.#holder.settle(this, options?.storing))
  }

  reject(options: { readonly requeue: boolean }): Promise<Settled> {
    return this.#settling.run(() =>
      options.requeue ? this.#holder.requeue(this) : this.#holder.settle(this, undefined),
    )
  }

  park(untilMs: number): Promise<Settled> {
    return this.#settling.run(() => this.#holder.park(this, untilMs))
  }

  quarantine(reason: string): Promise<Settled> {
    return this.#settling.run(() => this.#holder.quarantine(this, reason))
  }

  /** The message is not ours any more: whatever is asked from now on answers so. */
  lose(): void {
    this.#settling.lose()
  }
}
