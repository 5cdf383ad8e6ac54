import type { Timer } from '../core/clock.ts'
import { DecodeError } from '../core/errors.ts'
import type { Transaction } from '../drivers/sqlite-commit.ts'
import { text } from '../drivers/sqlite-connection.ts'
import type { Session } from '../drivers/sqlite-presence.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { decodeEnvelope } from '../wire/envelope.ts'
import { type DeliveryHolder, SqliteDelivery } from './sqlite-delivery.ts'
import { bury, earliestDue, promoteDue, release, type StoredMessage, takeMessages } from './sqlite-messages.ts'
import type { QueueDirectory } from './sqlite-topology.ts'
import type { Delivery, Subscription } from './transport.ts'

/** What one transaction takes at most, so that it does not block the other processes for long. */
const mostAtOnce = 500
const retryMs = 1000

interface Claim {
  readonly session: Session
  readonly taken: readonly StoredMessage[]
  /** Fewer than there was room for: the queues are empty. */
  readonly isShort: boolean
  readonly nextDueMs: number | undefined
  /** Wake-ups seen when the queues were looked at. */
  readonly wakes: number
}

/**
 * Takes messages while there is room. States: looking (a claim is submitted), full (the prefetch is used up; a settlement makes
 * room, and the next claim rides in its transaction), dry (the queues were empty; a bell, the next due time or the poll ends
 * it), paused, closed.
 */
export class SqliteSubscription implements Subscription, DeliveryHolder {
  readonly store: SqliteStore
  readonly #directory: QueueDirectory
  readonly #onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly #unsettled = new Set<SqliteDelivery>()
  /** Settled by their holder, but not yet in the file: a claim must not run ahead of a queue of settlements. */
  readonly #leaving = new Set<SqliteDelivery>()
  readonly #stops: (() => unknown)[] = []
  #queues: readonly string[]
  #prefetch: number
  #claiming: Promise<void> | undefined
  #isDry = false
  #isPaused = true
  #isClosed = false
  #wakes = 0
  #firstQueue = 0
  #dueTimer: Timer | undefined
  #nextDueMs = Number.POSITIVE_INFINITY
  #closing: Promise<void> | undefined

  constructor(
    store: SqliteStore,
    directory: QueueDirectory,
    options: { readonly queues: readonly string[]; readonly prefetch: number; readonly onClosed: () => unknown },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
  ) {
    this.store = store
    this.#directory = directory
    this.#queues = [...new Set(options.queues)]
    this.#prefetch = options.prefetch
    this.#stops.push(options.onClosed)
    this.#onDeliveries = onDeliveries
  }

  /** Resolves when messages published from now on will arrive. */
  async open(): Promise<void> {
    this.#stops.push(
      this.store.onWake('queue', () => this.#wake()),
      this.store.presence.onSession(() => this.#forget()),
    )
    try {
      await this.#declare(this.#queues)
      this.#stops.push(await this.store.presence.want('queue'))
    } catch (error) {
      for (const stop of this.#stops) stop()
      await this.store.presence.setQueues(this, undefined)
      throw error
    }
    this.#isPaused = false
    this.#claim()
  }

  setPrefetch(prefetch: number): void {
    this.#prefetch = prefetch
    this.#claim()
  }

  async add(queue: string): Promise<void> {
    await this.#declare([...new Set([...this.#queues, queue])])
    this.#wake()
  }

  async remove(queue: string): Promise<void> {
    this.#queues = this.#queues.filter((each) => each !== queue)
    await this.store.presence.setQueues(this, this.#queues)
    await this.#claiming
    await this.#leave([queue])
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    this.#dueTimer?.cancel()
    this.#dueTimer = undefined
    await this.#claiming
  }

  resume(): void {
    if (this.#isClosed) return
    this.#isPaused = false
    this.#wake()
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.#closing ??= this.#close()
    return this.#closing
  }

  settling(delivery: SqliteDelivery): void {
    this.#unsettled.delete(delivery)
    this.#leaving.add(delivery)
    this.#claim()
  }

  settled(delivery: SqliteDelivery): void {
    this.#leaving.delete(delivery)
  }

  unsettled(delivery: SqliteDelivery): void {
    this.#leaving.delete(delivery)
    this.#unsettled.add(delivery)
  }

  async #close(): Promise<void> {
    await this.pause()
    const given = [...this.#unsettled].map((delivery) => delivery.giveBack())
    for (const stop of this.#stops) stop()
    const left = this.store.presence.setQueues(this, undefined).then(() => this.#leave(this.#queues))
    const outcomes = await Promise.allSettled([...given, left])
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected').length
    if (failed > 0) {
      this.store.logger.warn(
        `${failed} message(s) could not be given back to their queues; they are delivered again when this process has ended.`,
      )
    }
  }

  async #declare(queues: readonly string[]): Promise<void> {
    await this.store.submit((tx) => {
      for (const queue of queues) this.#directory.id(tx, queue)
    })
    this.#queues = queues
    await this.store.presence.setQueues(this, queues)
    const fleeting = this.#directory.fleeting(queues)
    if (fleeting.length > 0) await this.store.submit((tx) => this.#directory.declareConsumed(tx, fleeting))
  }

  async #leave(queues: readonly string[]): Promise<void> {
    const fleeting = this.#directory.fleeting(queues)
    if (fleeting.length === 0) return
    await this.store.submit((tx) => {
      for (const queue of fleeting) this.#directory.leave(tx, queue)
    })
  }

  #wake(): void {
    this.#wakes++
    this.#isDry = false
    this.#claim()
  }

  // What was held is another's, or gone with its file.
  #forget(): void {
    this.#unsettled.clear()
    this.#leaving.clear()
    this.#wake()
  }

  /** Room for messages once everything that was settled is in the file. */
  #room(): number {
    return this.#prefetch === 0 ? mostAtOnce : Math.min(mostAtOnce, this.#prefetch - this.#unsettled.size)
  }

  #claim(): void {
    if (this.#claiming || this.#isPaused || this.#isDry || this.#queues.length === 0 || this.#room() <= 0) return
    this.#claiming = this.#claimed().finally(() => {
      this.#claiming = undefined
      this.#claim()
    })
  }

  async #claimed(): Promise<void> {
    const wakes = this.#wakes
    try {
      const claim = await this.store.submit((tx) => this.#take(tx), { last: true })
      if (claim === undefined) {
        // Without a row among the peers nothing can be held; `onSession` wakes us, if it has not done so meanwhile.
        this.#isDry = wakes === this.#wakes
        return
      }
      this.#isDry = claim.isShort && claim.wakes === this.#wakes
      if (claim.isShort) this.#wakeAt(claim.nextDueMs)
      await this.#deliver(claim)
    } catch (error) {
      if (this.store.state === 'closed') {
        this.#isPaused = true
        return
      }
      this.store.logger.warn(
        `Could not take messages from ${this.store.path}; trying again in ${retryMs / 1000} s. Nothing is lost, tasks start late.`,
        { error },
      )
      this.#isDry = true
      this.store.clock.timer(retryMs, () => this.#wake())
    }
  }

  #take(tx: Transaction): Claim | undefined {
    const { session } = this.store
    if (session === undefined || !this.store.presence.isListed(tx, session)) return undefined
    promoteDue(tx, this.store.clock.now())
    const room = this.#isPaused ? 0 : Math.max(0, this.#room() - this.#leaving.size)
    const taken = this.#takeFairly(tx, session.peer, room)
    const isShort = taken.length < room
    return { session, taken, isShort, nextDueMs: isShort ? earliestDue(tx) : undefined, wakes: this.#wakes }
  }

  // An equal share from each queue first, then what is left over in turn, so that a full queue starves no other.
  #takeFairly(tx: Transaction, peer: number, room: number): readonly StoredMessage[] {
    const queues = this.#queues.map((name) => ({ id: this.#directory.id(tx, name), name }))
    const taken: StoredMessage[] = []
    this.#firstQueue = (this.#firstQueue + 1) % Math.max(1, queues.length)
    const inTurn = [...queues.slice(this.#firstQueue), ...queues.slice(0, this.#firstQueue)]
    const share = Math.ceil(room / Math.max(1, queues.length))
    for (const limit of queues.length > 1 ? [share, room] : [room]) {
      for (const queue of inTurn) {
        const most = Math.min(limit, room - taken.length)
        if (most > 0) taken.push(...takeMessages(tx, peer, queue, most))
      }
    }
    return taken
  }

  // After every claim that found the queues empty, not only after an idle one: nothing else wakes us for what is parked.
  #wakeAt(dueMs: number | undefined): void {
    if (dueMs === this.#nextDueMs && this.#dueTimer) return
    this.#dueTimer?.cancel()
    this.#dueTimer = undefined
    if (dueMs === undefined || this.#isPaused) return
    this.#nextDueMs = dueMs
    this.#dueTimer = this.store.clock.timer(dueMs - this.store.clock.now(), () => {
      this.#dueTimer = undefined
      this.#wake()
    })
  }

  async #deliver(claim: Claim): Promise<void> {
    const deliveries: SqliteDelivery[] = []
    for (const stored of claim.taken) {
      const delivery = this.#decoded(stored, claim.session)
      if (delivery instanceof SqliteDelivery) deliveries.push(delivery)
      else await this.#quarantine(stored, claim.session, delivery)
    }
    if (deliveries.length === 0) return
    for (const delivery of deliveries) this.#unsettled.add(delivery)
    this.#onDeliveries(deliveries)
  }

  #decoded(stored: StoredMessage, session: Session): SqliteDelivery | DecodeError {
    try {
      const { raw, exchange, routingKey, redelivered } = decodeEnvelope(text(stored.body))
      const info = {
        queue: stored.queueName,
        exchange,
        routingKey,
        priority: stored.priority,
        redelivered: redelivered || stored.tries > 0,
        deliveries: stored.tries + 1,
      }
      return new SqliteDelivery(stored, { raw, info }, session, this)
    } catch (error) {
      if (error instanceof DecodeError) return error
      throw error
    }
  }

  async #quarantine(stored: StoredMessage, session: Session, error: DecodeError): Promise<void> {
    await this.store.submit((tx) => {
      if (release(tx, session.peer, stored.seq)) bury(tx, stored.seq, error.message, this.store.clock.now())
    })
    this.store.logger.error(
      `A message of queue '${stored.queueName}' cannot be read and was put into quarantine; its task does not run.`,
      { error },
    )
  }
}
