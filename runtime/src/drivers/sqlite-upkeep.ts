import { close, fdatasync, open } from 'node:fs'
import type { Clock, Timer } from '../core/clock.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { isPassing } from './sqlite-errors.ts'

/** Fewer transactions than this are not worth the sync that a checkpoint costs: a heartbeat must not wake the disk. */
const worthCheckpoint = 100
const idleMs = 200

export interface UpkeepOptions {
  readonly clock: Clock
  readonly path: string
  /** How long a commit may stand in the kernel's memory alone; undefined leaves it to the kernel. */
  readonly syncMs: number | undefined
}

/**
 * What the file needs beside its transactions: its log on the disk soon after a commit, by a thread of libuv's pool, and a checkpoint
 * while nothing else is to be done, so that the next burst need not stop for one.
 */
export class Upkeep {
  readonly #options: UpkeepOptions
  #syncing: Timer | undefined
  #synced: Promise<void> = Promise.resolve()
  #uncheckpointed = 0
  #writtenMs = 0

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  /** After each transaction that may have written. */
  wrote(): void {
    this.#uncheckpointed++
    this.#writtenMs = this.#options.clock.monotonic()
    const { syncMs } = this.#options
    if (syncMs === undefined) return
    this.#syncing ??= this.#options.clock.timer(syncMs, () => {
      this.#syncing = undefined
      this.#synced = syncFile(`${this.#options.path}-wal`)
    })
  }

  /** Now and then; true when it made a checkpoint. A passive one waits for nobody and stops nobody. */
  idle(connection: SqliteConnection): boolean {
    if (this.#uncheckpointed < worthCheckpoint) return false
    if (this.#options.clock.monotonic() - this.#writtenMs < idleMs) return false
    try {
      connection.get('pragma wal_checkpoint(passive)')
    } catch (error) {
      if (!isPassing(error)) throw error
    }
    this.#uncheckpointed = 0
    return true
  }

  /** Resolves when no sync is under way any more. */
  async close(): Promise<void> {
    this.#syncing?.cancel()
    this.#syncing = undefined
    await this.#synced
  }
}

/**
 * SQLite holds no lock on the log, so a descriptor of it may be opened and closed; of the database itself it must never be, since that
 * drops the locks of this process. A log that is gone was checkpointed by whoever closed last, or deleted, which others notice.
 */
function syncFile(path: string): Promise<void> {
  return new Promise((resolve) => {
    open(path, 'r+', (failed, file) => {
      if (failed) return resolve()
      fdatasync(file, () => close(file, () => resolve()))
    })
  })
}
