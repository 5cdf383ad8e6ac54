import type { Channel } from 'amqplib'
import type { Clock, Timer } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { AmqpConnection, Unsubscribe } from '../drivers/amqp-connection.ts'
import { closeChannel } from '../drivers/amqp-channel.ts'
import { amqpError } from '../drivers/amqp-errors.ts'
import { resultQueue } from '../wire/amqp-layout.ts'

const retryMs = 500

/** The reply queues of one process, one for each name under which it sends: normally one. Consumed without acknowledgements. */
export class RpcReplies {
  readonly #connection: AmqpConnection
  readonly #deps: { readonly clock: Clock; readonly logger: Logger; readonly expiresMs: number }
  readonly #onReply: (content: Uint8Array, properties: object) => void
  readonly #queues = new Map<string, Promise<void>>()
  #channel: Promise<Channel> | undefined
  #unsubscribe: Unsubscribe | undefined
  #retry: Timer | undefined
  #closed = false

  constructor(
    connection: AmqpConnection,
    deps: { readonly clock: Clock; readonly logger: Logger; readonly expiresMs: number },
    onReply: (content: Uint8Array, properties: object) => void,
  ) {
    this.#connection = connection
    this.#deps = deps
    this.#onReply = onReply
  }

  /** Idempotent. Resolves when results sent to `queue` from now on arrive. */
  open(queue: string): Promise<void> {
    const known = this.#queues.get(queue)
    if (known) return known
    const opening = this.#open(queue)
    this.#queues.set(queue, opening)
    opening.catch(() => {
      if (this.#queues.get(queue) === opening) this.#queues.delete(queue)
    })
    return opening
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#retry?.cancel()
    this.#unsubscribe?.()
    const channel = await this.#channel?.catch(() => undefined)
    if (!channel || this.#connection.consuming.state !== 'ready') return
    try {
      for (const queue of this.#queues.keys()) await channel.deleteQueue(queue)
      await closeChannel(channel)
    } catch (error) {
      this.#deps.logger.debug(`Could not delete the reply queue; it expires by itself: ${String(error)}`)
    }
  }

  async #open(queue: string): Promise<void> {
    this.#channel ??= this.#openChannel().catch((error: unknown) => {
      this.#channel = undefined
      throw error
    })
    const channel = await this.#channel
    const { name, durable, autoDelete, exclusive, arguments: args } = resultQueue(queue, this.#deps.expiresMs)
    try {
      await channel.assertQueue(name, { durable, autoDelete, exclusive, arguments: args })
      await channel.consume(
        name,
        (message) => {
          if (message) this.#onReply(message.content, message.properties)
          else this.#again()
        },
        { noAck: true },
      )
    } catch (error) {
      throw amqpError(error, this.#connection.url)
    }
  }

  async #openChannel(): Promise<Channel> {
    const { consuming } = this.#connection
    await consuming.connect()
    this.#unsubscribe ??= consuming.onState((state) => {
      if (state === 'ready') this.#again()
    })
    const channel = await consuming.openChannel()
    channel.once('close', () => {
      this.#channel = undefined
      if (consuming.state === 'ready') this.#again()
    })
    return channel
  }

  /** The channel or a queue is gone: what was opened is opened again. */
  #again(): void {
    if (this.#closed || this.#queues.size === 0) return
    const names = [...this.#queues.keys()]
    this.#queues.clear()
    Promise.all(names.map((name) => this.open(name))).catch((error: unknown) => {
      const { clock, logger } = this.#deps
      // Lost again: the next reconnect starts anew.
      for (const name of names) if (!this.#queues.has(name)) this.#queues.set(name, rejected(error))
      if (this.#closed || this.#connection.consuming.state !== 'ready') return
      logger.warn(`Cannot consume results yet; trying again: ${String(error)}`)
      this.#retry?.cancel()
      this.#retry = clock.timer(retryMs, () => this.#again())
    })
  }
}

/** A remembered failure that nobody has to handle. */
function rejected(error: unknown): Promise<void> {
  const failed = Promise.reject(error instanceof Error ? error : new Error(String(error)))
  failed.catch(() => {})
  return failed
}
