import { ChannelError } from '../core/errors.ts'

export type ExchangeType = 'direct' | 'topic' | 'fanout' | 'headers'

export interface Exchange {
  readonly name: string
  readonly type: ExchangeType
}

/** A queue and one binding of it; a queue that is bound more than once stands in a topology once for each. */
export interface Queue {
  readonly name: string
  readonly exchange: Exchange
  readonly routingKey: string
  /** What a headers exchange compares with a message's headers. */
  readonly bindingArguments?: Readonly<Record<string, unknown>> | undefined
  /** Broker arguments such as `x-max-priority`. */
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  /** Outlives a restart of the broker, where it tells the two kinds apart. Default true. */
  readonly durable?: boolean | undefined
  /** Gone, with its bindings and what is in it, once its last consumer is. Default false. */
  readonly autoDelete?: boolean | undefined
}

/** What a transport must know before it publishes to or consumes from named queues. Declaring twice is harmless. */
export interface Topology {
  readonly queues: readonly Queue[]
  /** Exchanges to publish to whose queues are other processes' affair: a fanout exchange may have none at the moment. */
  readonly exchanges?: readonly Exchange[] | undefined
}

/** A queue on a direct exchange of its own name: what Celery makes of a bare queue name. */
export function directQueue(name: string): Queue {
  return { name, exchange: { name, type: 'direct' }, routingKey: name }
}

/** For transports that route by keys alone. Throws ChannelError for a headers exchange. Source: kombu/transport/virtual/exchange.py. */
export function refuseHeaders({ queues, exchanges = [] }: Topology, broker: string): void {
  const all = [...queues.map(({ exchange }) => exchange), ...exchanges]
  const refused = all.find(({ type }) => type === 'headers')
  if (!refused) return
  throw new ChannelError(
    `Exchange '${refused.name}' is of the type headers, which only RabbitMQ has; the broker is ${broker}. Use a topic exchange.`,
  )
}

/** Queues of the topology that a message to this exchange and routing key reaches. */
export function matchQueues(queues: Iterable<Queue>, exchange: string, routingKey: string): readonly string[] {
  const found: string[] = []
  for (const queue of queues) {
    if (exchange === '') {
      if (queue.name === routingKey) found.push(queue.name)
    } else if (queue.exchange.name === exchange && bindingMatches(queue.exchange.type, queue.routingKey, routingKey)) {
      found.push(queue.name)
    }
  }
  return found
}

export function bindingMatches(type: ExchangeType, bindingKey: string, routingKey: string): boolean {
  switch (type) {
    case 'fanout':
      return true
    case 'direct':
      return bindingKey === routingKey
    case 'topic':
      return topicMatches(bindingKey, routingKey)
    case 'headers':
      return false // such a topology is refused before anything is matched
  }
}

/** AMQP's topic rule: words between dots, `*` stands for one word, `#` for any number of them. */
export function topicMatches(pattern: string, routingKey: string): boolean {
  return wordsMatch(pattern.split('.'), 0, routingKey.split('.'), 0)
}

function wordsMatch(pattern: readonly string[], p: number, words: readonly string[], w: number): boolean {
  if (p === pattern.length) return w === words.length
  if (pattern[p] === '#') {
    for (let skip = w; skip <= words.length; skip++) if (wordsMatch(pattern, p + 1, words, skip)) return true
    return false
  }
  return w < words.length && (pattern[p] === '*' || pattern[p] === words[w]) && wordsMatch(pattern, p + 1, words, w + 1)
}
