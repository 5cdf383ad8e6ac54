import type { Channel } from 'amqplib'
import { closeChannel } from '../drivers/amqp-channel.ts'
import { codeOf, replyCode } from '../drivers/amqp-errors.ts'
import { peersExchange, peersQueue } from '../wire/amqp-layout.ts'
import type { AmqpBroker } from './amqp-broker.ts'
import { assertQueue, declareExchange } from './amqp-topology.ts'

/** What one process holds of a queue. */
export interface PeerCounts {
  readonly held: number
  readonly parked: number
}

const patienceMs = 500
const nothing: PeerCounts = { held: 0, parked: 0 }
const directReplies = 'amq.rabbitmq.reply-to'

/**
 * AMQP does not tell how many messages other consumers hold, so consumers of tq tell each other. How many will answer is known:
 * each consumes `tq.peers`, a queue that stays empty. What Python's workers hold is not counted.
 */
export class AmqpPeers {
  readonly #broker: AmqpBroker
  readonly #count: (queue: string) => PeerCounts
  #channel: Channel | undefined
  #joining: Promise<void> | undefined

  constructor(broker: AmqpBroker, count: (queue: string) => PeerCounts) {
    this.#broker = broker
    this.#count = count
  }

  /** From now on others are answered. Idempotent; needed again after a reconnect. */
  join(): Promise<void> {
    this.#joining ??= this.#join().catch((error: unknown) => {
      this.#joining = undefined
      throw error
    })
    return this.#joining
  }

  async leave(): Promise<void> {
    await this.#joining?.catch(() => undefined)
    const channel = this.#channel
    this.#channel = undefined
    this.#joining = undefined
    if (channel) await closeChannel(channel)
  }

  /** The sum over all processes, this one included. One that does not answer within half a second counts nothing. */
  async sum(queue: string): Promise<PeerCounts> {
    const population = await this.#population()
    if (population === 0 || (population === 1 && this.#channel)) return this.#count(queue)
    // Our own consumers answer as well.
    const answers = await this.#ask(queue, population)
    return answers.reduce((sum, one) => ({ held: sum.held + one.held, parked: sum.parked + one.parked }), nothing)
  }

  async #join(): Promise<void> {
    const channel = await this.#broker.connection.consuming.openChannel()
    channel.once('close', () => {
      if (this.#channel === channel) {
        this.#channel = undefined
        this.#joining = undefined
      }
    })
    await declareExchange(channel, peersExchange)
    const { queue } = await channel.assertQueue('', { exclusive: true, durable: false, autoDelete: true })
    await channel.bindQueue(queue, peersExchange.name, '')
    await channel.consume(
      queue,
      (message) => {
        const replyTo: unknown = message?.properties.replyTo
        if (!message || typeof replyTo !== 'string') return
        const counts = this.#count(message.content.toString('utf8'))
        channel.publish('', replyTo, Buffer.from(JSON.stringify(counts)))
      },
      { noAck: true },
    )
    await assertQueue(channel, peersQueue)
    await channel.consume(peersQueue.name, () => {}, { noAck: true })
    this.#channel = channel
  }

  async #population(): Promise<number> {
    try {
      const { consumerCount } = await this.#broker.connection.withChannel((channel) =>
        channel.checkQueue(peersQueue.name),
      )
      return consumerCount
    } catch (error) {
      if (codeOf(error) === replyCode.notFound) return 0
      throw error
    }
  }

  #ask(queue: string, wanted: number): Promise<readonly PeerCounts[]> {
    const { connection, clock } = this.#broker
    return connection.withChannel(async (channel) => {
      const answers: PeerCounts[] = []
      let finish: () => void = () => {}
      const all = new Promise<void>((resolve) => {
        finish = resolve
      })
      await channel.consume(
        directReplies,
        (message) => {
          if (message) answers.push(countsIn(message.content))
          if (answers.length >= wanted) finish()
        },
        { noAck: true },
      )
      channel.publish(peersExchange.name, '', Buffer.from(queue), { replyTo: directReplies })
      const timer = clock.timer(patienceMs, finish, { ref: true })
      await all
      timer.cancel()
      return answers
    })
  }
}

function countsIn(content: Buffer): PeerCounts {
  const counts: unknown = JSON.parse(content.toString('utf8'))
  if (typeof counts !== 'object' || counts === null || !('held' in counts && 'parked' in counts)) {
    return nothing
  }
  return { held: Number(counts.held), parked: Number(counts.parked) }
}
