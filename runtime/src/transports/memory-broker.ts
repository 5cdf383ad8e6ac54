import type { StorePlan } from '../backends/result-backend.ts'
import { ChannelError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import { matchQueues, type Queue, type Topology } from './topology.ts'
import type { Outgoing, Quarantined, QueueInfo, QueueState } from './transport.ts'

/** Where acknowledgements store results: the memory result backend's store. */
export interface PlanStore {
  readonly driver: string
  carryOut(plan: StorePlan, nowMs: number): void
}

/**
 * What the transports of one process share: two of them made from the same broker see each other. Give it the results of
 * the memory backend and an acknowledgement stores a result in the same step.
 */
export class MemoryBroker {
  readonly results: PlanStore | undefined
  /** @internal */
  readonly listeners = new Set<Listener>()
  /** @internal */
  readonly leases = new Map<string, { untilMs: number }>()
  /** @internal See MemoryKeys. */
  readonly keys = new Map<string, { readonly holder: string; readonly untilMs: number }>()
  /** @internal Oldest first. */
  quarantined: readonly (Quarantined & { readonly stored: Stored })[] = []
  readonly #queues = new Map<string, MemoryQueue>()
  readonly #bindings = new Map<string, Queue>()
  /** Exchanges that may reach nobody without that being a mistake. */
  readonly #fanouts = new Set<string>()
  #lastPlace = 0

  constructor(results?: PlanStore) {
    this.results = results
  }

  /** @internal */
  declare({ queues, exchanges = [] }: Topology): void {
    for (const queue of queues) {
      this.queue(queue.name)
      this.#bindings.set(JSON.stringify([queue.name, queue.exchange.name, queue.routingKey]), queue)
    }
    for (const { name, type } of [...exchanges, ...queues.map((queue) => queue.exchange)]) {
      if (type === 'fanout') this.#fanouts.add(name)
    }
  }

  /** @internal A consumer of the queue has gone: one that deletes itself goes with its last. */
  left(name: string): void {
    if ((this.#queues.get(name)?.consumers.size ?? 0) > 0) return
    const own = [...this.#bindings].filter(([, queue]) => queue.name === name)
    if (!own.some(([, queue]) => queue.autoDelete)) return
    for (const [key] of own) this.#bindings.delete(key)
    this.#queues.delete(name)
  }

  /** @internal The queue of that name; made where there is none. */
  queue(name: string): MemoryQueue {
    let queue = this.#queues.get(name)
    if (!queue) this.#queues.set(name, (queue = new MemoryQueue(name)))
    return queue
  }

  /** @internal */
  find(name: string): MemoryQueue | undefined {
    return this.#queues.get(name)
  }

  /** @internal */
  queueNames(): readonly string[] {
    return [...this.#queues.keys()].toSorted()
  }

  /** @internal All or nothing: a message that reaches no queue rejects the batch. */
  publish(batch: readonly Outgoing[], nowMs: number): void {
    const routed = batch.map((outgoing) => ({ outgoing, queues: this.#route(outgoing) }))
    for (const { outgoing, queues } of routed) {
      for (const name of queues) {
        const stored: Stored = {
          place: ++this.#lastPlace,
          message: outgoing.message,
          exchange: outgoing.exchange,
          routingKey: outgoing.routingKey,
          priority: outgoing.message.properties.priority ?? 0,
          redelivered: false,
          deliveries: 0,
          readySinceMs: nowMs,
          dueMs: outgoing.dueMs ?? 0,
        }
        this.queue(name).put(stored, nowMs)
      }
    }
  }

  #route({ exchange, routingKey }: Outgoing): readonly string[] {
    // As in AMQP, every queue is bound to the anonymous exchange by its name; here it need not be declared either.
    if (exchange === '') return [routingKey]
    const queues = new Set(matchQueues(this.#bindings.values(), exchange, routingKey))
    if (queues.size === 0 && !this.#fanouts.has(exchange)) {
      throw new ChannelError(
        `No queue is bound to exchange '${exchange}' with routing key '${routingKey}'. Declare the queue before publishing to it.`,
      )
    }
    return [...queues]
  }
}

export interface Listener {
  readonly to: { readonly exchange: string; readonly pattern: string; readonly reply: boolean }
  readonly hear: (message: RawMessage) => void
}

/** A message in its queue. It keeps its place for life, so that one that is given back stands before newer ones. */
export interface Stored {
  readonly place: number
  readonly message: RawMessage
  readonly exchange: string
  readonly routingKey: string
  readonly priority: number
  redelivered: boolean
  deliveries: number
  readySinceMs: number
  /** Parked while this is in the future. */
  dueMs: number
}

/** One handing out of a message. Whoever gives back or settles shows it; a message handed out again has another. */
export interface Held {
  readonly stored: Stored
}

/** One queue. A message is in exactly one of ready, held and parked; only the methods here move it. */
export class MemoryQueue {
  readonly name: string
  readonly consumers = new Set<{ wake(): void }>()
  readonly #ready = new Lane((a, b) => a.priority - b.priority || a.place - b.place)
  readonly #parked = new Lane((a, b) => a.dueMs - b.dueMs || a.place - b.place)
  readonly #held = new Set<Held>()

  constructor(name: string) {
    this.name = name
  }

  /** Makes a message ready, or parks it until its time. Wakes every consumer: one of them has to wait for that time. */
  put(stored: Stored, nowMs: number): void {
    if (stored.dueMs > nowMs) this.#parked.insert(stored)
    else {
      stored.readySinceMs = nowMs
      this.#ready.insert(stored)
    }
    for (const consumer of this.consumers) consumer.wake()
  }

  /** The next message, held from now on. */
  take(nowMs: number): Held | undefined {
    this.#ripen(nowMs)
    const stored = this.#ready.shift()
    if (!stored) return undefined
    stored.deliveries++
    const held = { stored }
    this.#held.add(held)
    return held
  }

  /** False when it is no longer held by whoever took it. */
  release(held: Held): boolean {
    return this.#held.delete(held)
  }

  /** When the first parked message falls due; undefined when none is parked. */
  nextDueMs(): number | undefined {
    return this.#parked.first()?.dueMs
  }

  info(nowMs: number): QueueInfo {
    const ready = this.look('ready', nowMs)
    const oldest = ready.reduce((age, { readySinceMs }) => Math.max(age, nowMs - readySinceMs), 0)
    return {
      ready: ready.length,
      held: this.#held.size,
      parked: this.#parked.size,
      oldestMs: ready.length === 0 ? undefined : oldest,
      consumers: this.consumers.size,
    }
  }

  /** In the order of delivery, of the due times, or of the claims. */
  look(state: QueueState, nowMs: number): readonly Stored[] {
    this.#ripen(nowMs)
    switch (state) {
      case 'ready':
        return this.#ready.all()
      case 'held':
        return [...this.#held].map((held) => held.stored)
      case 'parked':
        return this.#parked.all()
    }
  }

  purge(): number {
    return this.#ready.clear() + this.#parked.clear()
  }

  // Nothing happens at the due time itself: whoever looks at the queue first moves what has fallen due.
  #ripen(nowMs: number): void {
    for (let due = this.#parked.first(); due && due.dueMs <= nowMs; due = this.#parked.first()) {
      this.#parked.shift()
      due.readySinceMs = due.dueMs
      this.#ready.insert(due)
    }
  }
}

/** Messages in order. Most come in at the end and go out at the front; neither moves the others. */
class Lane {
  readonly #compare: (a: Stored, b: Stored) => number
  #items: Stored[] = []
  // What stands before it is gone already; it is cut off now and then.
  #from = 0

  constructor(compare: (a: Stored, b: Stored) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#items.length - this.#from
  }

  first(): Stored | undefined {
    return this.#items[this.#from]
  }

  all(): readonly Stored[] {
    return this.#items.slice(this.#from)
  }

  insert(stored: Stored): void {
    let low = this.#from
    let high = this.#items.length
    const last = this.#items[high - 1]
    if (last && high > low && this.#compare(last, stored) < 0) low = high
    while (low < high) {
      const middle = (low + high) >> 1
      const there = this.#items[middle]
      if (there && this.#compare(there, stored) < 0) low = middle + 1
      else high = middle
    }
    this.#items.splice(low, 0, stored)
  }

  shift(): Stored | undefined {
    const first = this.#items[this.#from]
    if (first) this.#from++
    if (this.#from > 1000 && this.#from * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#from)
      this.#from = 0
    }
    return first
  }

  clear(): number {
    const { size } = this
    this.#items = []
    this.#from = 0
    return size
  }
}
