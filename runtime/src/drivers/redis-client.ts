import { Redis, type RedisOptions as DriverOptions } from 'ioredis'
import type { Clock } from '../core/clock.ts'
import { RedisConnector } from './redis-connector.ts'
import type { RedisLocator } from './redis-locator.ts'
import type { RedisNode } from './redis-url.ts'

export interface RedisClientOptions {
  readonly clock: Clock
  readonly connectTimeoutMs: number
  /** A connection that owes an answer for this long is given up. */
  readonly answerTimeoutMs: number
  /** 0: no probes. */
  readonly keepAliveMs: number
  readonly retryMaxMs: number
  /** What CLIENT LIST shows. */
  readonly clientName?: string | undefined
  /** Asked before each try to come back: false ends the client for good. */
  readonly mayRetry: () => boolean
  readonly onError: (error: Error) => void
}

export interface RedisClient {
  readonly redis: Redis
  /** Where it is connected to, or was last. */
  readonly node: RedisNode | undefined
}

const firstRetryMs = 25
const moveEveryMs = 1000

/** A client that is not connected yet, and that reconnects once it was. */
export function redisClient(locator: RedisLocator, options: RedisClientOptions): RedisClient {
  const { clock, retryMaxMs } = options
  let node: RedisNode | undefined
  let reached = false
  let movedAt = Number.NEGATIVE_INFINITY
  const driverOptions: DriverOptions & { replyMapping: 'legacy' } = {
    Connector: class extends RedisConnector {
      constructor() {
        super(locator, (at) => {
          node = at
        })
      }
    },
    ...credentials(locator),
    // RESP3 pushes of invalidations are dropped by ioredis 6.
    protocol: 2,
    replyMapping: 'legacy',
    lazyConnect: true,
    ...(options.clientName === undefined ? {} : { connectionName: options.clientName }),
    connectTimeout: options.connectTimeoutMs,
    keepAlive: options.keepAliveMs,
    socketTimeout: options.answerTimeoutMs,
    // A command that was sent twice would claim twice; one that waits in a queue would hang its caller.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    // Rejects what was in flight as soon as the connection breaks.
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    retryStrategy: (tries) => {
      if (!reached || !options.mayRetry()) return null
      // The server that was lost is tried first: most come back, and with what they hold.
      if (tries > 1) locator.moveOn()
      Object.assign(redis.options, credentials(locator))
      const round = Math.floor((tries - 1) / locator.places)
      return Math.min(retryMaxMs, firstRetryMs * 2 ** Math.min(round, 20))
    },
    reconnectOnError: (error) => {
      if (!locator.canMove || !elsewhere.test(error.message)) return false
      if (clock.monotonic() - movedAt < moveEveryMs) return false
      movedAt = clock.monotonic()
      locator.moveOn()
      return true
    },
  }
  const redis: Redis = new Redis(driverOptions)
  redis.on('ready', () => {
    reached = true
  })
  redis.on('error', (error: Error) => options.onError(error))
  return {
    redis,
    get node() {
      return node
    },
  }
}

// What a server says that is not, or no longer, the one to write to.
const elsewhere = /(^|-)(READONLY|MOVED|ASK|MASTERDOWN)\b/

function credentials(locator: RedisLocator): Pick<DriverOptions, 'username' | 'password' | 'db' | 'tls'> {
  const { username, password, db, tls } = locator.address
  // The socket is ours; ioredis needs to know only which event tells that it stands.
  return { username, password, db, tls: tls ? {} : undefined }
}
