import type { Redis } from 'ioredis'
import type { Clock, Timer } from '../core/clock.ts'
import { ChannelError, ConnectionError, type TqError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { type RedisClient, redisClient } from './redis-client.ts'
import { isSameNode } from './redis-connector.ts'
import { isReplyError, redisError } from './redis-errors.ts'
import type { FailoverStrategy } from './failover.ts'
import { RedisListener } from './redis-listener.ts'
import { RedisLocator, type RedisSentinelOptions } from './redis-locator.ts'
import type { RedisScript } from './redis-script.ts'
import { withTls } from './redis-tls.ts'
import { parseRedisUrls } from './redis-url.ts'
import type { TlsWish } from './tls.ts'

export type Unsubscribe = () => void
export type RedisState = 'connecting' | 'ready' | 'lost' | 'closed'
export type RedisArgument = string | number | Uint8Array

export interface RedisConnectionDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** How long `connect` tries to reach each server; default 4,000. */
  readonly connectTimeoutMs?: number | undefined
  readonly options?: RedisOptions | undefined
}

export interface RedisOptions {
  /** Longest pause between two tries to reconnect; default 2,000. */
  readonly retryMaxMs?: number | undefined
  /** A connection that owes an answer for this long is given up and made anew; default 15,000. */
  readonly answerTimeoutMs?: number | undefined
  /** How often an answer is asked for, so that a connection that went deaf is noticed; default 10,000, 0 is never. */
  readonly healthCheckMs?: number | undefined
  /** Seconds between keep-alive probes of the socket; default 30, 0 is never. */
  readonly keepAliveSeconds?: number | undefined
  /** TLS, also where the URL does not say so; what it leaves open is as the URL says. */
  readonly tls?: TlsWish | undefined
  /** Which of several servers is tried when one is lost; `round-robin` by default. */
  readonly failover?: FailoverStrategy | undefined
  /** What CLIENT LIST shows. */
  readonly clientName?: string | undefined
  /** Sentinel: name of the group of servers. */
  readonly masterName?: string | undefined
  /** Sentinel: how to get in there. */
  readonly sentinel?: RedisSentinelOptions | undefined
  /** Cluster: any of the keys, which must all be in its slot. */
  readonly clusterKey?: string | undefined
}

/**
 * One Redis server and database: a connection for commands and, from the first listener on, a second one that listens. The
 * server may be another one after a reconnect, where several are named or sentinels or a cluster say which.
 *
 * States: `connecting` -> `ready` <-> `lost` -> `closed`. The first `connect` gives up within its timeout; from then on lost
 * connections come back by themselves. Commands are never queued or sent again: while the state is not `ready` they
 * reject with ConnectionError at once, and one in flight when the connection breaks rejects too, its effect unknown.
 */
export class RedisConnection {
  /** Names server and database; equal for a transport and a backend that can share one atomic step. */
  readonly driver: string
  /** The URL without its password. */
  readonly url: string
  readonly db: number
  readonly listener: RedisListener
  readonly #locator: RedisLocator
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #options: RedisOptions
  readonly #timeoutMs: number
  readonly #listeners = new Set<(state: RedisState, cause?: Error) => void>()
  #client: RedisClient | undefined
  #connecting: Promise<void> | undefined
  #state: RedisState = 'connecting'
  #cause: Error | undefined
  #tracking = false
  #health: Timer | undefined

  /** `url` as of `parseRedisUrls`. Throws SettingError. */
  constructor(url: string, deps: RedisConnectionDeps) {
    this.#clock = deps.clock
    this.#logger = deps.logger
    this.#options = deps.options ?? {}
    this.#timeoutMs = deps.connectTimeoutMs ?? 4000
    const { masterName, sentinel, clusterKey, failover, tls } = this.#options
    const target = withTls(parseRedisUrls(url), tls)
    this.#locator = new RedisLocator(target, {
      clock: deps.clock,
      timeoutMs: this.#timeoutMs,
      masterName,
      sentinel,
      clusterKey,
      failover,
    })
    this.driver = target.driver
    this.url = target.masked
    this.db = target.addresses[0].db
    this.listener = new RedisListener(async () => {
      const client = this.#newClient()
      await this.#reach(client.redis)
      return client
    }, this.url)
    this.listener.onState((state) => {
      if (state === 'ready' && this.#state === 'ready') this.#gather()
    })
  }

  get state(): RedisState {
    return this.#state
  }

  /** Idempotent. Rejects with ConnectionError when the server is not reached in time; may then be called again. */
  connect(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(this.#closedError())
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined
      throw error
    })
    return this.#connecting
  }

  /** Idempotent. What is still in flight is awaited by nobody: settle first. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#setState('closed')
    this.#listeners.clear()
    this.#health?.cancel()
    this.listener.close()
    this.#client?.redis.disconnect()
  }

  onState(listener: (state: RedisState, cause?: Error) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sends one command; writes of one tick keep their order. Rejects with ConnectionError or ChannelError. */
  async call(command: string, ...args: RedisArgument[]): Promise<unknown> {
    if (this.#state === 'connecting') await this.connect()
    return this.#send((redis) => redis.call(command, ...args.map(driverArgument)))
  }

  /** As `call`, with texts of the answer as bytes: for values that are no text. */
  async callBytes(command: string, ...args: RedisArgument[]): Promise<unknown> {
    if (this.#state === 'connecting') await this.connect()
    return this.#send((redis) => redis.callBuffer(command, ...args.map(driverArgument)))
  }

  /** Runs a script by its SHA; a server that does not know it (restart, failover) is given the text and asked again. */
  async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    if (this.#state === 'connecting') await this.connect()
    try {
      return await this.#sendRaw((redis) => redis.evalsha(script.sha, keys.length, ...keys, ...args))
    } catch (error) {
      if (!isReplyError(error) || !String(error).includes('NOSCRIPT')) throw redisError(error, this.url)
    }
    return this.#send((redis) => redis.eval(script.lua, keys.length, ...keys, ...args))
  }

  /**
   * Tells the server to report the next change of the keys that `watchKeys` reads to the listening connection. Needed again
   * whenever one of the two connections came back. Rejects with ChannelError where the server refuses it.
   */
  async startTracking(): Promise<void> {
    let id: number
    try {
      id = await this.listener.redirectId()
    } catch (error) {
      throw redisError(error, this.url)
    }
    this.#tracking = false
    if (!this.#isGathered()) {
      throw new ConnectionError(`The listening connection to Redis at ${this.url} is still on another server.`)
    }
    await this.call('CLIENT', 'TRACKING', 'OFF')
    await this.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'OPTIN')
    this.#tracking = true
  }

  /**
   * How many of the keys exist. After `startTracking` the next change of any of them, ours included, is reported through
   * `listener.onInvalidated`, maybe before this resolves.
   */
  watchKeys(keys: readonly string[]): Promise<number> {
    return this.#send(async (redis) => {
      if (!this.#tracking) return redis.exists(...keys)
      // CACHING holds for exactly the next command of the connection: both go out in one write.
      const pipeline = redis.pipeline()
      pipeline.call('CLIENT', 'CACHING', 'YES')
      pipeline.exists(...keys)
      const replies = (await pipeline.exec()) ?? []
      for (const [error] of replies) if (error) throw error
      return Number(replies.at(-1)?.[1] ?? 0)
    })
  }

  async #connect(): Promise<void> {
    this.#setState('connecting')
    const client = await this.#firstOf(this.#locator.places)
    const { redis } = client
    if (this.state === 'closed') {
      redis.disconnect()
      throw this.#closedError()
    }
    this.#client = client
    redis.on('ready', () => {
      this.#setState('ready')
      this.#gather()
    })
    redis.on('close', () => {
      if (this.#state === 'closed') return
      this.#tracking = false
      const cause = redisError(this.#cause ?? new Error('the server closed the connection'), this.url)
      this.#setState('lost', cause)
    })
    const everyMs = this.#options.healthCheckMs ?? 10_000
    if (everyMs > 0) {
      this.#health?.cancel()
      this.#health = this.#clock.interval(everyMs, () => this.#checkHealth())
    }
    this.#setState('ready')
  }

  /** Tries each place once. */
  async #firstOf(places: number): Promise<RedisClient> {
    const client = this.#newClient()
    try {
      await this.#reach(client.redis)
      await this.#checkVersion(client.redis)
      return client
    } catch (error) {
      client.redis.disconnect()
      this.#locator.moveOn()
      if (places <= 1 || this.state === 'closed') throw error
      this.#cause = undefined
      return await this.#firstOf(places - 1)
    }
  }

  /** Resolves when the client is ready; otherwise ends it and says what to try. */
  async #reach(redis: Redis): Promise<void> {
    // The driver's own limit ends with the TCP handshake; a server that is stopped accepts and stays silent.
    const timer = this.#clock.timer(this.#timeoutMs, () => {
      this.#cause = new Error(`no answer within ${this.#timeoutMs / 1000} s`)
      redis.disconnect()
    })
    try {
      await redis.connect()
    } catch (error) {
      redis.disconnect()
      throw this.#unreachable(this.#cause ?? error)
    } finally {
      timer.cancel()
    }
  }

  #newClient(): RedisClient {
    const { retryMaxMs = 2000, answerTimeoutMs = 15_000, keepAliveSeconds = 30 } = this.#options
    return redisClient(this.#locator, {
      clock: this.#clock,
      connectTimeoutMs: this.#timeoutMs,
      answerTimeoutMs,
      keepAliveMs: keepAliveSeconds * 1000,
      retryMaxMs,
      clientName: this.#options.clientName,
      mayRetry: () => this.#state !== 'closed',
      onError: (error) => {
        this.#cause = error
        this.#logger.debug(`Redis at ${this.url}: ${error.message}`)
      },
    })
  }

  /** An answer that does not come ends the connection, which then comes back; both may stand and be deaf. */
  #checkHealth(): void {
    this.listener.ping()
    if (this.#state === 'ready') this.#client?.redis.ping().catch(() => undefined)
  }

  /** After a failover both connections must be on the same server, or changes are reported to nobody. */
  #gather(): void {
    if (!this.#isGathered()) this.listener.reconnect()
  }

  #isGathered(): boolean {
    const place = this.listener.node
    return place === undefined || isSameNode(place, this.#client?.node)
  }

  async #checkVersion(redis: Redis): Promise<void> {
    let info: string
    try {
      info = await redis.info('server')
    } catch {
      // Not allowed to ask: then the first command that is missing will say so.
      return
    }
    const [, major, minor] = /redis_version:(\d+)\.(\d+)/.exec(info) ?? []
    if (major === undefined || Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 2)) return
    throw new ChannelError(`Redis at ${this.url} is version ${major}.${minor}; tq needs 6.2 or newer.`)
  }

  async #send<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await this.#sendRaw(command)
    } catch (error) {
      throw redisError(error, this.url)
    }
  }

  #sendRaw<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#state === 'closed') return Promise.reject(this.#closedError())
    if (!this.#client || this.#state !== 'ready') return Promise.reject(this.#unreachable(this.#cause))
    return command(this.#client.redis)
  }

  #setState(state: RedisState, cause?: Error): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    if (state === 'ready') this.#cause = undefined
    for (const listener of [...this.#listeners]) listener(state, cause)
  }

  #unreachable(cause: unknown): TqError {
    if (isReplyError(cause)) return redisError(cause, this.url)
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    return new ConnectionError(
      `Cannot reach Redis at ${this.url}${why}. Is it running? Start it (redis-server) or correct the broker or backend URL.`,
      { cause },
    )
  }

  #closedError(): ConnectionError {
    return new ConnectionError(`The connection to Redis at ${this.url} was closed by this program.`)
  }
}

function driverArgument(value: RedisArgument): string | number | Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}
