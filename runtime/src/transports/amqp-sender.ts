import type { Clock } from '../core/clock.ts'
import { ChannelError } from '../core/errors.ts'
import type { RawMessage } from '../core/message.ts'
import type { AmqpConnection } from '../drivers/amqp-connection.ts'
import type { AmqpOutgoing } from '../drivers/amqp-publisher.ts'
import { type AmqpExchange, type AmqpQueue, delayEntry, delayKey, toAmqp, withDue } from '../wire/amqp-layout.ts'
import { type AmqpTopology, assertQueue } from './amqp-topology.ts'
import type { Outgoing } from './transport.ts'

/**
 * Puts messages where they belong: through the delay queues when they are for one queue and due in a second or more, else to
 * their exchange. What is left of the last second is waited for by the consumer, and a consumer sends what an exchange gave it
 * too early on its way itself. A task for a queue that is gone is sent again once it is there.
 */
export class AmqpSender {
  readonly #connection: AmqpConnection
  readonly #topology: AmqpTopology
  readonly #clock: Clock

  constructor(connection: AmqpConnection, topology: AmqpTopology, clock: Clock) {
    this.#connection = connection
    this.#topology = topology
    this.#clock = clock
  }

  /** Resolves when the broker has all of it. */
  async publish(batch: readonly Outgoing[]): Promise<void> {
    const outgoing: AmqpOutgoing[] = []
    for (const each of batch) {
      if (each.dueMs === undefined || each.dueMs <= this.#clock.now()) outgoing.push(direct(each))
      else outgoing.push(await this.#later(each, each.dueMs))
    }
    const homeless = await this.#connection.publisher.publish(outgoing)
    if (homeless.length === 0) return
    for (const queue of new Set(homeless.map(({ routingKey }) => routingKey))) await this.#topology.ensureQueue(queue)
    await this.#publishAgain(homeless)
  }

  /** Back to one queue, until `dueMs`. */
  async park(queue: string, message: RawMessage, dueMs: number): Promise<void> {
    await this.publish([{ exchange: '', routingKey: queue, message, dueMs }])
  }

  /** To a queue of tq's own, which is made when it is needed. */
  async put(queue: AmqpQueue, message: RawMessage): Promise<void> {
    const homeless = await this.#connection.publisher.publish([
      direct({ exchange: '', routingKey: queue.name, message }),
    ])
    if (homeless.length === 0) return
    await this.#connection.withChannel((channel) => assertQueue(channel, queue))
    await this.#publishAgain(homeless)
  }

  /** To whoever listens; dropped where nobody does. */
  async toListeners(exchange: AmqpExchange, routingKey: string, message: RawMessage): Promise<void> {
    await this.#topology.ensureExchange(exchange)
    await this.#connection.publisher.publish([direct({ exchange: exchange.name, routingKey, message })])
  }

  async #publishAgain(homeless: readonly AmqpOutgoing[]): Promise<void> {
    const [lost] = await this.#connection.publisher.publish(homeless)
    if (!lost) return
    throw new ChannelError(
      `RabbitMQ at ${this.#connection.url} has no queue '${lost.routingKey}', and it did not stay when it was made. Who deletes it?`,
    )
  }

  async #later({ exchange, routingKey, message }: Outgoing, dueMs: number): Promise<AmqpOutgoing> {
    const marked = withDue(message, dueMs)
    const seconds = Math.floor((dueMs - this.#clock.now()) / 1000)
    // Only the broker knows where an exchange with a name leads to.
    if (seconds < 1 || exchange !== '') return direct({ exchange, routingKey, message: marked })
    await this.#topology.ensureDelay(routingKey)
    return direct({ exchange: delayEntry, routingKey: delayKey(seconds, routingKey), message: marked })
  }
}

function direct({ exchange, routingKey, message }: Outgoing): AmqpOutgoing {
  const { body } = message
  const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return { exchange, routingKey, content, options: { ...toAmqp(message), mandatory: exchange === '' } }
}
