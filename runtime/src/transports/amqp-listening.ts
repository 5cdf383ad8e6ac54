import type { Channel } from 'amqplib'
import type { Timer } from '../core/clock.ts'
import type { RawMessage } from '../core/message.ts'
import { closeChannel } from '../drivers/amqp-channel.ts'
import { amqpError } from '../drivers/amqp-errors.ts'
import { type AmqpExchange, type AmqpQueue, fromAmqp } from '../wire/amqp-layout.ts'
import type { AmqpBroker } from './amqp-broker.ts'
import { assertQueue, declareExchange } from './amqp-topology.ts'
import type { Listening } from './transport.ts'

/** Where a listener hears: a queue of its own, bound to the exchange. */
export interface ListeningPlace {
  readonly exchange: AmqpExchange
  readonly queue: AmqpQueue
  readonly bindingKey: string
}

const retryMs = 500

/** A queue that lives as long as its listener. After a reconnect it is made anew; what was sent meanwhile is gone. */
export class AmqpListening implements Listening {
  readonly #broker: AmqpBroker
  readonly #place: ListeningPlace
  readonly #onMessage: (message: RawMessage) => void
  readonly #onClose: () => void
  #channel: Channel | undefined
  #opening: Promise<void> | undefined
  #retry: Timer | undefined
  #closed = false

  constructor(
    broker: AmqpBroker,
    place: ListeningPlace,
    onMessage: (message: RawMessage) => void,
    onClose: () => void,
  ) {
    this.#broker = broker
    this.#place = place
    this.#onMessage = onMessage
    this.#onClose = onClose
  }

  /** Resolves when messages sent from now on will arrive. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#retry?.cancel()
    await this.#opening?.catch(() => undefined)
    const channel = this.#channel
    this.#channel = undefined
    // Its queue goes with its consumer.
    if (channel) await closeChannel(channel)
    this.#onClose()
  }

  async #open(): Promise<void> {
    if (this.#closed || this.#channel) return
    const channel = await this.#broker.connection.consuming.openChannel()
    channel.once('close', () => this.#lost(channel))
    try {
      await this.#consume(channel)
    } catch (error) {
      await closeChannel(channel)
      throw amqpError(error, this.#broker.connection.url)
    }
    this.#channel = channel
  }

  async #consume(channel: Channel): Promise<void> {
    const { exchange, queue, bindingKey } = this.#place
    await declareExchange(channel, exchange)
    await assertQueue(channel, queue)
    await channel.bindQueue(queue.name, exchange.name, bindingKey)
    await channel.consume(
      queue.name,
      (message) => {
        if (this.#closed) return
        if (!message) return this.#again()
        try {
          this.#onMessage(fromAmqp(message.content, message.properties).raw)
        } catch (error) {
          const { logger } = this.#broker
          logger.error(`A listener of '${exchange.name}' threw an error; what it was given counts as heard.`, { error })
        }
      },
      { noAck: true },
    )
  }

  #lost(channel: Channel): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    this.#again()
  }

  #again(): void {
    if (this.#closed) return
    const { clock, connection, logger } = this.#broker
    const channel = this.#channel
    this.#channel = undefined
    if (channel) void closeChannel(channel)
    this.#retry?.cancel()
    this.#retry = clock.timer(retryMs, () => {
      // The transport opens all listeners when the connection is back.
      if (this.#closed || connection.consuming.state !== 'ready') return
      this.open().catch((error: unknown) => {
        logger.warn(`Cannot listen to '${this.#place.exchange.name}' yet; trying again: ${String(error)}`)
        this.#again()
      })
    })
  }
}
