import type { Redis } from 'ioredis'
import type { RedisClient } from './redis-client.ts'
import type { Unsubscribe } from './redis-connection.ts'
import { redisError } from './redis-errors.ts'
import type { RedisNode } from './redis-url.ts'

/** `bytes` is what `text` was made of; patterns bring texts alone. */
export type ChannelListener = (text: string, channel: string, bytes?: Uint8Array) => void
export type ListenerState = 'ready' | 'lost'

type Kind = 'subscribe' | 'psubscribe'

/**
 * The listening connection: pub/sub channels, patterns and the invalidations of `CLIENT TRACKING`. It speaks RESP2, because
 * ioredis drops invalidations that come as RESP3 pushes. It opens with the first listener and stays until `close`; after
 * a reconnect it subscribes again to all that is still listened to.
 */
export class RedisListener {
  readonly #open: () => Promise<RedisClient>
  readonly #url: string
  readonly #channels = new Map<string, Set<ChannelListener>>()
  readonly #patterns = new Map<string, Set<ChannelListener>>()
  readonly #states = new Set<(state: ListenerState) => void>()
  readonly #invalidated = new Set<(keys: readonly string[] | undefined) => void>()
  #client: RedisClient | undefined
  #opening: Promise<Redis> | undefined
  readonly #dropped = { subscribe: new Set<string>(), psubscribe: new Set<string>() }
  #wanted = new Set<string>()
  #flush: Promise<void> | undefined
  #clientId = 0
  #closed = false

  /** `open` gives a connected client that reconnects by itself; `url`, masked, stands in errors. */
  constructor(open: () => Promise<RedisClient>, url: string) {
    this.#open = open
    this.#url = url
  }

  /** Connection id on the server, for `CLIENT TRACKING ... REDIRECT`; subscribes to the invalidations first. */
  async redirectId(): Promise<number> {
    const redis = await this.#ready()
    await redis.subscribe(invalidations)
    return this.#clientId
  }

  /** Told of keys that were read under tracking and have changed; undefined stands for all keys (a flush). */
  onInvalidated(listener: (keys: readonly string[] | undefined) => void): Unsubscribe {
    this.#invalidated.add(listener)
    return () => this.#invalidated.delete(listener)
  }

  /** `ready` after each reconnect, when everything is subscribed to again; `lost` when messages may be missed from now on. */
  onState(listener: (state: ListenerState) => void): Unsubscribe {
    this.#states.add(listener)
    return () => this.#states.delete(listener)
  }

  /** Resolves when the server has confirmed. Calls of one tick go out as one SUBSCRIBE. */
  async subscribe(channel: string, listener: ChannelListener): Promise<Unsubscribe> {
    return this.#add('subscribe', this.#channels, channel, listener)
  }

  /** Redis' glob patterns: `*`, `?`, `[...]`, backslash escapes. */
  async psubscribe(pattern: string, listener: ChannelListener): Promise<Unsubscribe> {
    return this.#add('psubscribe', this.#patterns, pattern, listener)
  }

  /** Where it listens, or listened last; undefined before the first listener. */
  get node(): RedisNode | undefined {
    return this.#client?.node
  }

  /** Asks for an answer, whose absence ends the connection. */
  ping(): void {
    if (this.#client?.redis.status === 'ready') this.#client.redis.ping().catch(() => undefined)
  }

  /** Leaves the server and connects to the one that is in use now. */
  reconnect(): void {
    if (!this.#closed && this.#client?.redis.status === 'ready') this.#client.redis.disconnect(true)
  }

  close(): void {
    this.#closed = true
    this.#client?.redis.disconnect()
    this.#channels.clear()
    this.#patterns.clear()
    this.#states.clear()
    this.#invalidated.clear()
  }

  async #add(
    kind: Kind,
    listeners: Map<string, Set<ChannelListener>>,
    name: string,
    listener: ChannelListener,
  ): Promise<Unsubscribe> {
    const set = listeners.get(name) ?? new Set()
    listeners.set(name, set)
    set.add(listener)
    const remove = (): void => this.#remove(kind, listeners, name, listener)
    try {
      if (kind === 'psubscribe') await (await this.#ready()).psubscribe(name)
      else await this.#subscribeSoon(name)
    } catch (error) {
      remove()
      throw redisError(error, this.#url)
    }
    return remove
  }

  #subscribeSoon(channel: string): Promise<void> {
    this.#wanted.add(channel)
    this.#flush ??= Promise.resolve()
      .then(() => this.#ready())
      .then(async (redis) => {
        const channels = [...this.#wanted]
        this.#wanted = new Set()
        this.#flush = undefined
        await redis.subscribe(...channels)
      })
      .catch((error: unknown) => {
        this.#flush = undefined
        throw error
      })
    return this.#flush
  }

  #remove(kind: Kind, listeners: Map<string, Set<ChannelListener>>, name: string, listener: ChannelListener): void {
    const set = listeners.get(name)
    if (!set?.delete(listener) || set.size > 0) return
    listeners.delete(name)
    this.#dropSoon(kind, name)
  }

  #dropSoon(kind: Kind, name: string): void {
    const dropped = this.#dropped[kind]
    dropped.add(name)
    if (dropped.size > 1) return
    // Behind whatever the message that ended the listening has set off: that must not wait for this write.
    setImmediate(() => {
      const listeners = kind === 'subscribe' ? this.#channels : this.#patterns
      // Somebody may listen again by now.
      const names = [...dropped].filter((one) => !listeners.has(one))
      dropped.clear()
      if (names.length === 0 || this.#client?.redis.status !== 'ready') return
      const { redis } = this.#client
      const gone = kind === 'subscribe' ? redis.unsubscribe(...names) : redis.punsubscribe(...names)
      // Fails only with the connection, and then nothing is subscribed any more.
      gone.catch(() => undefined)
    })
  }

  #ready(): Promise<Redis> {
    this.#opening ??= this.#start().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #start(): Promise<Redis> {
    const client = await this.#open()
    const { redis } = client
    if (this.#closed) redis.disconnect()
    this.#client = client
    this.#clientId = Number(await redis.client('ID'))
    redis.on('messageBuffer', (channel: Buffer, text: unknown) => this.#receive(channel.toString(), text))
    redis.on('pmessage', (pattern: string, channel: string, text: string) => {
      for (const listener of this.#patterns.get(pattern) ?? []) listener(text, channel)
    })
    redis.on('ready', () => {
      this.#resubscribe(redis).catch(() => undefined)
    })
    redis.on('close', () => {
      for (const listener of [...this.#states]) listener('lost')
    })
    return redis
  }

  async #resubscribe(redis: Redis): Promise<void> {
    this.#clientId = Number(await redis.client('ID'))
    const channels = [...this.#channels.keys()]
    const patterns = [...this.#patterns.keys()]
    await Promise.all([
      redis.subscribe(invalidations, ...channels),
      patterns.length > 0 ? redis.psubscribe(...patterns) : undefined,
    ])
    for (const listener of [...this.#states]) listener('ready')
  }

  #receive(channel: string, text: unknown): void {
    if (channel !== invalidations) {
      const bytes = text instanceof Uint8Array ? text : undefined
      for (const listener of this.#channels.get(channel) ?? []) listener(String(text), channel, bytes)
      return
    }
    const keys = Array.isArray(text) ? text.map(String) : undefined
    for (const listener of [...this.#invalidated]) listener(keys)
  }
}

const invalidations = '__redis__:invalidate'
