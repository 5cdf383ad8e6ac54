import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteBackend } from '../../runtime/src/backends/sqlite.ts'
import { systemClock as clock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { openSqliteStore, type SqliteStore, type StoreOptions } from '../../runtime/src/drivers/sqlite-store.ts'
import { SqliteTransport } from '../../runtime/src/transports/sqlite.ts'

/** A database file in a folder of its own, with as many connections to it as a test opens. */
export class SqliteFixture {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'tq-sqlite-'))
  readonly path: string = join(this.folder, 'tq.db')
  readonly #stores: SqliteStore[] = []

  async store(options: Partial<StoreOptions> = {}): Promise<SqliteStore> {
    const store = await openSqliteStore(this.path, { clock, logger: silentLogger, ...options })
    this.#stores.push(store)
    return store
  }

  /** A transport on the store, connected. Each call without one opens a store, which stands for another process. */
  async transport(store?: SqliteStore): Promise<SqliteTransport> {
    const transport = new SqliteTransport(store ?? (await this.store()), { clock, logger: silentLogger })
    await transport.connect()
    return transport
  }

  async backend(store?: SqliteStore): Promise<SqliteBackend> {
    const backend = new SqliteBackend(store ?? (await this.store()), { clock, logger: silentLogger })
    await backend.connect()
    return backend
  }

  readonly cleanup = async (): Promise<void> => {
    for (const store of this.#stores) await store.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** By another process: one that opens and closes the file itself would drop the locks that SQLite holds on it in this one. */
export function copyOf(from: string, to: string): void {
  execFileSync('cp', [from, to])
}
