import type { Channel, ConsumeMessage } from 'amqplib'
import type { Clock } from '../core/clock.ts'
import { ChannelError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { AmqpConnection } from '../drivers/amqp-connection.ts'
import { codeOf, replyCode } from '../drivers/amqp-errors.ts'
import { fromAmqp, type QuarantineNote, quarantineQueue, withQuarantineNote } from '../wire/amqp-layout.ts'
import { AmqpDelivery } from './amqp-delivery.ts'
import type { AmqpSender } from './amqp-sender.ts'
import type { AmqpTopology } from './amqp-topology.ts'
import type { Delivery, Quarantine, Quarantined } from './transport.ts'

const patienceMs = 5000
const pauseMs = 20

/** A durable queue of tq's own that the broker keeps short. Whoever looks takes everything for a moment and gives it back. */
export class AmqpQuarantine implements Quarantine {
  readonly #connection: AmqpConnection
  readonly #topology: AmqpTopology
  readonly #sender: AmqpSender
  readonly #clock: Clock

  constructor(connection: AmqpConnection, topology: AmqpTopology, sender: AmqpSender, clock: Clock) {
    this.#connection = connection
    this.#topology = topology
    this.#sender = sender
    this.#clock = clock
  }

  async put(delivery: Delivery, reason: string): Promise<void> {
    if (!(delivery instanceof AmqpDelivery)) throw new ChannelError('This delivery did not come from RabbitMQ.')
    await delivery.quarantine(reason)
  }

  /** @internal For AmqpDelivery: keeps a copy; the original is acknowledged afterwards. */
  async keep(delivery: AmqpDelivery, reason: string): Promise<void> {
    const note = { id: randomId(), queue: delivery.info.queue, reason, atMs: this.#clock.now() }
    await this.#sender.put(quarantineQueue, withQuarantineNote(delivery.raw, note))
  }

  async list(limit: number): Promise<readonly Quarantined[]> {
    const found: Quarantined[] = []
    await this.#visit(async (_, kept) => {
      for (const { note, message } of kept)
        found.push({ ...note, raw: fromAmqp(message.content, message.properties).raw })
    })
    return found.reverse().slice(0, Math.max(0, limit))
  }

  async restore(id: string): Promise<void> {
    const restored = await this.#visit(async (channel, kept) => {
      const one = kept.find(({ note }) => note.id === id)
      if (!one) return false
      const { raw } = fromAmqp(one.message.content, one.message.properties)
      await this.#topology.ensureQueue(one.note.queue)
      await this.#sender.publish([{ exchange: '', routingKey: one.note.queue, message: raw }])
      channel.ack(one.message)
      return true
    })
    if (!restored) throw new ChannelError(`No message '${id}' is in quarantine. List the quarantine to see what is.`)
  }

  async drop(id: string): Promise<void> {
    await this.#visit(async (channel, kept) => {
      const one = kept.find(({ note }) => note.id === id)
      if (one) channel.ack(one.message)
    })
  }

  /** Everything in the queue, oldest first, held by us alone while `look` runs; what it does not acknowledge goes back. */
  async #visit<T>(look: (channel: Channel, kept: readonly Kept[]) => Promise<T>): Promise<T | undefined> {
    const deadlineMs = this.#clock.monotonic() + patienceMs
    for (;;) {
      try {
        return await this.#connection.withChannel(async (channel) => {
          const kept = await takeAll(channel)
          return look(channel, kept)
        })
      } catch (error) {
        const code = codeOf(error)
        if (code === replyCode.notFound) return undefined
        // Another one looks at this moment.
        if (code !== replyCode.accessRefused || this.#clock.monotonic() > deadlineMs) throw error
        await this.#clock.sleep(pauseMs)
      }
    }
  }
}

interface Kept {
  readonly note: QuarantineNote
  readonly message: ConsumeMessage
}

/**
 * Nobody else gets any while this consumer lives, that is until the channel is closed: what the queue does not count as ready is in the
 * channel's hands by then. A channel does what it is told in order, but its questions to a queue overtake what the queue has given it: the
 * first answer that counts nothing may come before the last messages, and the second one never does.
 * Source: rabbitmq-server 3.10, rabbit_channel.erl: deliveries and methods are casts of one priority, `stat` is a call in between.
 */
async function takeAll(channel: Channel): Promise<readonly Kept[]> {
  const kept: Kept[] = []
  await channel.consume(
    quarantineQueue.name,
    (message) => {
      const note = message && fromAmqp(message.content, message.properties).note
      if (message && note) kept.push({ note, message })
    },
    { exclusive: true },
  )
  for (let empty = 0; empty < 2; ) {
    const { messageCount } = await channel.checkQueue(quarantineQueue.name)
    empty = messageCount === 0 ? empty + 1 : 0
  }
  return kept
}
