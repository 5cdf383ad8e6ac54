import { scanned, textsOf } from '../drivers/redis-reply.ts'
import { controlExchange, replyExchange } from '../wire/control-dict.ts'
import { eventExchange } from '../wire/event-dict.ts'
import { topicRegex } from '../wire/redis-layout.ts'
import type { RedisBroker } from './redis-broker.ts'
import { bindingMatches, matchQueues, type Queue, type Topology } from './topology.ts'

/**
 * Knows which queues a message reaches: those this process declared, and those other processes bound to the exchange. As in
 * kombu the bindings of named exchanges are read at each publish, those of the anonymous exchange never.
 * Source: kombu/transport/redis.py, Channel._queue_bind, get_table; virtual/exchange.py, DirectExchange, TopicExchange.
 */
export class RedisRouter {
  readonly #broker: RedisBroker
  readonly #declared = new Map<string, Queue>()

  constructor(broker: RedisBroker) {
    this.#broker = broker
  }

  async declare(topology: Topology): Promise<void> {
    const fresh = topology.queues.filter((queue) => !this.#isDeclared(queue))
    await this.#bind(fresh)
    for (const queue of fresh) this.#declared.set(queue.name, queue)
  }

  /** After a reconnect: the server may have been emptied. */
  async declareAgain(): Promise<void> {
    await this.#bind([...this.#declared.values()])
  }

  /** A fanout exchange is a channel to others; the queues that this process bound to it get a copy each. */
  isFanout(exchange: string): boolean {
    for (const queue of this.#declared.values()) {
      if (queue.exchange.name === exchange && queue.exchange.type === 'fanout') return true
    }
    return false
  }

  async queuesOf(exchange: string, routingKey: string): Promise<readonly string[]> {
    if (exchange === '') return [routingKey]
    const own = matchQueues(this.#declared.values(), exchange, routingKey)
    if (this.isFanout(exchange)) return own
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
          if (queue !== undefined && queue !== '') names.add(queue)
        }
      }
    } while (cursor !== '0')
    return [...names].toSorted()
  }

  #isDeclared(queue: Queue): boolean {
    const known = this.#declared.get(queue.name)
    return known?.exchange.name === queue.exchange.name && known.routingKey === queue.routingKey
  }

  async #bind(queues: readonly Queue[]): Promise<void> {
    const { connection, layout } = this.#broker
    await Promise.all(
      queues.map(({ name, exchange, routingKey }) => {
        const pattern = exchange.type === 'topic' ? topicRegex(routingKey) : ''
        return connection.call(
          'SADD',
          layout.bindingKey(exchange.name),
          layout.bindingMember({ routingKey, pattern, queue: name }),
        )
      }),
    )
  }
}

const notForTasks: ReadonlySet<string> = new Set([eventExchange, controlExchange, replyExchange])

/** Text that stands for itself in a glob pattern of Redis. */
export function globEscaped(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&')
}
