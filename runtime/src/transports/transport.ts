import type { StorePlan } from '../backends/result-backend.ts'
import type { RawMessage } from '../core/message.ts'
import type { Topology } from './topology.ts'

/**
 * Our client for one broker. `connect` and `close` are idempotent. Rejects with ConnectionError (worth trying again) or
 * ChannelError (it is not) and with nothing else.
 */
export interface Transport {
  /** Scheme of the URL: `memory`, `sqlite`, `redis`. */
  readonly name: string
  readonly features: TransportFeatures
  /** The `StorePlan.driver` that `Delivery.ack` carries out; undefined where it carries out none, or not before `connect`. */
  readonly driver?: string | undefined
  connect(): Promise<void>
  close(): Promise<void>
  onState(listener: (state: ConnectionState, cause?: Error) => void): Unsubscribe
  declare(topology: Topology): Promise<void>
  /** One write for the whole batch; resolves when the broker has all of it. */
  publish(batch: readonly Outgoing[]): Promise<void>
  /** Consumes until closed. `onDeliveries` is called with what one claim brought, never with an empty list. */
  subscribe(
    queues: readonly string[],
    options: { readonly prefetch: number },
    onDeliveries: (deliveries: readonly Delivery[]) => void,
  ): Promise<Subscription>
  /** To every listener of the exchange whose pattern matches; kept for nobody. Events and remote control. */
  broadcast(exchange: string, message: RawMessage, routingKey?: string): Promise<void>
  /** To the listener that opened `to.exchange` with a reply queue under `to.routingKey`; dropped when it is gone. */
  reply(to: ReplyAddress, message: RawMessage): Promise<void>
  /** Listens to an exchange until closed. Resolves when messages sent from now on will arrive. */
  listen(exchange: string, options: ListenOptions, onMessage: (message: RawMessage) => void): Promise<Listening>
  queueInfo(queue: string): Promise<QueueInfo>
  /** Names of the queues that the broker itself knows of, sorted; only those this process declared where it keeps no list. */
  queueNames(): Promise<readonly string[]>
  /** Looks without taking; the message to be delivered next comes first. */
  peek(queue: string, options: { readonly limit: number; readonly state: QueueState }): Promise<readonly RawMessage[]>
  /** Deletes what waits, parked messages included; what is held stays. Returns how many were deleted. */
  purge(queue: string): Promise<number>
  readonly quarantine: Quarantine
  /** A named lock with a time to live, or undefined while somebody else has it. */
  lease(name: string, ttlMs: number): Promise<Lease | undefined>
  /** Says what this process is, where the broker keeps a list of its peers (SQLite); elsewhere nothing happens. */
  announce(peer: PeerAnnouncement): Promise<void>
  /** The latest broadcasts of an exchange, newest last, where the broker keeps them (SQLite): what a console starts with. */
  history?(exchange: string, limit: number): Promise<readonly RawMessage[]>
}

export type ConnectionState = 'connecting' | 'ready' | 'lost' | 'closed'
export type QueueState = 'ready' | 'held' | 'parked'
export type Unsubscribe = () => void

export interface TransportFeatures {
  readonly fanout: boolean
  readonly priority: boolean
  /** The broker itself holds a message until `Outgoing.dueMs`; elsewhere a worker parks it. */
  readonly nativeEta: boolean
  readonly persistent: boolean
  /** No server: a file or this process's memory. A worker may be started for it. */
  readonly embedded: boolean
  /** Keeps kombu's layout, so that Python workers share the queue. */
  readonly wireCompatible: boolean
}

export interface Outgoing {
  readonly exchange: string
  readonly routingKey: string
  readonly message: RawMessage
  /** Epoch ms before which the message must not be delivered; honoured where `features.nativeEta`. */
  readonly dueMs?: number | undefined
}

export interface ReplyAddress {
  readonly exchange: string
  readonly routingKey: string
}

export interface ListenOptions {
  /** Topic pattern; default `#`, everything. */
  readonly pattern?: string | undefined
  /** Opens a reply address: `broadcast` is not heard, `reply` to `{ exchange, routingKey: pattern }` is. */
  readonly replyQueue?: string | undefined
}

export interface Listening {
  close(): Promise<void>
}

export interface Subscription {
  /** Largest number of unsettled deliveries; 0 is no limit. Takes effect with the next claim. */
  setPrefetch(prefetch: number): void
  add(queue: string): Promise<void>
  remove(queue: string): Promise<void>
  /** Resolves when no further delivery will arrive; what was delivered stays held. */
  pause(): Promise<void>
  resume(): void
  /** Pauses, then gives back what is still unsettled, to the front of its queue. */
  close(): Promise<void>
}

/** One message that is ours until it is settled. The transport refreshes its lease while it is unsettled. */
export interface Delivery {
  readonly raw: RawMessage
  readonly info: DeliveryInfo
  /** `lost`: the lease went to somebody else and nothing was changed. Settling a second time answers as the first did. */
  ack(options?: { readonly storing?: StorePlan | undefined }): Promise<Settled>
  reject(options: { readonly requeue: boolean }): Promise<Settled>
  /** Back to the broker until `untilMs` (epoch); it counts as no delivery. */
  park(untilMs: number): Promise<Settled>
}

export type Settled = 'ok' | 'lost'

export interface DeliveryInfo {
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly priority: number
  readonly redelivered: boolean
  /** How often the message was handed to a worker, this time included, as far as the broker counts. */
  readonly deliveries: number
}

export interface QueueInfo {
  readonly ready: number
  readonly held: number
  readonly parked: number
  /** Age of the oldest ready message, where the broker tells. */
  readonly oldestMs?: number | undefined
  /** Workers that consume the queue, where the broker tells; undefined means unknown, not none. */
  readonly consumers?: number | undefined
}

export interface Lease {
  /** False when the lease was lost; then somebody else may have it. */
  renew(): Promise<boolean>
  release(): Promise<void>
}

/** Messages that no worker can make sense of. The newest 1,000 of the last 7 days are kept. */
export interface Quarantine {
  /** Takes a held delivery out of its queue and keeps it with the reason; the delivery is settled by it. */
  put(delivery: Delivery, reason: string): Promise<void>
  /** Newest first. */
  list(limit: number): Promise<readonly Quarantined[]>
  /** Back to the queue it came from. */
  restore(id: string): Promise<void>
  drop(id: string): Promise<void>
}

export interface Quarantined {
  readonly id: string
  readonly queue: string
  readonly reason: string
  /** Epoch ms. */
  readonly atMs: number
  readonly raw: RawMessage
}

export interface PeerAnnouncement {
  readonly name: string
  readonly kind: 'worker' | 'client' | 'monitor' | 'beat'
  readonly queues: readonly string[]
}
