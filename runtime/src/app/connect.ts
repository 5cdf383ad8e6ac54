import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { ResultBackend } from '../backends/result-backend.ts'
import { ChannelError, SettingError } from '../core/errors.ts'
import type { Settings } from '../core/settings.ts'
import { maskUrl } from '../core/url.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Topology } from '../transports/topology.ts'
import type { Transport } from '../transports/transport.ts'
import {
  createMemoryServer,
  type DriverSettings,
  type FileCare,
  type MemoryServer,
  openCare,
  openDisabled,
  type OpenDriver,
  openDriver,
} from './open-driver.ts'

/** Which URLs an app has, and what the drivers behind them are made with. */
export interface ConnectionDeps extends DriverSettings {
  /** Folder of the project, where `.tq/` belongs; undefined walks up from the working folder to the first `.tq/`. */
  readonly projectFolder: () => string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Shared by several apps of one process, for tests. */
  readonly memory?: MemoryServer | undefined
}

/** The connections of one app: lazy, each made once, all closed by `close`. */
export class Connections {
  readonly #deps: ConnectionDeps
  readonly #opened = new Map<string, Promise<OpenDriver>>()
  readonly #declared = new Set<string>()
  #transport: Promise<Transport> | undefined
  #consuming: Promise<Transport> | undefined
  #backend: Promise<ResultBackend> | undefined
  #keys: Promise<KeyStore> | undefined
  #embedded: boolean | undefined
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
    // Asked for every result, and fixed once anything is open.
    if (this.used) return (this.#embedded ??= isEmbedded(this.brokerUrl()))
    return isEmbedded(this.brokerUrl())
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

  /** Care for the database files among broker and result backend. */
  fileCare(): Promise<FileCare> {
    return openCare([this.brokerUrl(), this.resultUrl()])
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
    if (url === 'disabled' || url === 'disabled://') return openDisabled()
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

  async #open(url: string, what: 'broker' | 'result backend'): Promise<OpenDriver> {
    const known = this.#opened.get(url)
    if (known) return known
    const opening = this.#openNew(url, what)
    this.#opened.set(url, opening)
    opening.catch(() => this.#opened.delete(url))
    return opening
  }

  #openNew(url: string, what: 'broker' | 'result backend'): Promise<OpenDriver> {
    const wish = {
      what,
      isBroker: what === 'broker' || url === this.brokerUrl(),
      createsFolder: url === this.#embeddedUrl(),
      memory: async () => (this.#memory ??= await createMemoryServer()),
    }
    return openDriver(url, wish, this.#deps)
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
    this.#embedded = undefined
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

function isEmbedded(url: string): boolean {
  return /^(?:sqlite|memory):/i.test(url)
}
