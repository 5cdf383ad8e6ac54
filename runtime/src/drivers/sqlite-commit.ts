import type { SQLInputValue } from 'node:sqlite'
import type { Clock } from '../core/clock.ts'
import { ConnectionError } from '../core/errors.ts'
import { deferred } from '../core/lifecycle.ts'
import { integer, pageBytes, type Reader, type Row, type SqliteConnection } from './sqlite-connection.ts'
import { isFileFault, isFull, isPassing, isSchemaFault, newerError, quotaError, storeError } from './sqlite-errors.ts'
import { freeBytes } from './sqlite-file.ts'
import { schemaVersion } from './sqlite-schema.ts'

/** What sleepers are woken for: messages, results, events and remote control. */
export type Bell = 'queue' | 'result' | 'event'

/** One transaction as an operation sees it. Operations are synchronous, and may be run again after a rollback. */
export interface Transaction extends Reader {
  /** Returns the number of rows it changed. */
  run(sql: string, ...values: readonly SQLInputValue[]): number
  /** Returns the rowid of the new row. */
  insert(sql: string, ...values: readonly SQLInputValue[]): number
  /** Rings after the commit, however often it is asked for. */
  ring(bell: Bell): void
}

export type Operation<T> = (tx: Transaction) => T

export interface CommitHost {
  readonly clock: Clock
  readonly path: string
  readonly connectTimeoutMs: number
  /** The open connection; may replace one whose file is gone. Throws StoreError or ConnectionError. */
  connection(): SqliteConnection
  /** After each commit that asked for bells; `foreign` are those that another process wants to hear. */
  committed(bells: ReadonlySet<Bell>, foreign: ReadonlySet<Bell>): void
  /** Bells that some other process listens to; asked inside the transaction. */
  wanted(tx: Reader): ReadonlySet<Bell>
  /** The lock was not to be had for `connectTimeoutMs`; gives the error for those who waited. */
  lockedOut(): Error
  /** After each BEGIN that succeeded. */
  began(): void
  failed(error: Error): void
}

interface Pending {
  readonly run: Operation<unknown>
  readonly size: number
  readonly atMs: number
  resolve(value: unknown): void
  reject(error: unknown): void
}

const most = { operations: 200, bytes: 1_000_000, ms: 4 }
const slowestRetryMs = 50
/** SQLite's own limit in its older releases, and far beyond any quota. */
const unlimitedPages = 1_073_741_823
const none: ReadonlySet<Bell> = new Set()

/**
 * Group commit: what is submitted within one turn of the event loop is one transaction, a transaction never spans a turn, and
 * a promise resolves only after its commit. A lock held by another process is waited for asynchronously: SQLite's own waiting
 * would block the loop for up to 100 ms at a time.
 */
export class GroupCommit {
  readonly #host: CommitHost
  #pending: Pending[] = []
  /** Run at the end of their transaction: claims, which take the room that its settlements made. */
  #last: Pending[] = []
  #scheduled = false
  #attempts = 0
  #idle: (() => void)[] = []
  #bells = new Set<Bell>()
  #rollbacks = 0

  constructor(host: CommitHost) {
    this.#host = host
  }

  /** Grows with each rollback: what was read inside a transaction and kept must be forgotten. */
  get rollbacks(): number {
    return this.#rollbacks
  }

  /** `size` in bytes, of operations that write much. */
  submit<T>(run: Operation<T>, options: { readonly size?: number; readonly last?: boolean } = {}): Promise<T> {
    const { promise, resolve, reject } = deferred<T>()
    const pending: Pending = {
      run,
      size: options.size ?? 0,
      atMs: this.#host.clock.monotonic(),
      // The value is what `run` returned.
      resolve: (value) => resolve(value as T),
      reject,
    }
    if (options.last === true) this.#last.push(pending)
    else this.#pending.push(pending)
    this.#schedule()
    return promise
  }

  /** Resolves when everything submitted so far has been committed or rejected. */
  idle(): Promise<void> {
    if (!this.#scheduled) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // Not nextTick: all the callbacks of this turn's I/O are to be gathered.
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    try {
      const connection = this.#begin()
      if (connection !== undefined) this.#commit(connection)
    } catch (error) {
      const all = [...this.#pending, ...this.#last]
      this.#pending = []
      this.#last = []
      this.#rejectAll(all, error)
    }
    this.#continue()
  }

  #continue(): void {
    if (this.#pending.length === 0 && this.#last.length === 0) {
      this.#scheduled = false
      const waiting = this.#idle
      this.#idle = []
      for (const resolve of waiting) resolve()
      return
    }
    if (this.#attempts === 0) {
      setImmediate(() => this.#flush())
      return
    }
    const delayMs = 1 + Math.random() * Math.min(slowestRetryMs, 2 ** this.#attempts)
    // Callers wait for these operations, so the retry keeps the process alive.
    this.#host.clock.timer(delayMs, () => this.#flush(), { ref: true })
  }

  #commit(connection: SqliteConnection): void {
    const startMs = this.#host.clock.monotonic()
    const tx = this.#transaction(connection)
    const done: Pending[] = []
    const values: unknown[] = []
    let foreign = none
    let bytes = 0
    try {
      for (const pending of this.#pending) {
        done.push(pending)
        values.push(pending.run(tx))
        bytes += pending.size
        if (done.length >= most.operations || bytes >= most.bytes) break
        if ((done.length & 15) === 0 && this.#host.clock.monotonic() - startMs > most.ms) break
      }
      this.#pending = this.#pending.length === done.length ? [] : this.#pending.slice(done.length)
      for (const pending of this.#last) {
        done.push(pending)
        values.push(pending.run(tx))
      }
      this.#last = []
      if (this.#bells.size > 0) foreign = this.#host.wanted(tx)
      connection.run('commit')
    } catch (error) {
      this.#rollback(connection)
      this.#pending = this.#pending.filter((pending) => !done.includes(pending))
      this.#last = this.#last.filter((pending) => !done.includes(pending))
      this.#failed(connection, done, error)
      return
    }
    this.#succeeded(foreign)
    for (const [index, pending] of done.entries()) pending.resolve(values[index])
  }

  #failed(connection: SqliteConnection, done: readonly Pending[], error: unknown): void {
    // A full disk refuses everything alike. A full quota does not: acknowledgements and claims need no new page.
    if (isFileFault(error) || (isFull(error) && !atQuota(connection, this.#host.path))) this.#rejectAll(done, error)
    else this.#commitEach(connection, done)
  }

  /** After one operation failed: each in a transaction of its own, so that only the one at fault is rejected. */
  #commitEach(connection: SqliteConnection, operations: readonly Pending[]): void {
    for (const [index, pending] of operations.entries()) {
      try {
        connection.run('begin immediate')
        const value = pending.run(this.#transaction(connection))
        const foreign = this.#bells.size > 0 ? this.#host.wanted(connection) : none
        connection.run('commit')
        this.#succeeded(foreign)
        pending.resolve(value)
      } catch (error) {
        this.#rollback(connection)
        if (isPassing(error)) {
          this.#pending = [...operations.slice(index), ...this.#pending]
          this.#attempts = 1
          return
        }
        pending.reject(this.#errorOf(connection, error))
      }
    }
  }

  #errorOf(connection: SqliteConnection, error: unknown): Error {
    const { path } = this.#host
    if (isFull(error) && atQuota(connection, path)) return quotaError(path, quotaPages(connection) * pageBytes, error)
    if (isSchemaFault(error)) {
      // A table that is not as we know it: changed by a newer tq under our feet.
      const version = integer(connection.get('pragma user_version')?.['user_version'])
      if (version > schemaVersion) return newerError(path, version, error)
    }
    return storeError(error, path)
  }

  /** Undefined when another process has the lock. */
  #begin(): SqliteConnection | undefined {
    try {
      const connection = this.#host.connection()
      connection.run('begin immediate')
      this.#attempts = 0
      this.#host.began()
      return connection
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#attempts++
      this.#rejectLate()
      return undefined
    }
  }

  #rejectLate(): void {
    const lateMs = this.#host.clock.monotonic() - this.#host.connectTimeoutMs
    const isLate = (pending: Pending): boolean => pending.atMs <= lateMs
    const gaveUp = [...this.#pending, ...this.#last].filter(isLate)
    if (gaveUp.length === 0) return
    this.#pending = this.#pending.filter((pending) => !isLate(pending))
    this.#last = this.#last.filter((pending) => !isLate(pending))
    this.#rejectAll(gaveUp, this.#host.lockedOut())
  }

  #transaction(connection: SqliteConnection): Transaction {
    this.#bells = new Set()
    const bells = this.#bells
    return {
      get: (sql, ...values): Row | undefined => connection.get(sql, ...values),
      all: (sql, ...values): readonly Row[] => connection.all(sql, ...values),
      run: (sql, ...values): number => connection.run(sql, ...values),
      insert: (sql, ...values): number => connection.insert(sql, ...values),
      ring: (bell): void => {
        bells.add(bell)
      },
    }
  }

  #succeeded(foreign: ReadonlySet<Bell>): void {
    if (this.#bells.size > 0) this.#host.committed(this.#bells, foreign)
  }

  #rollback(connection: SqliteConnection): void {
    this.#rollbacks++
    try {
      // SQLite has rolled back by itself after some errors, FULL and IOERR among them.
      if (connection.inTransaction) connection.run('rollback')
    } catch {
      // Without a transaction there is nothing left to undo.
    }
  }

  #rejectAll(operations: readonly Pending[], cause: unknown): void {
    const error = storeError(cause, this.#host.path)
    for (const pending of operations) pending.reject(error)
    this.#host.failed(error)
  }
}

/** What an operation is rejected with after `close`. */
export function closedError(path: string): ConnectionError {
  return new ConnectionError(
    `The connection to ${path} is closed. Call connect() again, or do not use it after close().`,
  )
}

/**
 * Whether it is the limit of the file that refuses, and not its disk. The failed transaction is rolled back, so the file is as small as
 * before it; but where the disk has room for all that the limit leaves, it was not the disk.
 */
function atQuota(connection: SqliteConnection, path: string): boolean {
  const limit = quotaPages(connection)
  if (limit >= unlimitedPages) return false
  const left = limit - integer(connection.get('pragma page_count')?.['page_count'])
  // What is written stands in the log and in the file.
  return left <= 1 || freeBytes(path) > 2 * left * pageBytes
}

function quotaPages(connection: SqliteConnection): number {
  return integer(connection.get('pragma max_page_count')?.['max_page_count'])
}
