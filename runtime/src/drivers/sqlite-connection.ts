import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { StoreError } from '../core/errors.ts'
import { newerError } from './sqlite-errors.ts'
import { applicationId, schema, schemaVersion, upgrades } from './sqlite-schema.ts'

export type Row = Readonly<Record<string, SQLOutputValue>>
export type Cell = SQLOutputValue | undefined

/**
 * Reading; SQL texts are constants, each is prepared once per connection. Write `limit +?`: SQLite plans a statement anew
 * whenever a bare parameter of LIMIT is bound, which costs more than most statements do.
 */
export interface Reader {
  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined
  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[]
}

export interface ConnectionOptions {
  readonly sync: 'normal' | 'full'
  readonly maxBytes: number | undefined
}

/** How long SQLite may block the thread while it opens; afterwards it never waits. */
const openTimeoutMs = 500
/** SQLite's default, which every file of tq has. */
export const pageBytes = 4096

/** One open database: pragmas, schema, prepared statements. Errors are SQLite's own. */
export class SqliteConnection implements Reader {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #path: string

  constructor(path: string, options: ConnectionOptions) {
    this.#path = path
    // Recovery and the last close of another process make an opener wait: without a timeout one open in five fails.
    this.#db = new DatabaseSync(path, { timeout: openTimeoutMs })
    try {
      this.#migrate()
      this.#db.exec(`pragma synchronous=${options.sync}; pragma wal_autocheckpoint=2000; pragma journal_size_limit=67108864;
        pragma cache_size=-8000; pragma temp_store=memory`)
      if (options.sync === 'full') this.#db.exec('pragma fullfsync=on')
      if (options.maxBytes !== undefined) {
        this.#db.exec(`pragma max_page_count=${Math.max(1, Math.floor(options.maxBytes / pageBytes))}`)
      }
      this.#db.exec('pragma busy_timeout=0')
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values)
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#statement(sql).all(...values)
  }

  /** Returns the number of rows it changed. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  /** Returns the rowid of the new row. */
  insert(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid)
  }

  /** Changes with each commit of another connection, never with one of this. */
  dataVersion(): number {
    return integer(this.get('pragma data_version')?.['data_version'])
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #pragma(name: string): number {
    return integer(this.#db.prepare(`pragma ${name}`).get()?.[name])
  }

  #migrate(): void {
    // In a transaction, since another process may be making the tables between two of its reads.
    if (this.#inTransaction('begin', () => this.#isCurrent())) return
    this.#db.exec('pragma journal_mode=wal; pragma auto_vacuum=none')
    this.#inTransaction('begin immediate', () => {
      // Another process may have been faster.
      if (this.#isCurrent()) return
      const version = this.#pragma('user_version')
      if (version === 0) this.#db.exec(schema)
      for (const upgrade of upgrades.slice(Math.max(0, version - 1))) this.#db.exec(upgrade)
      this.#db.exec(`pragma application_id=${applicationId}; pragma user_version=${schemaVersion}`)
    })
  }

  #inTransaction<T>(begin: 'begin' | 'begin immediate', run: () => T): T {
    this.#db.exec(begin)
    try {
      const value = run()
      this.#db.exec('commit')
      return value
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw error
    }
  }

  /** False for an empty file, which is ours to fill, and for one of an older tq. */
  #isCurrent(): boolean {
    const application = this.#pragma('application_id')
    const version = this.#pragma('user_version')
    if (application === applicationId) {
      if (version <= schemaVersion) return version === schemaVersion
      throw newerError(this.#path, version)
    }
    if (
      application === 0 &&
      version === 0 &&
      this.#db.prepare('select 1 from sqlite_master limit 1').get() === undefined
    ) {
      return false
    }
    throw new StoreError(
      'foreign',
      `${this.#path} is a database of another program. Set TQ_DB to a path that only tq uses.`,
    )
  }
}

export function integer(value: Cell): number {
  return typeof value === 'number' ? value : Number(value ?? 0)
}

export function text(value: Cell): string {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
    : String(value ?? '')
}
