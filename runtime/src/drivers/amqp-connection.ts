import type { Channel } from 'amqplib'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import { closeChannel, whileOpen } from './amqp-channel.ts'
import { amqpError } from './amqp-errors.ts'
import { AmqpLink, type AmqpState, type Unsubscribe } from './amqp-link.ts'
import { AmqpPublisher } from './amqp-publisher.ts'
import { parseAmqpUrls } from './amqp-url.ts'
import type { FailoverStrategy } from './failover.ts'
import type { TlsWish } from './tls.ts'

export type { AmqpState, Unsubscribe } from './amqp-link.ts'

export interface AmqpConnectionDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** How long `connect` tries to reach each server; default 4,000. */
  readonly connectTimeoutMs?: number | undefined
  /** A server that is silent for two to three times as long is given up; default 10. The URL's `heartbeat` wins; 0 is off. */
  readonly heartbeatSeconds?: number | undefined
  /** Longest pause between two tries to reconnect; default 2,000. */
  readonly retryMaxMs?: number | undefined
  /** TLS whatever the URL's scheme; what it leaves open is as the URL says. */
  readonly tls?: TlsWish | undefined
  /** Which of several servers is tried when one is lost; `round-robin` by default. */
  readonly failover?: FailoverStrategy | undefined
}

/**
 * One RabbitMQ vhost: a connection to publish and ask on, and from the first consumer on a second one to consume. They are two
 * because a server that is short of memory stops reading from those who publish, and acknowledgements must still get through.
 * States as of `AmqpLink`; `ready` means both that are in use.
 */
export class AmqpConnection {
  readonly publishing: AmqpLink
  readonly consuming: AmqpLink
  readonly publisher: AmqpPublisher
  readonly #listeners = new Set<(state: AmqpState, cause?: Error) => void>()
  #state: AmqpState = 'connecting'

  /** `url` as of `parseAmqpUrls`. Throws SettingError. */
  constructor(url: string, deps: AmqpConnectionDeps) {
    const { clock, logger, connectTimeoutMs = 4000, heartbeatSeconds = 10, retryMaxMs = 2000 } = deps
    const { failover = 'round-robin' } = deps
    const addresses = parseAmqpUrls(url, deps.tls)
    const link = (purpose: string): AmqpLink =>
      new AmqpLink(addresses, { clock, logger, connectTimeoutMs, heartbeatSeconds, retryMaxMs, failover, purpose })
    this.publishing = link('publishing')
    this.consuming = link('consuming')
    this.publisher = new AmqpPublisher(this.publishing)
    for (const each of [this.publishing, this.consuming]) each.onState((_, cause) => this.#follow(cause))
  }

  /** The URL without its password. */
  get url(): string {
    return this.publishing.url
  }

  get state(): AmqpState {
    return this.#state
  }

  connect(): Promise<void> {
    return this.publishing.connect()
  }

  /** Idempotent. What is still in flight rejects. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#enter('closed')
    this.#listeners.clear()
    await Promise.all([this.publishing.close(), this.consuming.close()])
  }

  onState(listener: (state: AmqpState, cause?: Error) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Runs `ask` on a channel of its own: whatever it holds when it ends goes back, and a refusal harms nobody else. Rejects
   * with ConnectionError or ChannelError.
   */
  async withChannel<T>(ask: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.publishing.openChannel()
    try {
      return await whileOpen(channel, ask)
    } catch (error) {
      throw amqpError(error, this.url)
    } finally {
      await closeChannel(channel)
    }
  }

  #follow(cause: Error | undefined): void {
    const states = [this.publishing, this.consuming].filter((link) => link.started).map((link) => link.state)
    if (states.includes('lost')) this.#enter('lost', cause)
    else if (states.every((state) => state === 'ready')) this.#enter('ready')
  }

  #enter(state: AmqpState, cause?: Error): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    for (const listener of [...this.#listeners]) listener(state, cause)
  }
}
