import type { RawMessage } from '../core/message.ts'
import { textsOf } from '../drivers/redis-reply.ts'
import { decodeEnvelope } from '../wire/envelope.ts'
import { withoutMarks } from '../wire/redis-entry.ts'
import type { RedisBroker } from './redis-broker.ts'
import { globEscaped } from './redis-router.ts'
import { bindScript, takeScript } from './redis-scripts.ts'
import { topicMatches } from './topology.ts'
import type { Listening } from './transport.ts'

type OnMessage = (message: RawMessage) => void

/**
 * Hears what is broadcast to an exchange. Channels carry the routing key at their end; without one the bare channel is used.
 * Source: kombu/transport/redis.py, Channel._subscribe, _get_publish_topic.
 */
export async function listenToExchange(
  broker: RedisBroker,
  exchange: string,
  pattern: string,
  onMessage: OnMessage,
): Promise<Listening> {
  const { connection, layout } = broker
  const bare = layout.fanoutChannel(exchange)
  const receive = (text: string, channel: string): void => {
    const routingKey = channel.slice(bare.length + 1)
    // Redis' star runs across dots, the one of a topic does not.
    if (topicMatches(pattern, routingKey)) hand(broker, exchange, text, onMessage)
  }
  const closers: (() => void)[] = []
  try {
    if (pattern === '' || topicMatches(pattern, '')) closers.push(await connection.listener.subscribe(bare, receive))
    if (/[*#]/.test(pattern)) {
      const glob = globEscaped(layout.fanoutChannel(exchange, pattern)).replaceAll('#', '*').replaceAll('\\*', '*')
      if (glob !== globEscaped(bare)) closers.push(await connection.listener.psubscribe(glob, receive))
    } else if (pattern !== '') {
      closers.push(await connection.listener.subscribe(layout.fanoutChannel(exchange, pattern), receive))
    }
  } catch (error) {
    for (const close of closers) close()
    throw error
  }
  return {
    close: async () => {
      for (const close of closers.splice(0)) close()
    },
  }
}

const takeLimit = 100

/**
 * A reply address: a queue bound to an exchange under a routing key of its own, consumed without acknowledgement and
 * deleted in the end.
 */
export class RedisReplyQueue implements Listening {
  readonly #broker: RedisBroker
  readonly #address: { readonly exchange: string; readonly routingKey: string; readonly queue: string }
  readonly #onMessage: OnMessage
  readonly #onClosed: () => void
  readonly #keys: readonly string[]
  #taking = false
  #more = false
  #closed = false

  constructor(
    broker: RedisBroker,
    address: { readonly exchange: string; readonly routingKey: string; readonly queue: string },
    onMessage: OnMessage,
    onClosed: () => void,
  ) {
    this.#broker = broker
    this.#address = address
    this.#onMessage = onMessage
    this.#onClosed = onClosed
    this.#keys = broker.layout.queueKeys(address.queue)
  }

  /** Replies find the queue by its binding, so it must stand before the request is sent. */
  async open(): Promise<void> {
    const [key, member] = this.#binding()
    await this.#broker.connection.run(bindScript, [key], [member])
    await this.#broker.connection.watchKeys(this.#keys)
    this.wake()
  }

  wake(keys?: readonly string[]): void {
    if (keys && !keys.some((key) => this.#keys.includes(key))) return
    this.#more = true
    if (this.#taking || this.#closed) return
    this.#taking = true
    this.#take()
      .catch((error: unknown) => {
        // Looked at again by the next look of the transport.
        this.#broker.logger.debug(`Could not fetch replies: ${String(error)}`)
      })
      .finally(() => {
        this.#taking = false
      })
  }

  /** After a reconnect. */
  async recover(): Promise<void> {
    await this.open()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#onClosed()
    const { connection } = this.#broker
    if (connection.state !== 'ready') return
    await Promise.all([connection.call('SREM', ...this.#binding()), connection.call('DEL', ...this.#keys)])
  }

  async #take(): Promise<void> {
    const { connection } = this.#broker
    while (this.#more && !this.#closed) {
      this.#more = false
      const texts = await connection.run(takeScript, this.#keys, [takeLimit])
      for (const text of textsOf(texts)) {
        if (!this.#closed) hand(this.#broker, this.#address.exchange, text, this.#onMessage)
      }
      if ((await connection.watchKeys(this.#keys)) > 0) this.#more = true
    }
  }

  #binding(): [key: string, member: string] {
    const { layout } = this.#broker
    const { exchange, routingKey, queue } = this.#address
    return [layout.bindingKey(exchange), layout.bindingMember({ routingKey, pattern: '', queue })]
  }
}

function hand(broker: RedisBroker, exchange: string, text: string, onMessage: OnMessage): void {
  try {
    onMessage(withoutMarks(decodeEnvelope(text).raw))
  } catch (error) {
    broker.logger.warn(`Dropped a message of exchange ${exchange}, which nobody can read: ${String(error)}`)
  }
}
