import { scanned, textsOf } from '../drivers/redis-reply.ts'
import { controlExchange, replyExchange } from '../wire/control-dict.ts'
import { eventExchange } from '../wire/event-dict.ts'
import { isBroadcastQueueName } from '../wire/queue-names.ts'
import { topicRegex } from '../wire/redis-layout.ts'
import type { RedisBroker } from './redis-broker.ts'
import { bindScript } from './redis-scripts.ts'
import { bindingMatches, matchQueues, type Queue, type Topology } from './topology.ts'

/**
 * Knows which queues a message reaches: those this process declared, and those other processes bound to the exchange. As in
 * kombu the bindings of named exchanges are read at each publish, those of the anonymous exchange never.
 * Source: kombu/transport/redis.py, Channel._queue_bind, get_table; virtual/exchange.py, DirectExchange, TopicExchange.
 */
export class RedisRouter {
  readonly #broker: RedisBroker
  /** By binding: a queue may have several. */
  readonly #declared = new Map<string, Queue>()
  readonly #fanouts = new Set<string>()
  /** Queues that get what is published to their fanout exchange by way of its channel. */
  readonly #listening = new Set<string>()

  constructor(broker: RedisBroker) {
    this.#broker = broker
  }

  async declare(topology: Topology): Promise<void> {
    for (const { name, type } of topology.exchanges ?? []) if (type === 'fanout') this.#fanouts.add(name)
    const fresh = topology.queues.filter((queue) => !this.#declared.has(bindingOf(queue)))
    if (fresh.length === 0) return
    await this.#bind(fresh)
    for (const queue of fresh) this.#declared.set(bindingOf(queue), queue)
  }

  /** After a reconnect: the server may have been emptied. */
  async declareAgain(): Promise<void> {
    await this.#bind([...this.#declared.values()])
  }

  /** A fanout exchange is a channel to others; the queues that this process bound to it get a copy each. */
  isFanout(exchange: string): boolean {
    if (this.#fanouts.has(exchange)) return true
    for (const queue of this.#declared.values()) {
      if (queue.exchange.name === exchange && queue.exchange.type === 'fanout') return true
    }
    return false
  }

  /** Bindings of a queue to fanout exchanges. */
  fanoutsOf(queue: string): readonly Queue[] {
    return [...this.#declared.values()].filter(({ name, exchange }) => name === queue && exchange.type === 'fanout')
  }

  /** From now on, or no longer: what is published to its fanout exchange comes to the queue by way of the channel. */
  setListening(queue: string, isListening: boolean): void {
    if (isListening) this.#listening.add(queue)
    else this.#listening.delete(queue)
  }

  /** Takes the queue and its bindings away where it goes with its last consumer. */
  async leave(queue: string): Promise<void> {
    const own = [...this.#declared].filter(([, { name }]) => name === queue)
    if (!own.some(([, { autoDelete }]) => autoDelete)) return
    for (const [key] of own) this.#declared.delete(key)
    const { connection, layout } = this.#broker
    if (connection.state !== 'ready') return
    await Promise.all([
      ...own.map(([, one]) => connection.call('SREM', ...this.#member(one))),
      connection.call('DEL', ...layout.queueKeys(queue)),
    ])
  }

  async queuesOf(exchange: string, routingKey: string): Promise<readonly string[]> {
    if (exchange === '') return [routingKey]
    const own = matchQueues(this.#declared.values(), exchange, routingKey)
    if (this.isFanout(exchange)) return own.filter((queue) => !this.#listening.has(queue))
    const bound = await this.boundTo(exchange, routingKey)
    return [...new Set([...own, ...bound])]
  }

  /** Queues that any process has bound. */
  async boundTo(exchange: string, routingKey: string): Promise<readonly string[]> {
    const { connection, layout } = this.#broker
    const members = await connection.call('SMEMBERS', layout.bindingKey(exchange))
    const found: string[] = []
    for (const member of textsOf(members)) {
      const binding = layout.parseBindingMember(member)
      if (!binding) continue
      const type = binding.pattern === '' ? 'direct' : 'topic'
      if (bindingMatches(type, binding.routingKey, routingKey)) found.push(binding.queue)
    }
    return found
  }

  /** Queues of tasks that any process has bound, sorted. */
  async queueNames(): Promise<readonly string[]> {
    const { connection, layout } = this.#broker
    const names = new Set<string>()
    const start = layout.bindingKey('')
    let cursor = '0'
    do {
      const reply = await connection.call('SCAN', cursor, 'MATCH', `${globEscaped(start)}*`, 'COUNT', 1000)
      const step = scanned(reply)
      cursor = step.cursor
      for (const key of step.found) {
        if (notForTasks.has(key.slice(start.length))) continue
        for (const member of textsOf(await connection.call('SMEMBERS', key))) {
          const queue = layout.parseBindingMember(member)?.queue
          if (queue !== undefined && queue !== '' && !isBroadcastQueueName(queue)) names.add(queue)
        }
      }
    } while (cursor !== '0')
    return [...names].toSorted()
  }

  async #bind(queues: readonly Queue[]): Promise<void> {
    await Promise.all(
      queues.map((queue) => {
        const [key, member] = this.#member(queue)
        return this.#broker.connection.run(bindScript, [key], [member])
      }),
    )
  }

  #member({ name, exchange, routingKey }: Queue): [key: string, member: string] {
    const { layout } = this.#broker
    const pattern = exchange.type === 'topic' ? topicRegex(routingKey) : ''
    return [layout.bindingKey(exchange.name), layout.bindingMember({ routingKey, pattern, queue: name })]
  }
}

const notForTasks: ReadonlySet<string> = new Set([eventExchange, controlExchange, replyExchange])

function bindingOf({ name, exchange, routingKey }: Queue): string {
  return JSON.stringify([name, exchange.name, routingKey])
}

/** Text that stands for itself in a glob pattern of Redis. */
export function globEscaped(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&')
}
