import type { StorePlan } from '../backends/result-backend.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { ChannelError, ConnectionError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { RawMessage } from '../core/message.ts'
import type { Held, Listener, MemoryBroker, MemoryQueue, Stored } from './memory-broker.ts'
import { refuseHeaders, type Topology, topicMatches } from './topology.ts'
import type {
  ConnectionState,
  Delivery,
  DeliveryInfo,
  Lease,
  Listening,
  ListenOptions,
  Outgoing,
  Quarantine,
  Quarantined,
  QueueInfo,
  QueueState,
  ReplyAddress,
  Settled,
  Subscription,
  Transport,
  TransportFeatures,
  Unsubscribe,
} from './transport.ts'

export { MemoryBroker, type PlanStore } from './memory-broker.ts'

export interface MemoryDeps {
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Queues in this process's memory: the reference for every other driver. Messages are passed on as they are, not copied;
 * whoever publishes must not change them afterwards.
 */
export class MemoryTransport implements Transport {
  readonly name = 'memory'
  readonly features: TransportFeatures = {
    fanout: true,
    priority: true,
    nativeEta: true,
    persistent: false,
    embedded: true,
    wireCompatible: false,
  }
  readonly quarantine: Quarantine
  readonly #broker: MemoryBroker
  readonly #deps: MemoryDeps
  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  readonly #open = new Set<{ close(): Promise<void> }>()
  #state: 'new' | 'ready' | 'closed' = 'new'

  constructor(broker: MemoryBroker, deps: MemoryDeps) {
    this.#broker = broker
    this.#deps = deps
    this.quarantine = new MemoryQuarantine(broker, () => this.#now())
  }

  /** What a plan must name to be carried out here; undefined where the broker keeps no results. */
  get driver(): string | undefined {
    return this.#broker.results?.driver
  }

  async connect(): Promise<void> {
    if (this.#state === 'closed') throw closedError()
    if (this.#state === 'new') this.#enter('ready')
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    for (const opened of [...this.#open]) await opened.close()
    this.#enter('closed')
  }

  onState(listener: (state: ConnectionState) => void): Unsubscribe {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  async declare(topology: Topology): Promise<void> {
    this.#now()
    refuseHeaders(topology, this.name)
    this.#broker.declare(topology)
  }

  async publish(batch: readonly Outgoing[]): Promise<void> {
    this.#broker.publish(batch, this.#now())
  }

  async subscribe(
    queues: readonly string[],
    options: { readonly prefetch: number },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
  ): Promise<Subscription> {
    this.#now()
    const subscription = new MemorySubscription(this.#broker, this.#deps, options.prefetch, onDeliveries, () =>
      this.#open.delete(subscription),
    )
    this.#open.add(subscription)
    for (const queue of queues) await subscription.add(queue)
    return subscription
  }

  async broadcast(exchange: string, message: RawMessage, routingKey = ''): Promise<void> {
    this.#now()
    for (const { to, hear } of this.#broker.listeners) {
      if (!to.reply && to.exchange === exchange && topicMatches(to.pattern, routingKey)) hear(message)
    }
  }

  async reply(address: ReplyAddress, message: RawMessage): Promise<void> {
    this.#now()
    for (const { to, hear } of this.#broker.listeners) {
      if (to.reply && to.exchange === address.exchange && to.pattern === address.routingKey) hear(message)
    }
  }

  async listen(exchange: string, options: ListenOptions, onMessage: (message: RawMessage) => void): Promise<Listening> {
    this.#now()
    const { listeners } = this.#broker
    const listener: Listener = {
      to: { exchange, pattern: options.pattern ?? '#', reply: options.replyQueue !== undefined },
      // In a later turn of the loop, as from any broker: a caller that polls must not keep everything else from running.
      hear: (message) =>
        setImmediate(() => {
          if (listeners.has(listener)) call(this.#deps.logger, `A listener of '${exchange}'`, () => onMessage(message))
        }),
    }
    const listening: Listening = {
      close: async () => {
        listeners.delete(listener)
        this.#open.delete(listening)
      },
    }
    listeners.add(listener)
    this.#open.add(listening)
    return listening
  }

  async queueInfo(queue: string): Promise<QueueInfo> {
    const nowMs = this.#now()
    return this.#broker.find(queue)?.info(nowMs) ?? { ready: 0, held: 0, parked: 0, consumers: 0 }
  }

  async queueNames(): Promise<readonly string[]> {
    this.#now()
    return this.#broker.queueNames()
  }

  async peek(
    queue: string,
    options: { readonly limit: number; readonly state: QueueState },
  ): Promise<readonly RawMessage[]> {
    const nowMs = this.#now()
    const found = this.#broker.find(queue)?.look(options.state, nowMs) ?? []
    return found.slice(0, options.limit).map((stored) => stored.message)
  }

  async purge(queue: string): Promise<number> {
    this.#now()
    return this.#broker.find(queue)?.purge() ?? 0
  }

  async lease(name: string, ttlMs: number): Promise<Lease | undefined> {
    const { leases } = this.#broker
    const nowMs = this.#now()
    if ((leases.get(name)?.untilMs ?? 0) > nowMs) return undefined
    const mine = { untilMs: nowMs + ttlMs }
    leases.set(name, mine)
    return {
      renew: async () => {
        const renewMs = this.#deps.clock.now()
        if (leases.get(name) !== mine || mine.untilMs <= renewMs) return false
        mine.untilMs = renewMs + ttlMs
        return true
      },
      release: async () => {
        if (leases.get(name) === mine) leases.delete(name)
      },
    }
  }

  // Peers of a memory broker share its process; there is no list of them.
  async announce(): Promise<void> {}

  #enter(state: 'ready' | 'closed'): void {
    this.#state = state
    for (const listener of [...this.#stateListeners]) listener(state)
  }

  // Every operation asks for the time first, and so learns whether it may go on.
  #now(): number {
    if (this.#state === 'closed') throw closedError()
    if (this.#state === 'new') throw new ConnectionError('The memory transport is not connected. Call connect() first.')
    return this.#deps.clock.now()
  }
}

/** Open, paused or closed; only an open one claims. Wake-ups of one turn of the event loop make one claim. */
class MemorySubscription implements Subscription {
  readonly #broker: MemoryBroker
  readonly #deps: MemoryDeps
  readonly #onDeliveries: (deliveries: readonly Delivery[]) => void
  readonly #onClose: () => void
  readonly #unsettled = new Map<Held, MemoryQueue>()
  #queues: readonly MemoryQueue[] = []
  #prefetch: number
  #state: 'open' | 'paused' | 'closed' = 'open'
  #turn = 0
  #claiming = false
  #untilDue: Timer | undefined

  constructor(
    broker: MemoryBroker,
    deps: MemoryDeps,
    prefetch: number,
    onDeliveries: (deliveries: readonly Delivery[]) => void,
    onClose: () => void,
  ) {
    this.#broker = broker
    this.#deps = deps
    this.#prefetch = prefetch
    this.#onDeliveries = onDeliveries
    this.#onClose = onClose
  }

  setPrefetch(prefetch: number): void {
    this.#prefetch = prefetch
    this.wake()
  }

  async add(name: string): Promise<void> {
    if (this.#state === 'closed') throw closedError()
    const queue = this.#broker.queue(name)
    if (this.#queues.includes(queue)) return
    queue.consumers.add(this)
    this.#queues = [...this.#queues, queue]
    this.wake()
  }

  async remove(name: string): Promise<void> {
    this.#broker.find(name)?.consumers.delete(this)
    this.#queues = this.#queues.filter((queue) => queue.name !== name)
    this.#broker.left(name)
  }

  async pause(): Promise<void> {
    if (this.#state === 'open') this.#state = 'paused'
    this.#untilDue?.cancel()
  }

  resume(): void {
    if (this.#state === 'paused') this.#state = 'open'
    this.wake()
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    await this.pause()
    this.#state = 'closed'
    for (const queue of this.#queues) queue.consumers.delete(this)
    const nowMs = this.#deps.clock.now()
    for (const [held, queue] of this.#unsettled) if (queue.release(held)) giveBack(queue, held.stored, nowMs)
    this.#unsettled.clear()
    for (const queue of this.#queues) this.#broker.left(queue.name)
    this.#onClose()
  }

  wake(): void {
    if (this.#claiming || this.#state !== 'open') return
    this.#claiming = true
    setImmediate(() => {
      this.#claiming = false
      if (this.#state === 'open') this.#claim()
    })
  }

  #claim(): void {
    const nowMs = this.#deps.clock.now()
    const deliveries: Delivery[] = []
    // One from each queue in turn, so that a full queue does not starve the others.
    for (let dry = 0; dry < this.#queues.length && this.#hasRoom(); ) {
      const queue = this.#queues[this.#turn++ % this.#queues.length]
      const held = queue?.take(nowMs)
      if (queue && held) deliveries.push(this.#delivery(queue, held))
      dry = held ? 0 : dry + 1
    }
    if (this.#hasRoom()) this.#wakeWhenDue(nowMs)
    if (deliveries.length > 0) call(this.#deps.logger, 'A consumer', () => this.#onDeliveries(deliveries))
  }

  #hasRoom(): boolean {
    return this.#prefetch === 0 || this.#unsettled.size < this.#prefetch
  }

  #delivery(queue: MemoryQueue, held: Held): Delivery {
    this.#unsettled.set(held, queue)
    return new MemoryDelivery(this.#broker, queue, held, this.#deps.clock, () => {
      this.#unsettled.delete(held)
      this.wake()
    })
  }

  #wakeWhenDue(nowMs: number): void {
    this.#untilDue?.cancel()
    const dueMs = Math.min(...this.#queues.map((queue) => queue.nextDueMs() ?? Infinity))
    if (dueMs !== Infinity) this.#untilDue = this.#deps.clock.timer(dueMs - nowMs, () => this.wake())
  }
}

class MemoryDelivery implements Delivery {
  readonly raw: RawMessage
  readonly info: DeliveryInfo
  readonly #broker: MemoryBroker
  readonly #queue: MemoryQueue
  readonly #held: Held
  readonly #clock: Clock
  readonly #onSettled: () => void
  #answer: Settled | undefined

  constructor(broker: MemoryBroker, queue: MemoryQueue, held: Held, clock: Clock, onSettled: () => void) {
    const { message, exchange, routingKey, priority, redelivered, deliveries } = held.stored
    this.raw = message
    this.info = { queue: queue.name, exchange, routingKey, priority, redelivered, deliveries }
    this.#broker = broker
    this.#queue = queue
    this.#held = held
    this.#clock = clock
    this.#onSettled = onSettled
  }

  async ack(options: { readonly storing?: StorePlan | undefined } = {}): Promise<Settled> {
    const { storing } = options
    const { results } = this.#broker
    if (storing && storing.driver !== results?.driver) {
      throw new ChannelError(
        `This acknowledgement cannot store a result for ${storing.driver}; store it there first, then acknowledge.`,
      )
    }
    return this.#settle((_, nowMs) => {
      if (storing) results?.carryOut(storing, nowMs)
    })
  }

  async reject(options: { readonly requeue: boolean }): Promise<Settled> {
    return this.#settle((stored, nowMs) => {
      if (options.requeue) giveBack(this.#queue, stored, nowMs)
    })
  }

  async park(untilMs: number): Promise<Settled> {
    return this.#settle((stored, nowMs) => {
      stored.deliveries--
      stored.dueMs = untilMs
      this.#queue.put(stored, nowMs)
    })
  }

  /** For MemoryQuarantine. */
  quarantine(reason: string): Settled {
    return this.#settle((stored, atMs) => {
      const { name: queue } = this.#queue
      const kept = { id: randomId(), queue, reason, atMs, raw: stored.message, stored }
      this.#broker.quarantined = [...this.#broker.quarantined, kept].slice(-quarantineSize)
    })
  }

  #settle(change: (stored: Stored, nowMs: number) => void): Settled {
    if (this.#answer === undefined) {
      this.#answer = this.#queue.release(this.#held) ? 'ok' : 'lost'
      if (this.#answer === 'ok') change(this.#held.stored, this.#clock.now())
      this.#onSettled()
    }
    return this.#answer
  }
}

class MemoryQuarantine implements Quarantine {
  readonly #broker: MemoryBroker
  readonly #now: () => number

  constructor(broker: MemoryBroker, now: () => number) {
    this.#broker = broker
    this.#now = now
  }

  async put(delivery: Delivery, reason: string): Promise<void> {
    this.#now()
    if (!(delivery instanceof MemoryDelivery)) {
      throw new ChannelError(
        'Cannot quarantine a delivery of another transport. Pass the delivery as it was delivered.',
      )
    }
    delivery.quarantine(reason)
  }

  async list(limit: number): Promise<readonly Quarantined[]> {
    const oldestMs = this.#now() - quarantineMs
    this.#broker.quarantined = this.#broker.quarantined.filter((kept) => kept.atMs >= oldestMs)
    return this.#broker.quarantined
      .toReversed()
      .slice(0, limit)
      .map(({ stored: _, ...kept }) => kept)
  }

  /** It starts anew: as a first delivery, so that a limit on deliveries does not send it back here. */
  async restore(id: string): Promise<void> {
    const nowMs = this.#now()
    const kept = this.#broker.quarantined.find((each) => each.id === id)
    if (!kept) throw new ChannelError(`No message '${id}' is in quarantine. List the quarantine to see what is.`)
    await this.drop(id)
    this.#broker.queue(kept.queue).put({ ...kept.stored, redelivered: false, deliveries: 0, dueMs: 0 }, nowMs)
  }

  async drop(id: string): Promise<void> {
    this.#now()
    this.#broker.quarantined = this.#broker.quarantined.filter((kept) => kept.id !== id)
  }
}

const quarantineSize = 1000
const quarantineMs = 7 * 24 * 3_600_000

function giveBack(queue: MemoryQueue, stored: Stored, nowMs: number): void {
  stored.redelivered = true
  stored.dueMs = 0
  queue.put(stored, nowMs)
}

// What a listener throws is its own fault; the broker goes on.
function call(logger: Logger, who: string, fn: () => void): void {
  try {
    fn()
  } catch (error) {
    logger.error(`${who} threw an error; what it was given counts as delivered.`, { error })
  }
}

function closedError(): ConnectionError {
  return new ConnectionError('The memory transport is closed. Open another one on the same broker.')
}
