import type { StorePlan } from '../backends/result-backend.ts'
import { ChannelError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import type { Transaction } from '../drivers/sqlite-commit.ts'
import type { Session } from '../drivers/sqlite-presence.ts'
import { storeResult } from '../drivers/sqlite-results.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { bury, deleteMessage, parkMessage, release, requeue, type StoredMessage } from './sqlite-messages.ts'
import type { Delivery, DeliveryInfo, Settled } from './transport.ts'

/** The subscription that a delivery counts against. */
export interface DeliveryHolder {
  readonly store: SqliteStore
  /** The delivery is being settled: its place in the prefetch is free. */
  settling(delivery: SqliteDelivery): void
  /** Its settlement is part of the transaction that is being made; called again when that is repeated. */
  settled(delivery: SqliteDelivery): void
  /** It could not be settled after all and is still held. */
  unsettled(delivery: SqliteDelivery): void
}

export class SqliteDelivery implements Delivery {
  readonly raw: RawMessage
  readonly info: DeliveryInfo
  readonly stored: StoredMessage
  readonly #session: Session
  readonly #holder: DeliveryHolder
  #settled: Promise<Settled> | undefined

  constructor(
    stored: StoredMessage,
    content: { readonly raw: RawMessage; readonly info: DeliveryInfo },
    session: Session,
    holder: DeliveryHolder,
  ) {
    this.stored = stored
    this.raw = content.raw
    this.info = content.info
    this.#session = session
    this.#holder = holder
  }

  ack(options?: { readonly storing?: StorePlan | undefined }): Promise<Settled> {
    const storing = options?.storing
    const { store } = this.#holder
    if (storing !== undefined && storing.driver !== store.driver) {
      return Promise.reject(
        new ChannelError(
          `This acknowledgement cannot store a result for ${storing.driver}; store it there first, then acknowledge.`,
        ),
      )
    }
    return this.#settle((tx) => {
      deleteMessage(tx, this.stored.seq)
      if (storing !== undefined) storeResult(tx, storing, store.clock.now())
    }, storing?.text.length)
  }

  reject(options: { readonly requeue: boolean }): Promise<Settled> {
    return this.#settle((tx) => {
      if (options.requeue) requeue(tx, this.stored)
      else deleteMessage(tx, this.stored.seq)
    })
  }

  park(untilMs: number): Promise<Settled> {
    return this.#settle((tx) => parkMessage(tx, this.stored, untilMs, this.#holder.store.clock.now()))
  }

  /** Into quarantine. */
  bury(reason: string): Promise<Settled> {
    return this.#settle((tx) => bury(tx, this.stored.seq, reason, this.#holder.store.clock.now()))
  }

  /** Back to its queue because its subscription ends; for its holder the delivery is lost. */
  giveBack(): Promise<Settled> {
    if (this.#settled !== undefined) return this.#settled
    const given = this.reject({ requeue: true })
    this.#settled = given.then(() => 'lost')
    return this.#settled
  }

  #settle(change: (tx: Transaction) => void, size?: number): Promise<Settled> {
    if (this.#settled !== undefined) return this.#settled
    this.#settled = this.#submitted(change, size)
    return this.#settled
  }

  async #submitted(change: (tx: Transaction) => void, size: number | undefined): Promise<Settled> {
    const { store } = this.#holder
    const committed = store.submit<Settled>(
      (tx) => {
        this.#holder.settled(this)
        if (store.session !== this.#session || !release(tx, this.#session.peer, this.stored.seq)) return 'lost'
        change(tx)
        return 'ok'
      },
      { size: size ?? 0 },
    )
    this.#holder.settling(this)
    try {
      const settled = await committed
      if (settled === 'lost') {
        store.logger.warn(
          `A message of queue '${this.info.queue}' was handed to another process before it was settled here; its task may run twice.`,
        )
      }
      return settled
    } catch (error) {
      // It is still ours: the caller may settle it again.
      this.#settled = undefined
      this.#holder.unsettled(this)
      throw error
    }
  }
}
