import type { Clock } from '../core/clock.ts'
import { ConnectionError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { RawMessage } from '../core/message.ts'
import type { AmqpConnection, AmqpState } from '../drivers/amqp-connection.ts'
import { broadcastExchange, listenerQueue, replyAddressQueue, replyToExchange } from '../wire/amqp-layout.ts'
import type { AmqpBroker } from './amqp-broker.ts'
import { AmqpLeases } from './amqp-lease.ts'
import { AmqpListening, type ListeningPlace } from './amqp-listening.ts'
import { AmqpPeers, type PeerCounts } from './amqp-peers.ts'
import { AmqpQuarantine } from './amqp-quarantine.ts'
import { AmqpQueues } from './amqp-queues.ts'
import { AmqpSender } from './amqp-sender.ts'
import { AmqpSubscription } from './amqp-subscription.ts'
import { AmqpTopology } from './amqp-topology.ts'
import type { Topology } from './topology.ts'
import type {
  ConnectionState,
  Delivery,
  Lease,
  Listening,
  ListenOptions,
  Outgoing,
  Quarantine,
  QueueInfo,
  QueueState,
  ReplyAddress,
  Subscription,
  Transport,
  TransportFeatures,
  Unsubscribe,
} from './transport.ts'

export interface AmqpTransportDeps {
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Type of the 28 delay queues, `quorum` or `classic`; default quorum. Where they are there already, they are taken as they are.
   * Celery's `broker_native_delayed_delivery_queue_type`.
   */
  readonly delayQueueType?: string | undefined
}

const retryMs = 1000

/**
 * RabbitMQ with Celery's declarations; workers and clients of Celery share it. Messages that are due later wait in the delay
 * queues of Celery 5.5, whatever the type of their own queue. The connection belongs to whoever opened it; `close` gives back
 * what is held and leaves it open.
 *
 * An acknowledgement is `ok` when it is sent: AMQP has no answer to it. One that a breaking connection swallows means another
 * delivery, as with Celery.
 */
export class AmqpTransport implements Transport {
  readonly name = 'amqp'
  readonly features: TransportFeatures = {
    fanout: true,
    // Only queues with x-max-priority know priorities, and there the highest number goes first.
    priority: false,
    nativeEta: true,
    persistent: true,
    embedded: false,
    wireCompatible: true,
  }
  readonly #broker: AmqpBroker
  readonly #quarantine: AmqpQuarantine
  readonly #queues: AmqpQueues
  readonly #peers: AmqpPeers
  readonly #leases: AmqpLeases
  readonly #subscriptions = new Set<AmqpSubscription>()
  readonly #listenings = new Set<AmqpListening>()
  readonly #listeners = new Set<(state: ConnectionState, cause?: Error) => void>()
  #state: ConnectionState = 'connecting'
  #connecting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #unsubscribe: Unsubscribe | undefined

  constructor(connection: AmqpConnection, deps: AmqpTransportDeps) {
    const { clock, logger, delayQueueType = 'quorum' } = deps
    const topology = new AmqpTopology(connection, logger, delayQueueType)
    const sender = new AmqpSender(connection, topology, clock)
    this.#broker = { connection, clock, logger, topology, sender }
    this.#quarantine = new AmqpQuarantine(connection, topology, sender, clock)
    this.#peers = new AmqpPeers(this.#broker, (queue) => this.#countHere(queue))
    this.#queues = new AmqpQueues(this.#broker, this.#peers)
    this.#leases = new AmqpLeases(connection)
  }

  get quarantine(): Quarantine {
    return this.#quarantine
  }

  connect(): Promise<void> {
    if (this.#closing) return Promise.reject(this.#closedError())
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined
      throw error
    })
    return this.#connecting
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  onState(listener: (state: ConnectionState, cause?: Error) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A queue that is there with other arguments is a ChannelError that names the argument. */
  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    await this.#broker.topology.declare(topology)
  }

  async publish(batch: readonly Outgoing[]): Promise<void> {
    this.#mustBeOpen()
    if (batch.length > 0) await this.#broker.sender.publish(batch)
  }

  async subscribe(
    queues: readonly string[],
    options: { readonly prefetch: number },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
  ): Promise<Subscription> {
    this.#mustBeOpen()
    await this.connect()
    await this.#broker.connection.consuming.connect()
    this.#mustBeOpen()
    await this.#peers.join()
    this.#mustBeOpen()
    const subscription: AmqpSubscription = new AmqpSubscription(
      this.#broker,
      this.#quarantine,
      { queues, prefetch: options.prefetch },
      onDeliveries,
      () => this.#subscriptions.delete(subscription),
    )
    this.#subscriptions.add(subscription)
    try {
      await subscription.open()
    } catch (error) {
      await subscription.close()
      throw error
    }
    return subscription
  }

  async broadcast(exchange: string, message: RawMessage, routingKey = ''): Promise<void> {
    this.#mustBeOpen()
    await this.#broker.sender.toListeners(broadcastExchange(exchange), routingKey, message)
  }

  async reply(to: ReplyAddress, message: RawMessage): Promise<void> {
    this.#mustBeOpen()
    await this.#broker.sender.toListeners(replyToExchange(to.exchange), to.routingKey, message)
  }

  async listen(exchange: string, options: ListenOptions, onMessage: (message: RawMessage) => void): Promise<Listening> {
    this.#mustBeOpen()
    await this.connect()
    await this.#broker.connection.consuming.connect()
    const { pattern = '#', replyQueue } = options
    const place: ListeningPlace =
      replyQueue === undefined
        ? { exchange: broadcastExchange(exchange), queue: listenerQueue(exchange, randomId()), bindingKey: pattern }
        : { exchange: replyToExchange(exchange), queue: replyAddressQueue(replyQueue), bindingKey: pattern }
    const listening: AmqpListening = new AmqpListening(this.#broker, place, onMessage, () => {
      this.#listenings.delete(listening)
    })
    await listening.open()
    this.#listenings.add(listening)
    return listening
  }

  /** `held` counts consumers of tq only: AMQP does not tell what others hold. `parked` is an estimate beyond 1,000. */
  async queueInfo(queue: string): Promise<QueueInfo> {
    this.#mustBeOpen()
    return this.#queues.info(queue)
  }

  /** The queues that this process declared: AMQP has no list. */
  async queueNames(): Promise<readonly string[]> {
    this.#mustBeOpen()
    return this.#broker.topology.names()
  }

  /** Ready messages that were looked at are marked as redelivered. Of the held ones only this process's own are seen. */
  async peek(
    queue: string,
    { limit, state }: { readonly limit: number; readonly state: QueueState },
  ): Promise<readonly RawMessage[]> {
    this.#mustBeOpen()
    switch (state) {
      case 'ready':
        return this.#queues.peekReady(queue, limit)
      case 'parked':
        return this.#queues.peekParked(queue, limit)
      case 'held':
        return [...this.#subscriptions]
          .flatMap((subscription) => subscription.held(queue))
          .slice(0, limit)
          .map(({ raw }) => raw)
    }
  }

  async purge(queue: string): Promise<number> {
    this.#mustBeOpen()
    return this.#queues.purge(queue)
  }

  /** Bound to the connection: it ends when the holder loses it, `ttlMs` after the last `renew` at the latest. */
  async lease(name: string, ttlMs: number): Promise<Lease | undefined> {
    this.#mustBeOpen()
    return this.#leases.take(name, ttlMs)
  }

  async announce(): Promise<void> {
    // RabbitMQ keeps no list of peers: they are known by their heartbeats.
  }

  async #connect(): Promise<void> {
    const { connection } = this.#broker
    this.#setState('connecting')
    await connection.connect()
    if (this.#closing) throw this.#closedError()
    this.#unsubscribe ??= connection.onState((state, cause) => this.#follow(state, cause))
    this.#setState('ready')
  }

  #follow(state: AmqpState, cause: Error | undefined): void {
    if (state === 'ready') this.#recover()
    else if (state === 'lost' || state === 'closed') this.#setState(state, cause)
  }

  /** After a reconnect. `ready` is told when what was declared and consumed is in order again. */
  #recover(): void {
    const { connection, topology, logger, clock } = this.#broker
    if (this.#state !== 'lost') return
    const steps = async (): Promise<void> => {
      await topology.declareAgain()
      if (this.#subscriptions.size > 0) await this.#peers.join()
      for (const listening of this.#listenings) await listening.open()
      for (const subscription of this.#subscriptions) await subscription.recover()
    }
    steps().then(
      () => this.#setState('ready'),
      (error: unknown) => {
        // Lost again: the next reconnect starts anew. Otherwise somebody must know.
        if (connection.state !== 'ready') return
        logger.error(
          `RabbitMQ at ${connection.url} is back, but consuming cannot go on yet; trying again in 1 s: ${String(error)}`,
        )
        clock.timer(retryMs, () => {
          if (connection.state === 'ready' && !this.#closing) this.#recover()
        })
      },
    )
  }

  #countHere(queue: string): PeerCounts {
    let [held, parked] = [0, 0]
    for (const subscription of this.#subscriptions) {
      held += subscription.held(queue).length
      parked += subscription.parked(queue).length
    }
    return { held, parked }
  }

  async #close(): Promise<void> {
    for (const subscription of [...this.#subscriptions]) await subscription.close()
    for (const listening of [...this.#listenings]) await listening.close()
    await this.#peers.leave()
    this.#unsubscribe?.()
    this.#setState('closed')
    this.#listeners.clear()
  }

  #setState(state: ConnectionState, cause?: Error): void {
    if (this.#state === 'closed' || (this.#state === state && state !== 'connecting')) return
    this.#state = state
    for (const listener of [...this.#listeners]) listener(state, cause)
  }

  #mustBeOpen(): void {
    if (this.#closing) throw this.#closedError()
  }

  #closedError(): ConnectionError {
    return new ConnectionError(
      `The transport over RabbitMQ at ${this.#broker.connection.url} was closed by this program.`,
    )
  }
}
