import type { Channel } from 'amqplib'
import type { Logger } from '../core/logger.ts'
import type { AmqpConnection } from '../drivers/amqp-connection.ts'
import { codeOf, replyCode } from '../drivers/amqp-errors.ts'
import { type AmqpExchange, type AmqpQueue, delayedDelivery, delayLevels, delayPattern } from '../wire/amqp-layout.ts'
import { directQueue, type Queue, type Topology } from './topology.ts'

/**
 * What this process has declared, so that it can be declared again when the connection comes back. The delay queues are made
 * when the first message has to wait.
 */
export class AmqpTopology {
  readonly #connection: AmqpConnection
  readonly #logger: Logger
  readonly #delayQueueType: string
  /** By name; a queue with several bindings is there once for each. */
  readonly #queues = new Map<string, readonly Queue[]>()
  readonly #exchanges = new Map<string, Promise<void>>()
  readonly #delayed = new Map<string, Promise<void>>()
  #levels: Promise<void> | undefined

  constructor(connection: AmqpConnection, logger: Logger, delayQueueType: string) {
    this.#connection = connection
    this.#logger = logger
    this.#delayQueueType = delayQueueType
  }

  async declare({ queues, exchanges = [] }: Topology): Promise<void> {
    for (const exchange of exchanges) await this.ensureExchange({ ...exchange, durable: true })
    if (queues.length === 0) return
    await this.#connection.withChannel(async (channel) => {
      for (const queue of queues) await declareQueue(channel, queue)
    })
    for (const queue of queues) {
      const others = this.find(queue.name).filter((known) => !isSameBinding(known, queue))
      this.#queues.set(queue.name, [...others, queue])
    }
  }

  /** The bindings of a queue that this process declared; none for one that it did not. */
  find(name: string): readonly Queue[] {
    return this.#queues.get(name) ?? []
  }

  /** A consumer has left the queue: one that goes with its last consumer is not to be made again without one. */
  left(name: string): void {
    if (!this.find(name).some(({ autoDelete }) => autoDelete)) return
    this.#queues.delete(name)
    this.#delayed.delete(name)
  }

  /** Names of the queues that this process declared, sorted. */
  names(): readonly string[] {
    return [...this.#queues.keys()].sort()
  }

  /** Sees to it that the queue exists: as it was declared here, as it is there, or as Celery makes a missing one. */
  async ensureQueue(name: string): Promise<void> {
    const declared = this.find(name)
    if (declared.length > 0) return this.declare({ queues: declared })
    if (await this.exists(name)) return
    await this.declare({ queues: [directQueue(name)] })
  }

  async exists(name: string): Promise<boolean> {
    try {
      await this.#connection.withChannel((channel) => channel.checkQueue(name))
      return true
    } catch (error) {
      if (codeOf(error) === replyCode.notFound) return false
      throw error
    }
  }

  /** Once per connection. */
  ensureExchange(exchange: AmqpExchange): Promise<void> {
    return once(this.#exchanges, exchange.name, () =>
      this.#connection.withChannel((channel) => declareExchange(channel, exchange)),
    )
  }

  /** Sees to it that a delayed message finds its way to the queue, which must exist. Once per connection. */
  async ensureDelay(queue: string): Promise<void> {
    this.#levels ??= this.#declareLevels().catch((error: unknown) => {
      this.#levels = undefined
      throw error
    })
    await this.#levels
    await once(this.#delayed, queue, async () => {
      await this.ensureQueue(queue)
      await this.#connection.withChannel((channel) => channel.bindQueue(queue, delayedDelivery, delayPattern(queue)))
    })
  }

  /** After a reconnect: a broker that lost its data, or a queue that was deleted, must not lose messages silently. */
  async declareAgain(): Promise<void> {
    this.#exchanges.clear()
    this.#levels = undefined
    const delayed = [...this.#delayed.keys()]
    this.#delayed.clear()
    await this.declare({ queues: [...this.#queues.values()].flat() })
    for (const queue of delayed) await this.ensureDelay(queue)
  }

  async #declareLevels(): Promise<void> {
    await this.ensureExchange({ name: delayedDelivery, type: 'topic', durable: true })
    const levels = delayLevels(this.#delayQueueType)
    let done = 0
    while (done < levels.length) {
      try {
        await this.#connection.withChannel(async (channel) => {
          // From the shortest on: what a level dead-letters to is there before it.
          for (; done < levels.length; done++) {
            const level = levels[levels.length - 1 - done]
            if (!level) return
            await declareExchange(channel, level.exchange)
            await assertQueue(channel, level.queue)
            await channel.bindQueue(level.queue.name, level.exchange.name, level.queuePattern)
            await channel.bindExchange(level.next, level.exchange.name, level.nextPattern)
          }
        })
      } catch (error) {
        if (codeOf(error) !== replyCode.preconditionFailed) throw error
        // Somebody made the queue of another type; it delays as well.
        const level = levels[levels.length - 1 - done]
        if (!level) throw error
        this.#logger.debug(`${level.queue.name} is there already, made otherwise: ${String(error)}`)
        await this.#connection.withChannel(async (channel) => {
          await channel.bindQueue(level.queue.name, level.exchange.name, level.queuePattern)
          await channel.bindExchange(level.next, level.exchange.name, level.nextPattern)
        })
        done++
      }
    }
  }
}

export async function declareExchange(channel: Channel, { name, type, durable }: AmqpExchange): Promise<void> {
  // The anonymous exchange and those of the broker are there, and may not be declared.
  if (name === '' || name.startsWith('amq.')) return
  await channel.assertExchange(name, type, { durable })
}

export async function assertQueue(channel: Channel, queue: AmqpQueue): Promise<void> {
  const { name, durable, autoDelete, exclusive } = queue
  await channel.assertQueue(name, { durable, autoDelete, exclusive, arguments: queue.arguments })
}

async function declareQueue(channel: Channel, queue: Queue): Promise<void> {
  const { name, exchange, routingKey, durable = true, autoDelete = false } = queue
  await declareExchange(channel, { ...exchange, durable: true })
  await channel.assertQueue(name, { durable, autoDelete, arguments: queue.arguments ?? {} })
  if (exchange.name !== '') await channel.bindQueue(name, exchange.name, routingKey, queue.bindingArguments)
}

function isSameBinding(left: Queue, right: Queue): boolean {
  if (left.exchange.name !== right.exchange.name || left.routingKey !== right.routingKey) return false
  return JSON.stringify(left.bindingArguments) === JSON.stringify(right.bindingArguments)
}

/** The work under way or done for this key; what failed is tried again. */
function once(memo: Map<string, Promise<void>>, key: string, work: () => Promise<unknown>): Promise<void> {
  const known = memo.get(key)
  if (known) return known
  const doing = work().then(() => undefined)
  memo.set(key, doing)
  doing.catch(() => {
    if (memo.get(key) === doing) memo.delete(key)
  })
  return doing
}
