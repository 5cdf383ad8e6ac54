import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import type { Clock, Timer } from '../core/clock.ts'
import { ConnectionError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { amqpError, unreachable } from './amqp-errors.ts'
import type { AmqpAddress } from './amqp-url.ts'
import { failoverStep, type FailoverStrategy } from './failover.ts'
import { tlsSocketOptions } from './tls.ts'

export type AmqpState = 'connecting' | 'ready' | 'lost' | 'closed'
export type Unsubscribe = () => void

export interface AmqpLinkDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly connectTimeoutMs: number
  readonly heartbeatSeconds: number
  /** Longest pause between two tries to reconnect. */
  readonly retryMaxMs: number
  readonly failover: FailoverStrategy
  /** Shown by `rabbitmqctl list_connections`. */
  readonly purpose: string
}

const firstRetryMs = 25
const closeTimeoutMs = 2000

/**
 * One TCP connection to one of several nodes.
 *
 * States: `connecting` -> `ready` <-> `lost` -> `closed`. The first `connect` tries each address once and gives up; from then on
 * a lost connection is made anew, at the addresses in turn or in any order, with pauses of 25 ms up to `retryMaxMs`. Channels do not survive it.
 */
export class AmqpLink {
  readonly #addresses: readonly AmqpAddress[]
  readonly #deps: AmqpLinkDeps
  readonly #listeners = new Set<(state: AmqpState, cause?: Error) => void>()
  #state: AmqpState = 'connecting'
  #model: ChannelModel | undefined
  #socket: AbortController | undefined
  #connecting: Promise<void> | undefined
  #cause: Error | undefined
  #lastCause: Error | undefined
  #retry: Timer | undefined
  #tries = 0
  #turn = 0

  constructor(addresses: readonly AmqpAddress[], deps: AmqpLinkDeps) {
    this.#addresses = addresses
    this.#deps = deps
  }

  get state(): AmqpState {
    return this.#state
  }

  /** True once `connect` was called. */
  get started(): boolean {
    return this.#connecting !== undefined
  }

  /** The address in use, or the one tried last, without its password. */
  get url(): string {
    return this.#address().masked
  }

  /** Why the connection was lost last. */
  get cause(): Error | undefined {
    return this.#lastCause
  }

  /** Resolves when it is there, or comes back. Rejects with ConnectionError once it is closed. */
  whenReady(): Promise<void> {
    if (this.#state === 'ready') return Promise.resolve()
    if (this.#state === 'closed') return Promise.reject(this.#closedError())
    return new Promise((resolve, reject) => {
      const unsubscribe = this.onState((state) => {
        if (state !== 'ready' && state !== 'closed') return
        unsubscribe()
        if (state === 'ready') resolve()
        else reject(this.#closedError())
      })
    })
  }

  /** Idempotent. Rejects with ConnectionError, or with ChannelError where the server refuses us; may then be called again. */
  connect(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(this.#closedError())
    this.#connecting ??= this.#first().catch((error: unknown) => {
      this.#connecting = undefined
      throw error
    })
    return this.#connecting
  }

  onState(listener: (state: AmqpState, cause?: Error) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A channel whose errors the caller learns from its `close` event and rejected calls. */
  async openChannel(): Promise<Channel> {
    return this.#open((model) => model.createChannel())
  }

  async openConfirmChannel(): Promise<ConfirmChannel> {
    return this.#open((model) => model.createConfirmChannel())
  }

  /** Idempotent. Says goodbye; a server that does not answer is left after two seconds. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    const model = this.#model
    this.#retry?.cancel()
    this.#setState('closed')
    this.#listeners.clear() // told just now
    if (model) {
      const timer = this.#deps.clock.timer(closeTimeoutMs, () => this.#socket?.abort(), { ref: true })
      const gone = new Promise<void>((resolve) => model.once('close', () => resolve()))
      await Promise.race([model.close().catch(() => undefined), gone])
      timer.cancel()
    }
    this.#socket?.abort()
  }

  async #open<T extends Channel>(create: (model: ChannelModel) => Promise<T>): Promise<T> {
    if (this.#state === 'closed') throw this.#closedError()
    if (!this.started) await this.connect()
    if (!this.#model || this.#state !== 'ready') throw unreachable(this.#cause, this.url)
    try {
      const channel = await create(this.#model)
      // Without a listener an error event would end the process.
      channel.on('error', () => {})
      return channel
    } catch (error) {
      throw amqpError(error, this.url)
    }
  }

  async #first(): Promise<void> {
    this.#setState('connecting')
    let failure: unknown
    for (let at = 0; at < this.#addresses.length; at++) {
      try {
        await this.#reach()
        return
      } catch (error) {
        failure ??= error
        this.#turn++
      }
    }
    throw failure
  }

  #address(): AmqpAddress {
    const address = this.#addresses[this.#turn % this.#addresses.length]
    if (!address) throw new TypeError('a link needs an address')
    return address
  }

  async #reach(): Promise<void> {
    const address = this.#address()
    const { clock, connectTimeoutMs, purpose } = this.#deps
    const socket = new AbortController()
    let late = false
    const timer = clock.timer(
      connectTimeoutMs,
      () => {
        late = true
        socket.abort()
      },
      { ref: true },
    )
    let model: ChannelModel
    try {
      const options = {
        noDelay: true,
        keepAlive: true,
        keepAliveDelay: 30_000,
        // Ends the socket, also in the middle of the handshake.
        signal: socket.signal,
        clientProperties: { connection_name: `tq ${purpose} (pid ${process.pid})`, product: 'tq' },
        ...(address.tls ? tlsSocketOptions(address.tls, address.host, 'RabbitMQ') : {}),
      }
      model = await connect(
        {
          protocol: address.tls ? 'amqps' : 'amqp',
          hostname: address.host,
          port: address.port,
          username: address.username,
          password: address.password,
          vhost: encodeURIComponent(address.vhost),
          heartbeat: address.heartbeatSeconds ?? this.#deps.heartbeatSeconds,
        },
        options,
      )
    } catch (error) {
      socket.abort()
      throw unreachable(late ? new Error(`no answer within ${connectTimeoutMs / 1000} s`) : error, address.masked)
    } finally {
      timer.cancel()
    }
    if (this.state === 'closed') {
      socket.abort()
      throw this.#closedError()
    }
    this.#adopt(model, socket)
  }

  #adopt(model: ChannelModel, socket: AbortController): void {
    const { logger } = this.#deps
    this.#model = model
    this.#socket = socket
    this.#tries = 0
    model.on('error', (error) => {
      this.#cause = error
      logger.debug(`RabbitMQ at ${this.url}: ${error.message}`)
    })
    model.on('blocked', (reason) => {
      logger.warn(
        `RabbitMQ at ${this.url} accepts no messages for now (${reason}); publishing waits until it does. Give it memory or disk.`,
      )
    })
    model.on('unblocked', () => logger.info(`RabbitMQ at ${this.url} accepts messages again.`))
    model.on('close', (error) => this.#lost(error ?? this.#cause ?? new Error('the server closed the connection')))
    this.#setState('ready')
  }

  #lost(cause: Error): void {
    this.#model = undefined
    this.#socket?.abort()
    if (this.#state === 'closed') return
    this.#cause = cause
    this.#lastCause = cause
    this.#setState('lost', amqpError(cause, this.url))
    this.#retryLater()
  }

  #retryLater(): void {
    const { clock, retryMaxMs, logger } = this.#deps
    // The node that was lost is tried first, then the others in turn.
    const round = Math.floor(this.#tries / this.#addresses.length)
    const pauseMs = Math.min(retryMaxMs, firstRetryMs * 2 ** round)
    this.#tries++
    const retry = (): void => {
      this.#reach().catch((error: unknown) => {
        if (this.#state === 'closed') return
        this.#cause = error instanceof Error ? error : new Error(String(error))
        logger.debug(this.#cause.message)
        this.#turn += failoverStep(this.#addresses.length, this.#deps.failover)
        this.#retryLater()
      })
    }
    // As the connection itself does, its return keeps the process alive: somebody may be waiting for a result.
    this.#retry = clock.timer(pauseMs, retry, { ref: true })
  }

  #setState(state: AmqpState, cause?: Error): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    if (state === 'ready') this.#cause = undefined
    for (const listener of [...this.#listeners]) listener(state, cause)
  }

  #closedError(): ConnectionError {
    return new ConnectionError(`The connection to RabbitMQ at ${this.url} was closed by this program.`)
  }
}
