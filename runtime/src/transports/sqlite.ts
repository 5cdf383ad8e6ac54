import type { Clock } from '../core/clock.ts'
import { ConnectionError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { RawMessage } from '../core/message.ts'
import { closedError, type Operation } from '../drivers/sqlite-commit.ts'
import type { SqliteStore } from '../drivers/sqlite-store.ts'
import { addFanout, FanoutReader, readMessage, replyTopic } from './sqlite-fanout.ts'
import { addMessage, countMessages, envelopeOf, peekBodies, purgeSome } from './sqlite-messages.ts'
import { sqliteQuarantine } from './sqlite-quarantine.ts'
import { SqliteSubscription } from './sqlite-subscription.ts'
import { QueueDirectory } from './sqlite-topology.ts'
import { refuseHeaders, type Topology } from './topology.ts'
import type {
  ConnectionState,
  Delivery,
  Lease,
  Listening,
  ListenOptions,
  Outgoing,
  PeerAnnouncement,
  Quarantine,
  QueueInfo,
  QueueState,
  ReplyAddress,
  Subscription,
  Transport,
  TransportFeatures,
  Unsubscribe,
} from './transport.ts'

/** Waiting messages that one transaction deletes. */
const purgedAtOnce = 1000

/**
 * Queues in a SQLite file that the processes of one machine share. Several transports and backends may stand on one store;
 * closing one leaves the store open.
 */
export class SqliteTransport implements Transport {
  readonly name = 'sqlite'
  readonly features: TransportFeatures = {
    fanout: true,
    priority: true,
    nativeEta: true,
    persistent: true,
    embedded: true,
    wireCompatible: false,
  }
  readonly quarantine: Quarantine
  readonly #store: SqliteStore
  readonly #directory: QueueDirectory
  readonly #listeners = new Set<(state: ConnectionState, cause?: Error) => void>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #listenings = new Set<Listening>()
  readonly #stops: Unsubscribe[] = []
  readonly #declared = new Map<string, Topology>()
  readonly #fanout: FanoutReader
  #state: 'new' | 'open' | 'closed' = 'new'

  /** `leaseMs`: how long peers of another host (containers on one volume) wait for a sign of life. Default 30,000. */
  constructor(
    store: SqliteStore,
    deps: { readonly clock: Clock; readonly logger: Logger; readonly leaseMs?: number | undefined },
  ) {
    this.#store = store
    this.#directory = new QueueDirectory(store)
    this.#fanout = new FanoutReader(store)
    this.quarantine = sqliteQuarantine(store, this.#directory, () => this.#open())
    if (deps.leaseMs !== undefined) store.presence.setLease(deps.leaseMs)
  }

  /** The driver whose store plans an acknowledgement carries out. */
  get driver(): string {
    return this.#store.driver
  }

  async connect(): Promise<void> {
    if (this.#state === 'open') return
    if (this.#state === 'closed' || this.#store.state === 'closed') throw closedError(this.#store.path)
    this.#state = 'open'
    this.#stops.push(
      this.#store.onState((state, cause) => this.#tell(state, cause)),
      this.#store.onReplaced(() => this.#declareAgain()),
    )
    this.#tell('ready')
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    for (const stop of this.#stops) stop()
    await Promise.all([...this.#subscriptions, ...this.#listenings].map((one) => one.close()))
    this.#fanout.close()
    this.#tell('closed')
  }

  onState(listener: (state: ConnectionState, cause?: Error) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async declare(topology: Topology): Promise<void> {
    const key = JSON.stringify(topology)
    if (this.#declared.has(key)) return this.#open()
    refuseHeaders(topology, this.name)
    await this.#submit((tx) => this.#directory.declare(tx, topology))
    this.#declared.set(key, topology)
  }

  async publish(batch: readonly Outgoing[]): Promise<void> {
    if (batch.length === 0) return this.#open()
    let size = 0
    const messages = batch.map(({ exchange, routingKey, message, dueMs }) => {
      const envelope = envelopeOf(message, exchange, routingKey)
      size += envelope.length
      return { exchange, routingKey, priority: priorityOf(message), dueMs: dueMs ?? 0, envelope }
    })
    await this.#submit((tx) => {
      const nowMs = this.#store.clock.now()
      for (const message of messages) {
        for (const queue of this.#directory.route(tx, message.exchange, message.routingKey)) {
          addMessage(tx, { ...message, queue }, nowMs)
        }
      }
    }, size)
  }

  async subscribe(
    queues: readonly string[],
    options: { readonly prefetch: number },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
  ): Promise<Subscription> {
    this.#open()
    const { prefetch } = options
    const onClosed = (): unknown => this.#subscriptions.delete(subscription)
    const subscription = new SqliteSubscription(
      this.#store,
      this.#directory,
      { queues, prefetch, onClosed },
      onDeliveries,
    )
    this.#subscriptions.add(subscription)
    try {
      await subscription.open()
    } catch (error) {
      this.#subscriptions.delete(subscription)
      throw error
    }
    return subscription
  }

  /** Kept for a while besides: `history` gives it to who comes later. */
  async broadcast(exchange: string, message: RawMessage, routingKey = ''): Promise<void> {
    const envelope = envelopeOf(message, exchange, routingKey)
    const row = { topic: exchange, routingKey, envelope }
    await this.#submit((tx) => addFanout(tx, row, this.#store.clock.now()), envelope.length)
  }

  async reply(to: ReplyAddress, message: RawMessage): Promise<void> {
    const envelope = envelopeOf(message, to.exchange, to.routingKey)
    const row = { topic: replyTopic(to.exchange, to.routingKey), routingKey: to.routingKey, envelope }
    await this.#submit((tx) => addFanout(tx, row, this.#store.clock.now()), envelope.length)
  }

  async listen(exchange: string, options: ListenOptions, onMessage: (message: RawMessage) => void): Promise<Listening> {
    this.#open()
    const listening = await this.#fanout.listen(exchange, options, onMessage)
    const tracked: Listening = {
      close: async () => {
        this.#listenings.delete(tracked)
        await listening.close()
      },
    }
    this.#listenings.add(tracked)
    return tracked
  }

  /** The last broadcasts of the exchange, the newest last. About the last 20,000 of all exchanges are kept. */
  async history(exchange: string, limit: number): Promise<readonly RawMessage[]> {
    this.#open()
    const rows = await this.#store.read((reader) =>
      reader.all('select body from fanout where topic=? order by seq desc limit +?', exchange, limit),
    )
    return rows.flatMap((row) => readMessage(row['body']) ?? []).reverse()
  }

  async queueInfo(queue: string): Promise<QueueInfo> {
    this.#open()
    const nowMs = this.#store.clock.now()
    return this.#store.read((reader) => {
      const id = this.#directory.find(reader, queue)
      const consumers = this.#store.presence.consumers(reader, queue)
      if (id === undefined) return { ready: 0, held: 0, parked: 0, consumers }
      const { ready, held, parked, oldestAt } = countMessages(reader, id, nowMs)
      return { ready, held, parked, consumers, oldestMs: oldestAt === undefined ? undefined : nowMs - oldestAt }
    })
  }

  async queueNames(): Promise<readonly string[]> {
    this.#open()
    return this.#store.read((reader) => this.#directory.names(reader))
  }

  async peek(
    queue: string,
    options: { readonly limit: number; readonly state: QueueState },
  ): Promise<readonly RawMessage[]> {
    this.#open()
    const nowMs = this.#store.clock.now()
    const bodies = await this.#store.read((reader) => {
      const id = this.#directory.find(reader, queue)
      return id === undefined ? [] : peekBodies(reader, id, { ...options, nowMs })
    })
    return bodies.flatMap((body) => readMessage(body) ?? [])
  }

  async purge(queue: string): Promise<number> {
    let deleted = 0
    for (;;) {
      const some = await this.#submit((tx) => {
        const id = this.#directory.find(tx, queue)
        return id === undefined ? 0 : purgeSome(tx, id, purgedAtOnce)
      })
      deleted += some
      if (some < purgedAtOnce) return deleted
    }
  }

  /** Each holder has an owner text of its own, so that one whose time ran out cannot act on its successor's lock. */
  async lease(name: string, ttlMs: number): Promise<Lease | undefined> {
    const owner = randomId()
    const taken = await this.#submit((tx) => {
      const nowMs = this.#store.clock.now()
      return tx.run(
        `insert into lock(name, owner, until) values(?1, ?2, ?3)
           on conflict(name) do update set owner=?2, until=?3 where until<=?4`,
        name,
        owner,
        nowMs + ttlMs,
        nowMs,
      )
    })
    if (taken === 0) return undefined
    return {
      renew: async () => {
        const untilMs = this.#store.clock.now() + ttlMs
        const sql = 'update lock set until=? where name=? and owner=?'
        return (await this.#submit((tx) => tx.run(sql, untilMs, name, owner))) === 1
      },
      release: async () => {
        await this.#submit((tx) => tx.run('delete from lock where name=? and owner=?', name, owner))
      },
    }
  }

  /** Rejects with ChannelError when a living worker of this file has the name already. */
  async announce(peer: PeerAnnouncement): Promise<void> {
    this.#open()
    await this.#store.announce(peer)
  }

  #submit<T>(run: Operation<T>, size = 0): Promise<T> {
    this.#open()
    return this.#store.submit(run, { size })
  }

  #open(): void {
    if (this.#state === 'open') return
    if (this.#state === 'closed') throw closedError(this.#store.path)
    throw new ConnectionError('The SQLite transport is not connected. Call connect() first.')
  }

  #declareAgain(): void {
    for (const topology of this.#declared.values()) {
      this.#store
        .submit((tx) => this.#directory.declare(tx, topology))
        .catch((error: unknown) => {
          this.#store.logger.warn(
            `Could not declare the queues again in the new ${this.#store.path}; publishing to their exchanges fails.`,
            { error },
          )
        })
    }
  }

  #tell(state: ConnectionState, cause?: Error): void {
    for (const listener of [...this.#listeners]) listener(state, cause)
  }
}

/** 0 goes first, as on Redis; the byte of AMQP is the range. */
function priorityOf(message: RawMessage): number {
  return Math.min(255, Math.max(0, Math.trunc(message.properties.priority ?? 0)))
}
