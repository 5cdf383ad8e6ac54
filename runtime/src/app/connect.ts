import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { ChannelError, SettingError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { TransportSettings } from '../core/setting-values.ts'
import type { Settings } from '../core/settings.ts'
import { maskUrl } from '../core/url.ts'
import { type CustomDrivers, openCustom } from './custom-driver.ts'
import type { ResultCodec } from '../serializers/result-codec.ts'
import type { MemoryResults } from '../backends/memory.ts'
import type { FileReport } from '../drivers/sqlite-care.ts'
import type { Shrunk } from '../drivers/sqlite-shrink.ts'
import type { MemoryBroker } from '../transports/memory.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Topology } from '../transports/topology.ts'
import type { Transport } from '../transports/transport.ts'

/** What a URL leads to. The only place that names concrete transports and backends; each is imported on first use. */
export interface ConnectionDeps {
  readonly settings: () => Settings
  /** The form of stored results; JSON by default. */
  readonly resultCodec?: (() => ResultCodec) | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly hostname: string
  /** Folder of the project, where `.tq/` belongs; undefined walks up from the working folder to the first `.tq/`. */
  readonly projectFolder: () => string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Shared by several apps of one process, for tests. */
  readonly memory?: MemoryServer | undefined
  /** Of the user's own; they win over tq's. */
  readonly drivers?: CustomDrivers | undefined
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

/** What can be done for a SQLite file from outside; see drivers/sqlite-care.ts. */
export interface FileCare {
  /** Absolute, the broker's first. Empty where both are servers. */
  readonly paths: readonly string[]
  readonly inspectFile: (path: string) => FileReport
  readonly backupFile: (path: string, target: string) => Promise<{ readonly bytes: number }>
  readonly setFileAside: (path: string, stamp: string) => string
  readonly shrinkFile: (path: string) => Shrunk
}

/** A driver that is open, and how to close it once its transport and backend are closed. */
interface Opened {
  transport(): Promise<Transport>
  backend(): Promise<ResultBackend>
  /** Connected; undefined where the server has no such thing. */
  readonly keys?: (() => Promise<KeyStore>) | undefined
  close(): Promise<void>
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

/** The connections of one app: lazy, each made once, all closed by `close`. */
export class Connections {
  readonly #deps: ConnectionDeps
  readonly #opened = new Map<string, Promise<Opened>>()
  readonly #declared = new Set<string>()
  #transport: Promise<Transport> | undefined
  #consuming: Promise<Transport> | undefined
  #backend: Promise<ResultBackend> | undefined
  #keys: Promise<KeyStore> | undefined
  #memory: MemoryServer | undefined

  constructor(deps: ConnectionDeps) {
    this.#deps = deps
    this.#memory = deps.memory
  }

  /** True once anything was connected: from then on settings cannot change. */
  get used(): boolean {
    return this.#opened.size > 0
  }

  brokerUrl(): string {
    return this.#brokerUrlOr(
      ({ brokerWriteUrl, brokerUrl, brokerReadUrl }) => brokerWriteUrl ?? brokerUrl ?? brokerReadUrl,
    )
  }

  /** Where a worker takes its messages from: another URL of the same broker, where there is one. */
  #readUrl(): string {
    return this.#brokerUrlOr(
      ({ brokerReadUrl, brokerUrl, brokerWriteUrl }) => brokerReadUrl ?? brokerUrl ?? brokerWriteUrl,
    )
  }

  #brokerUrlOr(said: (settings: Settings) => string | undefined): string {
    return this.#deps.env.TQ_BROKER_URL ?? said(this.#deps.settings()) ?? this.#embeddedUrl()
  }

  /** No server: the broker is a file or this process. */
  get embedded(): boolean {
    return /^(?:sqlite|memory):/i.test(this.brokerUrl())
  }

  resultUrl(): string {
    return this.#deps.env.TQ_RESULT_BACKEND ?? this.#deps.settings().resultBackend ?? this.brokerUrl()
  }

  /** `embedded` for the project's own file, else the URL without its password. */
  brokerName(): string {
    const url = this.brokerUrl()
    return url === this.#embeddedUrl() ? 'embedded' : maskUrl(url)
  }

  /** Where the embedded file is or would be. */
  embeddedPath(): string {
    const { env } = this.#deps
    if (env.TQ_DB) return resolve(env.TQ_DB)
    const project = this.#deps.projectFolder()
    if (project !== undefined) return join(project, '.tq', 'tq.db')
    for (let folder = process.cwd(); ; folder = dirname(folder)) {
      if (existsSync(join(folder, '.tq', 'tq.db'))) return join(folder, '.tq', 'tq.db')
      if (dirname(folder) === folder) return join(process.cwd(), '.tq', 'tq.db')
    }
  }

  #embeddedUrl(): string {
    return `sqlite://${this.embeddedPath()}`
  }

  /** Care for the database files among broker and result backend; no others are opened. */
  async fileCare(): Promise<FileCare> {
    const urls = [this.brokerUrl(), this.resultUrl()].filter((url) => /^sqlite:/i.test(url))
    const [{ backupFile, inspectFile, setFileAside }, { shrinkFile }] = await Promise.all([
      import('../drivers/sqlite-care.ts'),
      import('../drivers/sqlite-shrink.ts'),
    ])
    return { paths: [...new Set(urls.map(sqlitePath))], inspectFile, backupFile, setFileAside, shrinkFile }
  }

  /** The broker, connected. A failed attempt is not remembered: the next call tries again. */
  transport(): Promise<Transport> {
    this.#transport ??= this.#connect(this.brokerUrl(), 'broker').catch((error: unknown) => {
      this.#transport = undefined
      throw error
    })
    return this.#transport
  }

  /** The broker as a worker consumes it, connected: by `brokerReadUrl`, else the same as `transport()`. */
  consuming(): Promise<Transport> {
    if (this.#readUrl() === this.brokerUrl()) return this.transport()
    this.#consuming ??= this.#connect(this.#readUrl(), 'broker').catch((error: unknown) => {
      this.#consuming = undefined
      throw error
    })
    return this.#consuming
  }

  backend(): Promise<ResultBackend> {
    this.#backend ??= this.#connectBackend().catch((error: unknown) => {
      this.#backend = undefined
      throw error
    })
    return this.#backend
  }

  /** The broker's small key store, else that of the result backend. Rejects with ChannelError where neither has one. */
  keyStore(): Promise<KeyStore> {
    this.#keys ??= this.#openKeys().catch((error: unknown) => {
      this.#keys = undefined
      throw error
    })
    return this.#keys
  }

  async #openKeys(): Promise<KeyStore> {
    const broker = await this.#open(this.brokerUrl(), 'broker')
    if (broker.keys) return broker.keys()
    const url = this.resultUrl()
    const results = /^(?:rpc|disabled)\b/i.test(url) ? undefined : await this.#open(url, 'result backend')
    if (results?.keys) return results.keys()
    throw new ChannelError(
      `Unique tasks and rate limits that workers share need a store for their keys, and neither the broker ${this.brokerName()} nor the ` +
        `result backend ${maskUrl(url)} has one. Use Redis, SQLite or memory for one of them, e.g. resultBackend: 'redis://localhost'.`,
    )
  }

  async #connect(url: string, what: 'broker'): Promise<Transport> {
    const opened = await this.#open(url, what)
    const transport = await opened.transport()
    await transport.connect()
    return transport
  }

  async #connectBackend(): Promise<ResultBackend> {
    const url = this.resultUrl()
    if (url === 'disabled' || url === 'disabled://') {
      const { DisabledBackend } = await import('../backends/disabled.ts')
      return new DisabledBackend()
    }
    const opened = await this.#open(/^rpc:/i.test(url) ? this.#rpcUrl() : url, 'result backend')
    const backend = await opened.backend()
    await backend.connect()
    return backend
  }

  /** Whether `declareOnce` has declared what belongs to `key`. */
  isDeclared(key: string): boolean {
    return this.#declared.has(key)
  }

  /** Declares what belongs to `key` once per process. */
  async declareOnce(key: string, topology: Topology): Promise<void> {
    if (this.#declared.has(key)) return
    await (await this.transport()).declare(topology)
    this.#declared.add(key)
  }

  async #open(url: string, what: 'broker' | 'result backend'): Promise<Opened> {
    const known = this.#opened.get(url)
    if (known) return known
    const opening = this.#openNew(url, what)
    this.#opened.set(url, opening)
    opening.catch(() => this.#opened.delete(url))
    return opening
  }

  async #openNew(url: string, what: string): Promise<Opened> {
    const scheme = /^([a-z][a-z\d+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? ''
    const { drivers = {}, clock, logger, settings, resultCodec } = this.#deps
    const own = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined
    if (own) return openCustom(own, url, { clock, logger, settings: settings(), resultCodec: resultCodec?.() })
    switch (scheme) {
      case 'memory':
        return this.#openMemory()
      case 'sqlite':
        return this.#openSqlite(url)
      case 'redis':
      case 'rediss':
      case 'redis+socket':
      case 'redis+unix':
      case 'unix':
      case 'sentinel':
      case 'redis+cluster':
      case 'rediss+cluster':
        return this.#openRedis(url, what)
      case 'amqp':
      case 'amqps':
      case 'pyamqp':
      case 'librabbitmq':
        return this.#openAmqp(url)
      default:
        throw new SettingError(
          `expected the ${what}'s URL to begin with sqlite:, redis:, rediss:, redis+socket:, redis+cluster:, sentinel:, amqp:, amqps: or memory:, got '${maskUrl(url)}'`,
        )
    }
  }

  async #openMemory(): Promise<Opened> {
    const { clock, logger } = this.#deps
    this.#memory ??= await createMemoryServer()
    const memory = await openMemory(this.#memory, { clock, logger, codec: this.#deps.resultCodec?.() })
    const { transport, backend, keys } = memory
    return {
      transport: async () => transport,
      backend: async () => backend,
      keys: async () => keys,
      close: async () => {},
    }
  }

  async #openSqlite(url: string): Promise<Opened> {
    const { clock, logger, settings } = this.#deps
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
      createFolder: url === this.#embeddedUrl(),
      connectTimeoutMs: settings().brokerConnectionTimeout * 1000,
    })
    return {
      transport: async () => {
        const { SqliteTransport } = await import('../transports/sqlite.ts')
        return new SqliteTransport(store, { clock, logger, leaseMs: options.leaseMs })
      },
      backend: async () => {
        const { SqliteBackend } = await import('../backends/sqlite.ts')
        return new SqliteBackend(store, { clock, logger, codec: this.#deps.resultCodec?.() })
      },
      keys: async () => {
        const { SqliteKeys } = await import('../drivers/sqlite-keys.ts')
        return new SqliteKeys(store)
      },
      close: async () => store.close(),
    }
  }

  async #openRedis(url: string, what: string): Promise<Opened> {
    const { clock, logger, settings, hostname } = this.#deps
    const [{ RedisConnection }, { assertOneSlot, redisSettings }] = await Promise.all([
      import('../drivers/redis-connection.ts'),
      import('../drivers/redis-options.ts'),
    ])
    // One server for both is one connection, the broker's: that is how a result and its acknowledgement go out together.
    const isBroker = what === 'broker' || url === this.brokerUrl()
    const own = redisSettings(url, isBroker ? 'broker' : 'backend', settings())
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
        return new RedisBackend(connection, { clock, logger, globalKeyprefix, codec: this.#deps.resultCodec?.() })
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

  async #openAmqp(url: string): Promise<Opened> {
    const { clock, logger, settings } = this.#deps
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
        const codec = this.#deps.resultCodec?.()
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

  /** `rpc://` has no server of its own: results go through the broker. */
  #rpcUrl(): string {
    const url = this.brokerUrl()
    if (/^(?:py)?amqps?:|^librabbitmq:/i.test(url)) return url
    throw new SettingError(
      `expected the broker to be RabbitMQ (amqp://) where the result backend is rpc://, got '${maskUrl(url)}'. Keep results there too (unset resultBackend), or name another backend.`,
    )
  }

  /** Closes everything that was opened. Idempotent; a later use opens again. */
  async close(): Promise<void> {
    const [transport, backend, opened] = [this.#transport, this.#backend, [...this.#opened.values()]]
    const consuming = this.#consuming
    this.#transport = undefined
    this.#consuming = undefined
    this.#backend = undefined
    this.#keys = undefined
    this.#memory = this.#deps.memory // one of its own goes with it
    this.#opened.clear()
    this.#declared.clear()
    await transport?.then((one) => one.close()).catch(swallowed)
    await consuming?.then((one) => one.close()).catch(swallowed)
    await backend?.then((one) => one.close()).catch(swallowed)
    for (const one of opened) await one.then((driver) => driver.close()).catch(swallowed)
  }
}

// What never opened needs no closing; what fails to close is gone already.
function swallowed(error: unknown): void {
  if (!(error instanceof Error)) throw error
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
export function sqlitePath(url: string): string {
  const path = url.split('?')[0]?.replace(/^sqlite:(?:\/\/)?/i, '') ?? ''
  if (path === '') throw new SettingError('expected the SQLite URL to name a file, e.g. sqlite:///var/lib/shop/tq.db')
  if (path.startsWith('file:')) return fileURLToPath(path)
  return isAbsolute(path) ? path : resolve(path)
}
