import type { StorePlan } from '../backends/result-backend.ts'
import { ChannelError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import { SettleOnce } from './settle-once.ts'
import type { Delivery, DeliveryInfo, Settled } from './transport.ts'

/** Settles deliveries for the channel that brought them. */
export interface DeliveryHolder {
  ack(delivery: AmqpDelivery): Promise<Settled>
  reject(delivery: AmqpDelivery, requeue: boolean): Promise<Settled>
  park(delivery: AmqpDelivery, untilMs: number): Promise<Settled>
  quarantine(delivery: AmqpDelivery, reason: string): Promise<Settled>
}

export class AmqpDelivery implements Delivery {
  readonly raw: RawMessage
  readonly info: DeliveryInfo
  /** Number of the delivery on its channel. */
  readonly tag: number
  /** Not to be handed over before. */
  readonly dueMs: number | undefined
  readonly #holder: DeliveryHolder
  readonly #settling = new SettleOnce()

  constructor(
    holder: DeliveryHolder,
    given: {
      readonly raw: RawMessage
      readonly info: DeliveryInfo
      readonly tag: number
      readonly dueMs: number | undefined
    },
  ) {
    this.#holder = holder
    this.raw = given.raw
    this.info = given.info
    this.tag = given.tag
    this.dueMs = given.dueMs
  }

  ack(options?: { readonly storing?: StorePlan | undefined }): Promise<Settled> {
    const storing = options?.storing
    if (storing && !this.#settling.isSettled) {
      return Promise.reject(
        new ChannelError(
          `An acknowledgement to RabbitMQ cannot store a result for ${storing.driver}; store it there first, then acknowledge.`,
        ),
      )
    }
    return this.#settling.run(() => this.#holder.ack(this))
  }

  reject(options: { readonly requeue: boolean }): Promise<Settled> {
    return this.#settling.run(() => this.#holder.reject(this, options.requeue))
  }

  park(untilMs: number): Promise<Settled> {
    return this.#settling.run(() => this.#holder.park(this, untilMs))
  }

  quarantine(reason: string): Promise<Settled> {
    return this.#settling.run(() => this.#holder.quarantine(this, reason))
  }

  /** The broker has it back: whatever is asked from now on answers so. */
  lose(): void {
    this.#settling.lose()
  }
}
