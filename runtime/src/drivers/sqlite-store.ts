import type { Clock, Timer } from '../core/clock.ts'
import { ConnectionError, TqError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ConnectionState, PeerAnnouncement, Unsubscribe } from '../transports/transport.ts'
import { Bells } from './sqlite-bells.ts'
import { type Bell, closedError, GroupCommit, type Operation } from './sqlite-commit.ts'
import { integer, type Reader, SqliteConnection } from './sqlite-connection.ts'
import { goneError, isPassing, lockedError, storeError } from './sqlite-errors.ts'
import { createDatabaseFile, fileIdentity } from './sqlite-file.ts'
import { likelyHolders } from './sqlite-peers.ts'
import { Presence, type Session } from './sqlite-presence.ts'
import { Upkeep } from './sqlite-upkeep.ts'

export interface StoreOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** `normal`: a power cut may lose the last moment of work; `full` syncs each commit. Default `normal`. */
  readonly sync?: 'normal' | 'full' | undefined
  /** Make a missing folder, private and ignored by git, as for `.tq/`. Default false. */
  readonly createFolder?: boolean | undefined
  /** Quota of the file: publishing fails when it is reached, consuming goes on. Default none. */
  readonly maxBytes?: number | undefined
  /** How long a commit may stand in the kernel's memory alone, in ms; 0 leaves it to the kernel. Default 1000; nothing with `full`. */
  readonly syncMs?: number | undefined
  /** How long to wait for a lock that another process holds. Default 5000. */
  readonly connectTimeoutMs?: number | undefined
}

/**
 * Opens the database, making file and schema where they are missing. The opener closes it, after the transports and backends
 * that share it. Rejects with StoreError: locked, read-only (network file systems too), damaged, foreign or newer.
 */
export async function openSqliteStore(path: string, options: StoreOptions): Promise<SqliteStore> {
  const timeoutMs = options.connectTimeoutMs ?? defaultTimeoutMs
  const startMs = options.clock.monotonic()
  for (;;) {
    try {
      return new SqliteStore(path, options)
    } catch (error) {
      if (!isPassing(error) || options.clock.monotonic() - startMs >= timeoutMs) throw storeError(error, path)
    }
    await options.clock.sleep(retryMs)
  }
}

const defaultTimeoutMs = 5000
const retryMs = 10
const defaultSyncMs = 1000
/** How often the file is looked at: whether it is still there, and whether a bell was missed. */
const checkMs = 500
const busyPollMs = 5
const quietPollMs = 50
const pollQuietAfterMs = 10_000
const bells: readonly Bell[] = ['queue', 'result', 'event']

/**
 * One database file as one process uses it: a connection that survives the file's replacement, group commit, wake-ups, and
 * the process's presence among its peers. States: ready -> lost (locked out, file gone or damaged) -> ready, and closed.
 */
export class SqliteStore {
  readonly path: string
  readonly clock: Clock
  readonly logger: Logger
  readonly presence: Presence
  readonly #options: StoreOptions
  readonly #commit: GroupCommit
  readonly #bells: Bells
  readonly #upkeep: Upkeep
  readonly #wakes = new Map<Bell, Set<() => void>>(bells.map((bell) => [bell, new Set()]))
  readonly #states = new Set<(state: ConnectionState, cause?: Error) => void>()
  readonly #replaced = new Set<() => void>()
  #connection: SqliteConnection | undefined
  #identity: string | undefined
  #checkedMs: number
  #dataVersion = 0
  #state: ConnectionState = 'ready'
  #replacements = 0
  #ticking: Timer | undefined
  #polling: Timer | undefined
  #activeMs = 0

  constructor(path: string, options: StoreOptions) {
    this.#options = options
    this.clock = options.clock
    this.logger = options.logger
    this.path = createDatabaseFile(path, { createFolder: options.createFolder ?? false })
    this.#connection = this.#open()
    this.#checkedMs = this.clock.monotonic()
    this.#bells = new Bells(this.path, this.logger, (bell) => this.#wake(bell))
    this.presence = new Presence(this, {
      watch: (bell) => this.#watch(bell),
      unwatch: (bell) => this.#bells.unwatch(bell),
    })
    const syncMs = options.sync === 'full' ? 0 : (options.syncMs ?? defaultSyncMs)
    this.#upkeep = new Upkeep({ clock: this.clock, path: this.path, syncMs: syncMs === 0 ? undefined : syncMs })
    this.#commit = new GroupCommit({
      clock: this.clock,
      path: this.path,
      connectTimeoutMs: options.connectTimeoutMs ?? defaultTimeoutMs,
      connection: () => this.#current(),
      committed: (rung, foreign) => this.#committed(rung, foreign),
      wanted: (tx) => this.presence.wantedByOthers(tx),
      lockedOut: () => lockedError(this.path, this.#holders()),
      began: () => {
        this.#setState('ready')
        this.#upkeep.wrote()
      },
      failed: (error) => this.#failed(error),
    })
  }

  /** Names this file in store plans: a transport carries out the plans of a backend of the same driver. */
  get driver(): string {
    return `sqlite:${this.path}`
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** How often the file was replaced under us; cursors into an older one mean nothing. */
  get replacements(): number {
    return this.#replacements
  }

  /** Changes when rows that an operation read and kept may not exist. */
  get version(): string {
    return `${this.#replacements}.${this.#commit.rollbacks}`
  }

  /** The peer row under which this process holds messages; another object after the row or the file was lost. */
  get session(): Session | undefined {
    return this.presence.session
  }

  /** Runs the operation in the next group commit; resolves after its commit. Rejects with StoreError or ConnectionError. */
  submit<T>(run: Operation<T>, options?: { readonly size?: number; readonly last?: boolean }): Promise<T> {
    if (this.#state === 'closed') return Promise.reject(closedError(this.path))
    return this.#commit.submit(run, options)
  }

  /** Reads outside a transaction; one statement sees one state of the database. */
  async read<T>(run: (reader: Reader) => T): Promise<T> {
    const startMs = this.clock.monotonic()
    for (;;) {
      try {
        return run(this.#current())
      } catch (error) {
        const timeoutMs = this.#options.connectTimeoutMs ?? defaultTimeoutMs
        if (!isPassing(error) || this.clock.monotonic() - startMs >= timeoutMs) throw storeError(error, this.path)
      }
      await this.clock.sleep(retryMs)
    }
  }

  /** Called after commits of any process that concern the bell, and now and then for nothing. */
  onWake(bell: Bell, listener: () => void): Unsubscribe {
    this.#wakes.get(bell)?.add(listener)
    return () => this.#wakes.get(bell)?.delete(listener)
  }

  onState(listener: (state: ConnectionState, cause?: Error) => void): Unsubscribe {
    this.#states.add(listener)
    return () => this.#states.delete(listener)
  }

  /** Called when an empty file took the place of the one in use: what was declared has to be declared again. */
  onReplaced(listener: () => void): Unsubscribe {
    this.#replaced.add(listener)
    return () => this.#replaced.delete(listener)
  }

  announce(peer: PeerAnnouncement): Promise<void> {
    return this.presence.announce(peer)
  }

  /** Finishes what was submitted, gives back what is still held, leaves the list of peers, closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    await this.presence.leave()
    await this.#commit.idle()
    this.#ticking?.cancel()
    this.#polling?.cancel()
    this.#bells.close()
    await this.#upkeep.close()
    this.#connection?.close()
    this.#connection = undefined
    this.#setState('closed')
  }

  /** Starts the look every 500 ms; called when somebody first waits for something. */
  startTicking(): void {
    this.#ticking ??= this.clock.interval(checkMs, () => this.#tick())
    if (this.#bells.deaf) this.#poll()
  }

  #open(): SqliteConnection {
    const connection = new SqliteConnection(this.path, {
      sync: this.#options.sync ?? 'normal',
      maxBytes: this.#options.maxBytes,
    })
    this.#identity = fileIdentity(this.path)
    this.#dataVersion = connection.dataVersion()
    return connection
  }

  // Asked before each transaction. A look at the file each 500 ms keeps a publisher from writing into a deleted file for long.
  #current(): SqliteConnection {
    if (this.#state === 'closed') throw closedError(this.path)
    const nowMs = this.clock.monotonic()
    if (nowMs - this.#checkedMs >= checkMs) {
      this.#checkedMs = nowMs
      if (this.#connection !== undefined && fileIdentity(this.path) !== this.#identity) this.#abandon()
    }
    return this.#connection ?? this.#reopen()
  }

  #abandon(): void {
    this.logger.warn(
      `${this.path} was deleted or replaced while it was in use. Its messages and results are lost, and so is what this process held; a new file is used from now on.`,
    )
    this.#setState('lost', goneError(this.path))
    this.presence.forget()
    this.#bells.close()
    const old = this.#connection
    this.#connection = undefined
    this.#replacements++
    old?.close()
  }

  #reopen(): SqliteConnection {
    createDatabaseFile(this.path, { createFolder: this.#options.createFolder ?? false })
    const connection = this.#open()
    this.#connection = connection
    for (const listener of this.#replaced) listener()
    this.presence.comeBack()
    for (const bell of bells) this.#wake(bell)
    return connection
  }

  #watch(bell: Bell): void {
    this.#bells.watch(bell)
    if (this.#bells.deaf) this.#poll()
  }

  #tick(): void {
    try {
      this.#checkedMs = Number.NEGATIVE_INFINITY
      const connection = this.#current()
      this.#look(connection)
      this.#upkeep.idle(connection)
      this.#bells.check()
      this.presence.tick()
    } catch (error) {
      if (!isPassing(error)) this.#failed(storeError(error, this.path))
    }
  }

  #look(connection: SqliteConnection): void {
    const version = connection.dataVersion()
    if (version === this.#dataVersion) return
    this.#dataVersion = version
    this.#activeMs = this.clock.monotonic()
    for (const bell of bells) this.#wake(bell)
  }

  /** Where no bell can be heard: every 5 ms while there is something to do, then every 50. */
  #poll(): void {
    if (this.#polling !== undefined) return
    const again = (): void => {
      const quiet = this.clock.monotonic() - this.#activeMs > pollQuietAfterMs
      this.#polling = this.clock.timer(quiet ? quietPollMs : busyPollMs, () => {
        try {
          this.#look(this.#current())
        } catch (error) {
          if (!isPassing(error)) this.#failed(storeError(error, this.path))
        }
        if (this.#state !== 'closed') again()
      })
    }
    again()
  }

  // A commit of our own changes no data_version and rings no bell of ours, so our own listeners are told here.
  #committed(rung: ReadonlySet<Bell>, foreign: ReadonlySet<Bell>): void {
    for (const bell of rung) {
      if (foreign.has(bell)) this.#bells.ring(bell)
      this.#wake(bell)
    }
  }

  #wake(bell: Bell): void {
    for (const listener of [...(this.#wakes.get(bell) ?? [])]) listener()
  }

  #holders(): readonly string[] {
    try {
      return this.#connection ? likelyHolders(this.#connection, this.presence.context()) : []
    } catch {
      return []
    }
  }

  #failed(error: Error): void {
    if (error instanceof TqError && 'reason' in error && error.reason === 'full') return
    if (error instanceof ConnectionError || 'reason' in error) this.#setState('lost', error)
  }

  #setState(state: ConnectionState, cause?: Error): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    for (const listener of [...this.#states]) listener(state, cause)
  }
}

/** The newest number that an AUTOINCREMENT table has given. */
export function lastSequence(reader: Reader, table: 'result' | 'fanout'): number {
  return integer(reader.get('select seq from sqlite_sequence where name=?', table)?.['seq'])
}
