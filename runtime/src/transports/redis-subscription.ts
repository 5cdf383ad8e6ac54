import type { StorePlan } from '../backends/result-backend.ts'
import type { Timer } from '../core/clock.ts'
import { ChannelError, ConnectionError } from '../core/errors.ts'
import { type Deferred, deferred } from '../core/lifecycle.ts'
import { stateRank } from '../core/states.ts'
import { textsOf } from '../drivers/redis-reply.ts'
import { decodeEntry, encodeEntry, markParkedEnvelope } from '../wire/redis-entry.ts'
import type { RedisBroker } from './redis-broker.ts'
import type { DeliveryHolder } from './redis-delivery.ts'
import { RedisDelivery } from './redis-delivery.ts'
import { batchLimit, renewHeld, requeueHeld, rescoreHeld, settledOf } from './redis-held.ts'
import { heldOf, readEnvelope } from './redis-message.ts'
import { quarantineHeld, type RedisQuarantine } from './redis-quarantine.ts'
import type { RedisRestorer } from './redis-restorer.ts'
import { exchangeScript, heldScript } from './redis-scripts.ts'
import type { Delivery, Settled, Subscription } from './transport.ts'

interface Settling {
  readonly delivery: RedisDelivery
  readonly storing: StorePlan | undefined
  readonly answer: Deferred<Settled>
  /** An earlier attempt got no answer: when nobody holds the message now, that attempt has settled it. */
  retried: boolean
}

/** A claim without an answer: what it took is found by its score. */
interface LostClaim {
  readonly score: number
  readonly untilMs: number
}

const netMs = 1000
const pollMs = 20
const lateClaimMs = 30_000

/**
 * Consumes queues: claims into `unacked`, delivers, settles. One script settles a batch and claims the next, several of
 * them fly at once, and what is settled within one turn of the event loop goes out together.
 *
 * Between the messages it is idle: the lists are watched, and the server reports the first change of one of them. A report
 * may overtake the answer that there was nothing, so each one sets `#more`, which an answer never clears.
 */
export class RedisSubscription implements Subscription, DeliveryHolder {
  readonly #broker: RedisBroker
  readonly #restorer: RedisRestorer
  readonly #quarantine: RedisQuarantine
  readonly #onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly #onClosed: () => void
  readonly #held = new Set<RedisDelivery>()
  readonly #timers: Timer[] = []
  #queues: string[]
  #lists: readonly { readonly key: string; readonly queue: string; readonly json: string }[] = []
  #prefetch: number
  #pending: Settling[] = []
  #flights = new Set<Promise<void>>()
  #lostClaims: LostClaim[] = []
  /** Wanted by claims that are in flight. */
  #requested = 0
  #more = true
  #watching = false
  #watches = 0
  #scheduled = false
  #paused = false
  #recovering = false
  #adopting = false
  #retryTimer: Timer | undefined
  /** Settlements to send alone, after a batch was refused. */
  #single = 0
  #closing: Promise<void> | undefined

  constructor(
    broker: RedisBroker,
    parts: { readonly restorer: RedisRestorer; readonly quarantine: RedisQuarantine },
    options: { readonly queues: readonly string[]; readonly prefetch: number; readonly tracked: boolean },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
    onClosed: () => void,
  ) {
    this.#broker = broker
    this.#restorer = parts.restorer
    this.#quarantine = parts.quarantine
    this.#onDeliveries = onDeliveries
    this.#onClosed = onClosed
    this.#queues = [...options.queues]
    this.#prefetch = options.prefetch
    this.#arrange()
    const { clock, visibilityTimeoutMs } = broker
    this.#timers.push(
      clock.interval(options.tracked ? netMs : pollMs, () => this.#net()),
      clock.interval(Math.max(1, visibilityTimeoutMs / 3), () => this.#refresh()),
    )
    this.#schedule()
  }

  get queues(): readonly string[] {
    return this.#queues
  }

  setPrefetch(prefetch: number): void {
    this.#prefetch = prefetch
    this.#schedule()
  }

  async add(queue: string): Promise<void> {
    if (this.#queues.includes(queue)) return
    this.#queues.push(queue)
    this.#arrange()
    this.wake()
  }

  async remove(queue: string): Promise<void> {
    this.#queues = this.#queues.filter((name) => name !== queue)
    this.#arrange()
    // A claim in flight may still bring some of it.
    await this.#landed()
  }

  async pause(): Promise<void> {
    this.#paused = true
    await this.#landed()
  }

  resume(): void {
    this.#paused = false
    this.wake()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Something may have come: claims as soon as there is room. */
  wake(keys?: readonly string[]): void {
    if (keys && !keys.some((key) => this.#lists.some((list) => list.key === key))) return
    this.#watching = false
    this.#more = true
    this.#schedule()
  }

  /** The listening connection is gone or new: nobody reports changes until the lists are watched again. */
  unwatch(): void {
    this.#watching = false
    this.wake()
  }

  // --- deliveries -----------------------------------------------------------------------------------------------------

  refusal(storing: StorePlan | undefined): Error | undefined {
    const { driver, url } = this.#broker.connection
    if (!storing || storing.driver === driver) return undefined
    return new ChannelError(
      `The result of ${storing.meta.id} belongs to ${storing.driver}, which the broker at ${url} cannot store. Store it first, then acknowledge.`,
    )
  }

  settle(delivery: RedisDelivery, storing: StorePlan | undefined): Promise<Settled> {
    if (this.#closing && !this.#held.has(delivery)) return Promise.resolve('lost')
    const answer = deferred<Settled>()
    this.#pending.push({ delivery, storing, answer, retried: false })
    this.#schedule()
    return answer.promise
  }

  async requeue(delivery: RedisDelivery): Promise<Settled> {
    return this.#release(delivery, async () => (await requeueHeld(this.#broker, [delivery], 'back'))[0] ?? 'lost')
  }

  async park(delivery: RedisDelivery, untilMs: number): Promise<Settled> {
    const { hostname, visibilityTimeoutMs } = this.#broker
    const score = untilMs / 1000 - visibilityTimeoutMs / 1000
    const envelope = markParkedEnvelope(delivery.envelope, hostname)
    const entry = encodeEntry({ envelope, exchange: '', routingKey: delivery.info.queue })
    const settled = await this.#release(delivery, () => rescoreHeld(this.#broker, delivery, score, entry))
    if (settled === 'ok') this.#restorer.expect(untilMs)
    return settled
  }

  async quarantine(delivery: RedisDelivery, reason: string): Promise<Settled> {
    const { tag, score, envelope, info } = delivery
    const held = { tag, score, envelope, queue: info.queue }
    return this.#release(delivery, () => quarantineHeld(this.#broker, held, reason))
  }

  /** Its slot is free at once: what is sent after this reaches the server after it. */
  async #release(delivery: RedisDelivery, send: () => Promise<Settled>): Promise<Settled> {
    this.#held.delete(delivery)
    try {
      const settled = send()
      this.wake()
      return await settled
    } catch (error) {
      // Still ours, as far as we know: its lease goes on.
      this.#held.add(delivery)
      throw error
    }
  }

  // --- the connection -------------------------------------------------------------------------------------------------

  /** The connection is gone: nothing is sent before `recover` knows what is still ours. */
  suspend(): void {
    this.#recovering = true
    this.#watching = false
  }

  /** After a reconnect: takes over what lost claims left behind, finds out which leases are still ours, goes on. */
  async recover(): Promise<void> {
    this.suspend()
    await this.#renewLeases([...this.#held])
    await this.#adoptLostClaims()
    this.#recovering = false
    this.wake()
  }

  async #adoptLostClaims(): Promise<void> {
    // Two of them at once would hand out the same messages twice.
    if (this.#adopting) return
    this.#adopting = true
    try {
      await this.#adoptNow()
    } finally {
      this.#adopting = false
    }
  }

  async #adoptNow(): Promise<void> {
    const { connection, clock, layout } = this.#broker
    for (const claim of this.#lostClaims) {
      const reply = await connection.run(
        heldScript,
        [layout.unackedKey, layout.unackedIndexKey],
        [claim.score, claim.score, batchLimit],
      )
      const held = new Set([...this.#held].map((delivery) => delivery.tag))
      const found: { queue: string; envelope: string }[] = []
      for (const { tag, entry } of heldOf(reply).found) {
        if (held.has(tag)) continue
        const { envelope, routingKey } = decodeEntry(entry)
        found.push({ queue: routingKey, envelope })
      }
      if (found.length > 0) {
        this.#broker.logger.info(`Took over ${found.length} messages that were claimed when the connection broke.`)
        await this.#deliver(found, claim.score)
      }
    }
    // The server may still carry out what it had read from the old connection: asked for again for a while.
    this.#lostClaims = this.#lostClaims.filter((claim) => claim.untilMs > clock.now())
  }

  // --- the loop -------------------------------------------------------------------------------------------------------

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#broker.connection.state !== 'ready' || this.#recovering || this.#retryTimer) return
    while (this.#flights.size < this.#mostFlights()) {
      const settles = this.#pending.length > 0
      const claims = this.#more && this.#room(this.#pending.length) > 0
      if (this.#flights.size === 0 ? !settles && !claims : this.#pending.length < this.#chunk()) break
      this.#send()
    }
    if (this.#flights.size === 0 && !this.#more && !this.#watching && this.#room(0) > 0) this.#watch()
  }

  /** One exchange at a time for a handful of messages: more would only make the batches smaller. */
  #mostFlights(): number {
    return this.#prefetch > 0 && this.#prefetch < 8 ? 1 : 4
  }

  #chunk(): number {
    return this.#prefetch > 0 ? Math.min(batchLimit, Math.max(1, Math.ceil(this.#prefetch / 4))) : 100
  }

  /** How many more messages may be claimed when `settling` of the pending settlements are settled first. */
  #room(settling: number): number {
    if (this.#paused || this.#closing || this.#lists.length === 0) return 0
    if (this.#prefetch === 0) return batchLimit
    return Math.min(batchLimit, this.#prefetch - this.#held.size - this.#requested + settling)
  }

  #send(): void {
    const { connection, layout, clock, scores } = this.#broker
    const settlings = this.#pending.splice(0, this.#single > 0 ? 1 : batchLimit)
    if (this.#single > 0) this.#single--
    const want = Math.max(0, this.#room(settlings.length))
    const lists = want > 0 ? this.#lists : []
    const score = scores.next()
    const args: (string | number)[] = [score, want, clock.now(), settlings.length]
    for (const list of lists) args.push(list.json)
    for (const { delivery, storing } of settlings) {
      args.push(delivery.tag, delivery.score)
      if (!storing) args.push('', '', '', '')
      else args.push(storing.key, Math.ceil(storing.ttlMs), stateRank(storing.meta.state), storing.text)
      // Settled on the server before the claim of the same script: the slot is free.
      this.#held.delete(delivery)
    }
    if (want > 0) this.#more = false
    this.#requested += want
    const keys = [
      layout.unackedKey,
      layout.unackedIndexKey,
      this.#quarantine.recordsKey,
      this.#quarantine.timesKey,
      ...lists.map((list) => list.key),
    ]
    const flight = connection
      .run(exchangeScript, keys, args)
      .then(
        (reply) => {
          this.#requested -= want
          return this.#landedWith(reply, settlings, lists, want, score)
        },
        (error: unknown) => {
          this.#requested -= want
          this.#failed(error, settlings, want, score)
        },
      )
      .catch((error: unknown) => {
        this.#broker.logger.error(`Messages were claimed and could not be handed out; they stay held: ${String(error)}`)
      })
      .finally(() => {
        this.#flights.delete(flight)
        this.#schedule()
      })
    this.#flights.add(flight)
  }

  async #landedWith(
    reply: unknown,
    settlings: readonly Settling[],
    lists: readonly { readonly queue: string }[],
    want: number,
    score: number,
  ): Promise<void> {
    const [digits = '', ...claimed] = textsOf(reply)
    settlings.forEach((settling, at) => settling.answer.resolve(settledOf(digits[at], settling.retried)))
    if (claimed.length === 0) return
    const found: { queue: string; envelope: string }[] = []
    for (let at = 0; at < claimed.length; at += 2) {
      const list = Number(claimed[at])
      const text = claimed[at + 1] ?? ''
      if (list === 0) this.#quarantine.reported(text)
      else found.push({ queue: lists[list - 1]?.queue ?? '', envelope: text })
    }
    this.#watching = false
    if (claimed.length / 2 >= want) this.#more = true
    const last = found.at(-1)
    if (last) this.#rotate(last.queue)
    const deliveries = this.#deliver(found, score)
    if (deliveries) await deliveries
  }

  #failed(error: unknown, settlings: readonly Settling[], want: number, score: number): void {
    const { logger, clock, connection } = this.#broker
    this.#more = true
    if (want > 0) this.#lostClaims.push({ score, untilMs: clock.now() + lateClaimMs })
    const [only] = settlings
    if (error instanceof ChannelError && only && settlings.length === 1) {
      logger.error(
        `Could not acknowledge a message of ${only.delivery.info.queue}; it runs again after the visibility timeout: ${error.message}`,
      )
      only.answer.reject(error)
    } else {
      for (const settling of settlings) {
        settling.retried = true
        this.#held.add(settling.delivery)
      }
      this.#pending.unshift(...settlings)
    }
    if (connection.state !== 'ready') return
    if (error instanceof ChannelError) this.#single = settlings.length
    logger.error(`Redis refused to give or settle messages; trying again in 1 s: ${String(error)}`)
    this.#retryTimer ??= clock.timer(1000, () => {
      this.#retryTimer = undefined
      this.#schedule()
    })
  }

  /** Hands out what was claimed under `score`. Returns a promise only where something had to be set aside first. */
  #deliver(found: readonly { queue: string; envelope: string }[], score: number): Promise<void> | undefined {
    const deliveries: RedisDelivery[] = []
    const broken: Promise<unknown>[] = []
    for (const { queue, envelope } of found) {
      const read = readEnvelope(envelope, queue)
      if ('reason' in read) {
        broken.push(this.#setAside(envelope, queue, read, score))
        continue
      }
      const delivery = new RedisDelivery(this, { ...read, envelope, score })
      this.#held.add(delivery)
      deliveries.push(delivery)
    }
    if (this.#paused || this.#closing) {
      // Only after a lost claim: who paused was promised that nothing more arrives.
      if (deliveries.length > 0) {
        for (const delivery of deliveries) this.#held.delete(delivery)
        broken.push(requeueHeld(this.#broker, deliveries.toReversed(), 'front'))
      }
    } else if (deliveries.length > 0) {
      try {
        this.#onDeliveries(deliveries)
      } catch (error) {
        this.#broker.logger.error(
          `The consumer of ${this.#queues.join(', ')} threw; its messages stay held: ${String(error)}`,
        )
      }
    }
    if (broken.length > 0) return Promise.all(broken).then(() => undefined)
  }

  async #setAside(
    envelope: string,
    queue: string,
    read: { readonly reason: string; readonly tag: string | undefined },
    score: number,
  ): Promise<void> {
    const { logger } = this.#broker
    try {
      const tag = read.tag
      if (tag === undefined) return
      await quarantineHeld(this.#broker, { tag, score, envelope, queue }, read.reason)
      logger.error(`Quarantined a message of ${queue}: ${read.reason}. It will not run; see tq quarantine.`)
    } catch (error) {
      logger.error(`Could not quarantine a message of ${queue}; it comes again later: ${String(error)}`)
    }
  }

  // --- waiting --------------------------------------------------------------------------------------------------------

  #watch(): void {
    const keys = this.#lists.map((list) => list.key)
    if (keys.length === 0) return
    const watch = ++this.#watches
    this.#watching = true
    this.#broker.connection.watchKeys(keys).then(
      (existing) => {
        if (existing > 0 && watch === this.#watches) this.wake()
      },
      () => {
        // Not watched: the next look claims.
        this.#watching = false
        this.#more = true
      },
    )
  }

  /** Once a second: a report that got lost costs a second, never a message. */
  #net(): void {
    if (this.#broker.connection.state !== 'ready') return
    if (this.#lostClaims.length > 0 && !this.#recovering) {
      this.#adoptLostClaims().catch(() => undefined)
    }
    if (this.#flights.size > 0 || this.#room(0) <= 0) return
    this.#watching = false
    this.#schedule()
  }

  /** All queues at the first step, then all at the next. */
  #arrange(): void {
    const { layout, queueOrder } = this.#broker
    const queues = queueOrder === 'sorted' ? this.#queues.toSorted() : this.#queues
    this.#lists = layout.prioritySteps.flatMap((step) =>
      queues.map((queue) => ({ key: layout.queueKey(queue, step), queue, json: JSON.stringify(queue) })),
    )
    this.#watching = false
  }

  /** The queue just served goes to the end. Source: kombu/utils/scheduling.py, round_robin_cycle.rotate. */
  #rotate(queue: string): void {
    if (this.#queues.length < 2 || this.#broker.queueOrder !== 'round_robin') return
    this.#queues = [...this.#queues.filter((name) => name !== queue), ...this.#queues.filter((name) => name === queue)]
    this.#arrange()
  }

  // --- leases ---------------------------------------------------------------------------------------------------------

  #refresh(): void {
    const { connection, clock, visibilityTimeoutMs, logger } = this.#broker
    if (connection.state !== 'ready' || this.#recovering) return
    const before = (clock.now() - visibilityTimeoutMs / 4) / 1000
    const old = [...this.#held].filter((delivery) => delivery.score <= before)
    this.#renewLeases(old).catch((error: unknown) => {
      logger.warn(
        `Could not refresh the lease of ${old.length} messages; they run a second time if it stays so: ${String(error)}`,
      )
    })
  }

  async #renewLeases(deliveries: readonly RedisDelivery[]): Promise<void> {
    for (const delivery of await renewHeld(this.#broker, deliveries)) this.#lose(delivery)
  }

  #lose(delivery: RedisDelivery): void {
    // One that is being settled hears it from its own answer.
    if (this.#pending.some((settling) => settling.delivery === delivery)) return
    if (!this.#held.delete(delivery)) return
    delivery.lose()
    this.#broker.logger.warn(
      `A message of ${delivery.info.queue} is no longer held by this worker; its result will be ignored.`,
    )
  }

  // --- the end --------------------------------------------------------------------------------------------------------

  /** Resolves when no exchange is in flight. */
  async #landed(): Promise<void> {
    while (this.#flights.size > 0) await Promise.all(this.#flights)
  }

  async #close(): Promise<void> {
    await this.pause()
    for (const timer of this.#timers) timer.cancel()
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    try {
      while (this.#pending.length > 0 && this.#broker.connection.state === 'ready') {
        this.#flush()
        await this.#landed()
        if (this.#retryTimer) break
      }
      const settling = new Set(this.#pending.map((each) => each.delivery))
      const unsettled = [...this.#held].filter((delivery) => !settling.has(delivery))
      for (const delivery of unsettled) delivery.lose()
      await requeueHeld(this.#broker, unsettled.toReversed(), 'front')
    } catch (error) {
      this.#broker.logger.warn(
        `Could not give back ${this.#held.size} messages; they are delivered again after the visibility timeout: ${String(error)}`,
      )
    } finally {
      const gone = new ConnectionError(`The connection to Redis at ${this.#broker.connection.url} was closed.`)
      for (const settling of this.#pending.splice(0)) settling.answer.reject(gone)
      this.#held.clear()
      this.#onClosed()
    }
  }
}
