import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from 'node:fs'
import type { Logger } from '../core/logger.ts'
import type { Bell } from './sqlite-commit.ts'
import { fileIdentity } from './sqlite-file.ts'

const suffixes: Readonly<Record<Bell, string>> = { queue: '-q', result: '-r', event: '-e' }
const mark = Buffer.from('!')

/**
 * Wakes the other processes of a database: a ringer writes one byte into a bell file after its commit, sleepers watch the file.
 * The -wal file is no substitute: it changes before the commit is visible, so that a woken reader finds nothing.
 */
export class Bells {
  readonly #path: string
  readonly #logger: Logger
  readonly #onRing: (bell: Bell) => void
  readonly #ringers = new Map<Bell, number>()
  readonly #watched = new Map<Bell, { readonly watcher: FSWatcher; readonly identity: string | undefined }>()
  #deaf = process.platform === 'win32'
  #complained = false

  constructor(path: string, logger: Logger, onRing: (bell: Bell) => void) {
    this.#path = path
    this.#logger = logger
    this.#onRing = onRing
  }

  /** Files cannot be watched here, so the sleeper has to look by itself. */
  get deaf(): boolean {
    return this.#deaf
  }

  ring(bell: Bell): void {
    try {
      let file = this.#ringers.get(bell)
      if (file === undefined) {
        file = this.#open(bell)
        this.#ringers.set(bell, file)
      }
      // At offset 0 each time: in append mode the file would grow.
      writeSync(file, mark, 0, 1, 0)
    } catch (error) {
      if (this.#complained) return
      this.#complained = true
      this.#logger.warn(
        `Could not ring ${this.#path}${suffixes[bell]}; other processes notice changes up to 500 ms late.`,
        {
          error,
        },
      )
    }
  }

  watch(bell: Bell): void {
    if (this.#deaf || this.#watched.has(bell)) return
    try {
      closeSync(this.#open(bell))
      const watcher = watch(this.#path + suffixes[bell], { persistent: false }, () => this.#onRing(bell))
      watcher.on('error', (error) => this.#goDeaf(error))
      this.#watched.set(bell, { watcher, identity: fileIdentity(this.#path + suffixes[bell]) })
    } catch (error) {
      this.#goDeaf(error)
    }
  }

  unwatch(bell: Bell): void {
    this.#watched.get(bell)?.watcher.close()
    this.#watched.delete(bell)
  }

  /** Finds bells that were deleted and made anew by a process that started later. */
  check(): void {
    for (const [bell, { identity }] of [...this.#watched]) {
      if (fileIdentity(this.#path + suffixes[bell]) === identity) continue
      this.#forgetRinger(bell)
      this.unwatch(bell)
      this.watch(bell)
    }
  }

  close(): void {
    for (const bell of [...this.#watched.keys()]) this.unwatch(bell)
    for (const bell of [...this.#ringers.keys()]) this.#forgetRinger(bell)
  }

  #open(bell: Bell): number {
    return openSync(this.#path + suffixes[bell], constants.O_RDWR | constants.O_CREAT, 0o600)
  }

  #forgetRinger(bell: Bell): void {
    const file = this.#ringers.get(bell)
    if (file !== undefined) closeSync(file)
    this.#ringers.delete(bell)
  }

  #goDeaf(error: unknown): void {
    if (this.#deaf) return
    this.#deaf = true
    for (const bell of [...this.#watched.keys()]) this.unwatch(bell)
    this.#logger.warn(
      `Cannot watch files beside ${this.#path}; the database is polled every 5 to 50 ms instead. On Linux, raise fs.inotify.max_user_instances.`,
      { error },
    )
  }
}
