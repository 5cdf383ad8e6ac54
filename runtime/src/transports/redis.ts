import type { Clock, Timer } from '../core/clock.ts'
import { ChannelError, ConnectionError } from '../core/errors.ts'
import { nodeName, randomId } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { RawMessage } from '../core/message.ts'
import type { RedisConnection, RedisState } from '../drivers/redis-connection.ts'
import { releaseScript } from '../drivers/redis-script.ts'
import { encodeEnvelope } from '../wire/envelope.ts'
import { layout } from '../wire/redis-layout.ts'
import { type QueueOrder, type RedisBroker, ScoreSource } from './redis-broker.ts'
import { RedisFanout } from './redis-fanout.ts'
import { listenToExchange, RedisReplyQueue } from './redis-listening.ts'
import { RedisPublisher } from './redis-publisher.ts'
import { RedisQuarantine } from './redis-quarantine.ts'
import { RedisQueues } from './redis-queues.ts'
import { RedisRestorer } from './redis-restorer.ts'
import { RedisRouter } from './redis-router.ts'
import { renewScript } from './redis-scripts.ts'
import { RedisSubscription } from './redis-subscription.ts'
import { refuseHeaders, type Topology } from './topology.ts'
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

export interface RedisTransportDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** How long a message may be held without a sign of life; default one hour, as kombu. All consumers should agree. */
  readonly visibilityTimeoutMs?: number | undefined
  readonly globalKeyprefix?: string | undefined
  readonly separator?: string | undefined
  readonly prioritySteps?: readonly number[] | undefined
  /** Whose turn it is among the queues of a consumer; `round_robin` by default. */
  readonly queueOrderStrategy?: QueueOrder | undefined
  readonly fanoutPrefix?: boolean | string | undefined
  readonly fanoutPatterns?: boolean | undefined
  /** Other names for the keys of what is held; all consumers have to agree. */
  readonly unackedKey?: string | undefined
  readonly unackedIndexKey?: string | undefined
  readonly unackedMutexKey?: string | undefined
  /** How many messages of vanished holders are brought back at once; default 100. */
  readonly unackedRestoreLimit?: number | undefined
  /** Node name that messages carry which this process parked; default `celery@<host>`. */
  readonly hostname?: string | undefined
}

const lookMs = 1000

/**
 * Redis in kombu's layout: a list per queue and priority step, held messages in `unacked`, pub/sub for fan-out. Workers and
 * clients of Celery share it. The connection belongs to whoever opened it; `close` gives back what is held and leaves it open.
 */
export class RedisTransport implements Transport {
  readonly name = 'redis'
  readonly features: TransportFeatures = {
    fanout: true,
    priority: true,
    nativeEta: false,
    persistent: true,
    embedded: false,
    wireCompatible: true,
  }
  readonly driver: string
  readonly #broker: RedisBroker
  readonly #router: RedisRouter
  readonly #publisher: RedisPublisher
  readonly #fanout: RedisFanout
  readonly #quarantine: RedisQuarantine
  readonly #restorer: RedisRestorer
  readonly #queues: RedisQueues
  readonly #subscriptions = new Set<RedisSubscription>()
  readonly #replyQueues = new Set<RedisReplyQueue>()
  readonly #listeners = new Set<(state: ConnectionState, cause?: Error) => void>()
  readonly #unsubscribes: Unsubscribe[] = []
  #state: ConnectionState = 'connecting'
  #connecting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #tracking: Promise<boolean> | undefined
  #look: Timer | undefined

  constructor(connection: RedisConnection, deps: RedisTransportDeps) {
    const { clock, logger, globalKeyprefix, separator, prioritySteps, fanoutPrefix, fanoutPatterns } = deps
    this.driver = connection.driver
    this.#broker = {
      connection,
      clock,
      logger,
      layout: layout({
        db: connection.db,
        globalKeyprefix,
        separator,
        prioritySteps: prioritySteps?.toSorted((left, right) => left - right),
        fanoutPrefix,
        fanoutPatterns,
        unackedKey: deps.unackedKey,
        unackedIndexKey: deps.unackedIndexKey,
        unackedMutexKey: deps.unackedMutexKey,
      }),
      scores: new ScoreSource(clock),
      visibilityTimeoutMs: deps.visibilityTimeoutMs ?? 3_600_000,
      hostname: deps.hostname ?? nodeName('celery@%h'),
      queueOrder: deps.queueOrderStrategy ?? 'round_robin',
      restoreLimit: Math.max(1, deps.unackedRestoreLimit ?? 100),
    }
    this.#router = new RedisRouter(this.#broker)
    this.#publisher = new RedisPublisher(this.#broker, this.#router)
    this.#fanout = new RedisFanout(this.#broker, this.#router, this.#publisher)
    this.#quarantine = new RedisQuarantine(this.#broker)
    this.#restorer = new RedisRestorer(this.#broker, this.#router)
    this.#queues = new RedisQueues(this.#broker)
  }

  get quarantine(): Quarantine {
    return this.#quarantine
  }

  connect(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(this.#closedError())
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

  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    refuseHeaders(topology, this.name)
    await this.#router.declare(topology)
  }

  async publish(batch: readonly Outgoing[]): Promise<void> {
    this.#mustBeOpen()
    if (batch.length > 0) await this.#publisher.publish(batch)
  }

  async subscribe(
    queues: readonly string[],
    options: { readonly prefetch: number },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
  ): Promise<Subscription> {
    this.#mustBeOpen()
    await this.connect()
    const tracked = await this.#track()
    for (const queue of new Set(queues)) await this.#fanout.open(queue)
    this.#mustBeOpen()
    const subscription: RedisSubscription = new RedisSubscription(
      this.#broker,
      { restorer: this.#restorer, quarantine: this.#quarantine },
      { queues, prefetch: options.prefetch, tracked },
      onDeliveries,
      () => {
        this.#subscriptions.delete(subscription)
        if (this.#subscriptions.size === 0) this.#restorer.stop()
      },
    )
    this.#subscriptions.add(subscription)
    this.#restorer.start()
    return this.#fanout.over(subscription)
  }

  async broadcast(exchange: string, message: RawMessage, routingKey = ''): Promise<void> {
    this.#mustBeOpen()
    const text = encodeEnvelope(message, { exchange, routingKey, deliveryTag: randomId() })
    await this.#publisher.broadcastText(exchange, routingKey, text)
  }

  async reply(to: ReplyAddress, message: RawMessage): Promise<void> {
    this.#mustBeOpen()
    const queues = await this.#router.boundTo(to.exchange, to.routingKey)
    await this.#publisher.publish(queues.map((queue) => ({ exchange: '', routingKey: queue, message })))
  }

  async listen(exchange: string, options: ListenOptions, onMessage: (message: RawMessage) => void): Promise<Listening> {
    this.#mustBeOpen()
    await this.connect()
    const { pattern = '#', replyQueue } = options
    if (replyQueue === undefined) return listenToExchange(this.#broker, exchange, pattern, onMessage)
    await this.#track()
    const address = { exchange, routingKey: pattern, queue: replyQueue }
    const listening: RedisReplyQueue = new RedisReplyQueue(this.#broker, address, onMessage, () => {
      this.#replyQueues.delete(listening)
    })
    await listening.open()
    this.#replyQueues.add(listening)
    return listening
  }

  async queueInfo(queue: string): Promise<QueueInfo> {
    this.#mustBeOpen()
    return this.#queues.info(queue)
  }

  async queueNames(): Promise<readonly string[]> {
    this.#mustBeOpen()
    return this.#router.queueNames()
  }

  async peek(
    queue: string,
    options: { readonly limit: number; readonly state: QueueState },
  ): Promise<readonly RawMessage[]> {
    this.#mustBeOpen()
    return this.#queues.peek(queue, options)
  }

  async purge(queue: string): Promise<number> {
    this.#mustBeOpen()
    return this.#queues.purge(queue)
  }

  async lease(name: string, ttlMs: number): Promise<Lease | undefined> {
    this.#mustBeOpen()
    const { connection } = this.#broker
    const key = this.#broker.layout.leaseKey(name)
    const token = randomId()
    if ((await connection.call('SET', key, token, 'PX', ttlMs, 'NX')) !== 'OK') return undefined
    return {
      renew: async () => (await connection.run(renewScript, [key], [token, ttlMs])) === 1,
      release: async () => {
        await connection.run(releaseScript, [key], [token])
      },
    }
  }

  async announce(): Promise<void> {
    // Redis keeps no list of peers: they are known by their heartbeats.
  }

  async #connect(): Promise<void> {
    const { connection } = this.#broker
    this.#setState('connecting')
    await connection.connect()
    if (this.#state === 'closed') throw this.#closedError()
    this.#unsubscribes.push(
      connection.onState((state, cause) => this.#follow(state, cause)),
      connection.listener.onInvalidated((keys) => this.#wake(keys)),
      connection.listener.onState((state) => {
        for (const subscription of this.#subscriptions) subscription.unwatch()
        if (state === 'ready' && connection.state === 'ready') this.#trackAgain()
      }),
    )
    this.#look = this.#broker.clock.interval(lookMs, () => {
      for (const replyQueue of this.#replyQueues) replyQueue.wake()
    })
    this.#setState('ready')
  }

  #follow(state: RedisState, cause: Error | undefined): void {
    if (state === 'ready') this.#recover()
    else for (const subscription of this.#subscriptions) subscription.suspend()
    if (state === 'lost' || state === 'closed') this.#setState(state, cause)
  }

  /** After a reconnect. `ready` is told when what was declared and held is in order again. */
  #recover(): void {
    const { connection, logger, clock } = this.#broker
    const steps = async (): Promise<void> => {
      await this.#router.declareAgain()
      // Where the listening connection is not back yet, its return starts the tracking.
      if (this.#tracking) await this.#startTracking().catch(() => false)
      for (const replyQueue of this.#replyQueues) await replyQueue.recover()
      for (const subscription of this.#subscriptions) await subscription.recover()
    }
    steps().then(
      () => this.#setState('ready'),
      (error: unknown) => {
        // Lost again: the next reconnect starts anew. Otherwise somebody must know.
        if (connection.state !== 'ready') return
        logger.error(
          `Redis at ${connection.url} is back, but consuming cannot go on yet; trying again in 1 s: ${String(error)}`,
        )
        clock.timer(lookMs, () => {
          if (connection.state === 'ready' && !this.#closing) this.#recover()
        })
      },
    )
  }

  #track(): Promise<boolean> {
    this.#tracking ??= this.#startTracking().catch((error: unknown) => {
      this.#tracking = undefined
      throw error
    })
    return this.#tracking
  }

  #trackAgain(): void {
    if (!this.#tracking) return
    this.#startTracking().then(
      () => this.#wake(undefined),
      // The connection is gone again, and comes back by itself.
      () => undefined,
    )
  }

  /** False where the server refuses: then consumers poll. */
  async #startTracking(): Promise<boolean> {
    const { connection, logger } = this.#broker
    try {
      await connection.startTracking()
      return true
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error
      logger.warn(
        `Redis at ${connection.url} does not report changes of lists (${error.message}); they are polled, which costs time and CPU. Allow CLIENT TRACKING.`,
      )
      return false
    }
  }

  #wake(keys: readonly string[] | undefined): void {
    for (const subscription of this.#subscriptions) subscription.wake(keys)
    for (const replyQueue of this.#replyQueues) replyQueue.wake(keys)
  }

  async #close(): Promise<void> {
    for (const subscription of [...this.#subscriptions]) await subscription.close()
    await this.#fanout.close().catch(() => undefined)
    for (const replyQueue of [...this.#replyQueues]) await replyQueue.close().catch(() => undefined)
    this.#restorer.stop()
    this.#look?.cancel()
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe()
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
    return new ConnectionError(`The transport over Redis at ${this.#broker.connection.url} was closed by this program.`)
  }
}
