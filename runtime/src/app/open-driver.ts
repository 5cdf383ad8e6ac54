import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MemoryResults } from '../backends/memory.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { SettingError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { TransportSettings } from '../core/setting-values.ts'
import type { Settings } from '../core/settings.ts'
import { maskUrl } from '../core/url.ts'
import type { FileReport } from '../drivers/sqlite-care.ts'
import type { Shrunk } from '../drivers/sqlite-shrink.ts'
import type { ResultCodec } from '../serializers/result-codec.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { MemoryBroker } from '../transports/memory.ts'
import type { Transport } from '../transports/transport.ts'
import { type CustomDrivers, openCustom } from './custom-driver.ts'

/** A driver that is open, and how to close it once its transport and backend are closed. */
export interface OpenDriver {
  transport(): Promise<Transport>
  backend(): Promise<ResultBackend>
  /** Connected; undefined where the server has no such thing. */
  readonly keys?: (() => Promise<KeyStore>) | undefined
  close(): Promise<void>
}

/** What drivers of an app are made with. */
export interface DriverSettings {
  readonly settings: () => Settings
  /** The form of stored results; JSON by default. */
  readonly resultCodec?: (() => ResultCodec) | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly hostname: string
  /** Of the user's own; they win over tq's. */
  readonly drivers?: CustomDrivers | undefined
}

/** What a driver is opened for. */
export interface OpenWish {
  readonly what: 'broker' | 'result backend'
  /** One server for both is one connection, the broker's: that is how a result and its acknowledgement go out together. */
  readonly isBroker: boolean
  /** The folder of a SQLite file is made where it is missing. */
  readonly createsFolder: boolean
  readonly memory: () => Promise<MemoryServer>
}

/**
 * What a URL leads to. This file is the only place that names concrete transports and backends; each is imported on first use.
 * Rejects with SettingError for a scheme that nobody knows.
 */
export async function openDriver(url: string, wish: OpenWish, deps: DriverSettings): Promise<OpenDriver> {
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? ''
  const { drivers = {}, clock, logger, settings, resultCodec } = deps
  const own = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined
  if (own) return openCustom(own, url, { clock, logger, settings: settings(), resultCodec: resultCodec?.() })
  switch (scheme) {
    case 'memory':
      return memoryDriver(await wish.memory(), deps)
    case 'sqlite':
      return openSqlite(url, wish, deps)
    case 'redis':
    case 'rediss':
    case 'redis+socket':
    case 'redis+unix':
    case 'unix':
    case 'sentinel':
    case 'redis+cluster':
    case 'rediss+cluster':
      return openRedis(url, wish, deps)
    case 'amqp':
    case 'amqps':
    case 'pyamqp':
    case 'librabbitmq':
      return openAmqp(url, deps)
    default:
      throw new SettingError(
        `expected the ${wish.what}'s URL to begin with sqlite:, redis:, rediss:, redis+socket:, redis+cluster:, sentinel:, amqp:, amqps: or memory:, got '${maskUrl(url)}'`,
      )
  }
}

/** Where nobody wants results. */
export async function openDisabled(): Promise<ResultBackend> {
  const { DisabledBackend } = await import('../backends/disabled.ts')
  return new DisabledBackend()
}

/** What `memory://` leads to: a broker and a result store in this process. */
export interface MemoryServer {
  readonly broker: MemoryBroker
  readonly results: MemoryResults
}

/** A new, empty one. */
export async function createMemoryServer(): Promise<MemoryServer> {
  const [{ MemoryBroker }, { MemoryResults }] = await Promise.all([
    import('../transports/memory.ts'),
    import('../backends/memory.ts'),
  ])
  const results = new MemoryResults()
  return { broker: new MemoryBroker(results), results }
}

/** Clients of a memory server, with a clock of their own. */
export async function openMemory(
  { broker, results }: MemoryServer,
  deps: { readonly clock: Clock; readonly logger: Logger; readonly codec?: ResultCodec | undefined },
): Promise<{ readonly transport: Transport; readonly backend: ResultBackend; readonly keys: KeyStore }> {
  const [{ MemoryTransport }, { MemoryKeys }, { MemoryBackend }] = await Promise.all([
    import('../transports/memory.ts'),
    import('../transports/memory-keys.ts'),
    import('../backends/memory.ts'),
  ])
  return {
    transport: new MemoryTransport(broker, deps),
    backend: new MemoryBackend(results, deps),
    keys: new MemoryKeys(broker, deps.clock),
  }
}

async function memoryDriver(server: MemoryServer, deps: DriverSettings): Promise<OpenDriver> {
  const { clock, logger, resultCodec } = deps
  const { transport, backend, keys } = await openMemory(server, { clock, logger, codec: resultCodec?.() })
  return {
    transport: async () => transport,
    backend: async () => backend,
    keys: async () => keys,
    close: async () => {},
  }
}

async function openSqlite(url: string, wish: OpenWish, deps: DriverSettings): Promise<OpenDriver> {
  const { clock, logger, settings, resultCodec } = deps
  const { openSqliteStore } = await import('../drivers/sqlite-store.ts')
  const path = sqlitePath(url)
  const options = settings().brokerTransportOptions
  const inUrl = new URLSearchParams(url.split('?')[1])
  const store = await openSqliteStore(path, {
    clock,
    logger,
    sync: options.sync ?? (inUrl.get('sync') === 'full' ? 'full' : 'normal'),
    syncMs: options.syncMs ?? numberIn(inUrl, 'syncMs'),
    maxBytes: options.maxBytes ?? numberIn(inUrl, 'maxBytes'),
    createFolder: wish.createsFolder,
    connectTimeoutMs: settings().brokerConnectionTimeout * 1000,
  })
  return {
    transport: async () => {
      const { SqliteTransport } = await import('../transports/sqlite.ts')
      return new SqliteTransport(store, { clock, logger, leaseMs: options.leaseMs })
    },
    backend: async () => {
      const { SqliteBackend } = await import('../backends/sqlite.ts')
      return new SqliteBackend(store, { clock, logger, codec: resultCodec?.() })
    },
    keys: async () => {
      const { SqliteKeys } = await import('../drivers/sqlite-keys.ts')
      return new SqliteKeys(store)
    },
    close: async () => store.close(),
  }
}

async function openRedis(url: string, wish: OpenWish, deps: DriverSettings): Promise<OpenDriver> {
  const { clock, logger, settings, hostname, resultCodec } = deps
  const [{ RedisConnection }, { assertOneSlot, redisSettings }] = await Promise.all([
    import('../drivers/redis-connection.ts'),
    import('../drivers/redis-options.ts'),
  ])
  const own = redisSettings(url, wish.isBroker ? 'broker' : 'backend', settings())
  const connection = new RedisConnection(url, {
    clock,
    logger,
    connectTimeoutMs: own.connectTimeoutMs,
    options: own.connection,
  })
  return {
    transport: async () => {
      const { RedisTransport } = await import('../transports/redis.ts')
      return new RedisTransport(connection, { clock, logger, hostname, ...redisOptions(own.options) })
    },
    backend: async () => {
      const { RedisBackend } = await import('../backends/redis.ts')
      const asked = redisSettings(url, 'backend', settings())
      assertOneSlot(own, asked)
      const { globalKeyprefix } = asked.options
      return new RedisBackend(connection, { clock, logger, globalKeyprefix, codec: resultCodec?.() })
    },
    keys: async () => {
      const [{ RedisKeys }, { layout }] = await Promise.all([
        import('../drivers/redis-keys.ts'),
        import('../wire/redis-layout.ts'),
      ])
      await connection.connect()
      const { globalKeyprefix } = own.options
      const { ownKey } = layout({ db: connection.db, globalKeyprefix })
      return new RedisKeys(connection, ownKey)
    },
    close: async () => connection.close(),
  }
}

async function openAmqp(url: string, deps: DriverSettings): Promise<OpenDriver> {
  const { clock, logger, settings, resultCodec } = deps
  const [{ AmqpConnection }, { tlsWish }] = await Promise.all([
    import('../drivers/amqp-connection.ts'),
    import('../drivers/tls.ts'),
  ])
  const connection = new AmqpConnection(url, {
    clock,
    logger,
    connectTimeoutMs: settings().brokerConnectionTimeout * 1000,
    heartbeatSeconds: settings().brokerHeartbeat,
    tls: tlsWish(settings().brokerUseSsl, 'brokerUseSsl'),
    failover: settings().brokerFailoverStrategy,
  })
  return {
    transport: async () => {
      const { AmqpTransport } = await import('../transports/amqp.ts')
      const delayQueueType = settings().brokerNativeDelayedDeliveryQueueType
      return new AmqpTransport(connection, { clock, logger, delayQueueType })
    },
    backend: async () => {
      const { RpcBackend } = await import('../backends/rpc.ts')
      const { resultExpires, resultPersistent: persistent, resultCacheMax: mostResults } = settings()
      const codec = resultCodec?.()
      return new RpcBackend(connection, {
        clock,
        logger,
        codec,
        expiresMs: resultExpires * 1000,
        persistent,
        mostResults,
      })
    },
    close: async () => connection.close(),
  }
}

/** What can be done for a SQLite file from outside; see drivers/sqlite-care.ts. */
export interface FileCare {
  /** Absolute, the broker's first. Empty where both are servers. */
  readonly paths: readonly string[]
  readonly inspectFile: (path: string) => FileReport
  readonly backupFile: (path: string, target: string) => Promise<{ readonly bytes: number }>
  readonly setFileAside: (path: string, stamp: string) => string
  readonly shrinkFile: (path: string) => Shrunk
}

/** Care for the database files among these URLs; no others are opened. */
export async function openCare(urls: readonly string[]): Promise<FileCare> {
  const files = urls.filter((url) => /^sqlite:/i.test(url))
  const [{ backupFile, inspectFile, setFileAside }, { shrinkFile }] = await Promise.all([
    import('../drivers/sqlite-care.ts'),
    import('../drivers/sqlite-shrink.ts'),
  ])
  return { paths: [...new Set(files.map(sqlitePath))], inspectFile, backupFile, setFileAside, shrinkFile }
}

function redisOptions(options: TransportSettings): Record<string, unknown> {
  const { visibilityTimeout, sep, ...others } = options
  return {
    ...others,
    visibilityTimeoutMs: visibilityTimeout === undefined ? undefined : visibilityTimeout * 1000,
    separator: sep,
  }
}

function numberIn(query: URLSearchParams, name: string): number | undefined {
  const given = query.get(name)
  if (given === null) return undefined
  const value = Number(given)
  if (given !== '' && Number.isFinite(value) && value >= 0) return value
  throw new SettingError(`expected ${name} in the SQLite URL to be a number, got '${given}'`)
}

/** `sqlite:///abs/path`, `sqlite://rel/path`, `sqlite:rel/path` -> an absolute path. */
function sqlitePath(url: string): string {
  const path = url.split('?')[0]?.replace(/^sqlite:(?:\/\/)?/i, '') ?? ''
  if (path === '') throw new SettingError('expected the SQLite URL to name a file, e.g. sqlite:///var/lib/shop/tq.db')
  if (path.startsWith('file:')) return fileURLToPath(path)
  return isAbsolute(path) ? path : resolve(path)
}
