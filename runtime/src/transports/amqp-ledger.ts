import type { AmqpDelivery } from './amqp-delivery.ts'

/** What is to be acknowledged in one go. */
export interface AckPlan {
  /** Everything up to this tag, in one frame. */
  readonly upTo: number | undefined
  /** One frame each. */
  readonly singles: readonly number[]
}

/**
 * The unsettled deliveries of one channel, oldest first. An acknowledgement of everything up to a tag is a single frame, but
 * may only be sent when nothing older is still held: a long task in front makes those behind it go singly.
 */
export class AmqpLedger {
  readonly #held = new Map<number, AmqpDelivery>()

  get size(): number {
    return this.#held.size
  }

  add(delivery: AmqpDelivery): void {
    this.#held.set(delivery.tag, delivery)
  }

  has(delivery: AmqpDelivery): boolean {
    return this.#held.get(delivery.tag) === delivery
  }

  remove(delivery: AmqpDelivery): void {
    this.#held.delete(delivery.tag)
  }

  all(): readonly AmqpDelivery[] {
    return [...this.#held.values()]
  }

  clear(): readonly AmqpDelivery[] {
    const all = this.all()
    this.#held.clear()
    return all
  }

  /** Takes the deliveries out; those that are not held any more are left alone. */
  settle(acknowledged: readonly AmqpDelivery[]): AckPlan {
    const tags = new Set<number>()
    for (const delivery of acknowledged) if (this.has(delivery)) tags.add(delivery.tag)
    let upTo: number | undefined
    for (const tag of this.#held.keys()) {
      if (!tags.has(tag)) break
      upTo = tag
      tags.delete(tag)
      this.#held.delete(tag)
    }
    for (const tag of tags) this.#held.delete(tag)
    return { upTo, singles: [...tags] }
  }
}
