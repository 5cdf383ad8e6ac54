import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Clock, Timer } from '../core/clock.ts'
import { isTqError, SettingError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { Stamps } from '../core/stamps.ts'
import type { LamportClock } from '../events/lamport.ts'
import { isRecord } from '../wire/fields.ts'
import type { RevokedEntry, RevokedTasks } from './revoked.ts'

export interface StateDbDeps {
  readonly file: string
  readonly revoked: RevokedTasks
  readonly lamport: LamportClock
  readonly clock: Clock
  readonly logger: Logger
}

/** What the file holds. */
interface Saved {
  readonly version: 1
  readonly clock: number
  /** Oldest first. */
  readonly revoked: readonly RevokedEntry[]
  readonly stamps: Stamps
}

const settleMs = 1000

/**
 * Keeps the revoked ids and the logical clock of a worker in a file (`--statedb`), so that a restart forgets neither. Written within a
 * second after a change and when the worker stops, always as a whole: a crash leaves the old file or the new one. Workers that share a
 * file take over what the other has written meanwhile.
 * Source: celery/worker/state.py, Persistent, whose file is a pickle and is written at the end only.
 */
export class StateDb {
  readonly #deps: StateDbDeps
  readonly #file: string
  /** Which file this worker has written last. */
  #written = ''
  #timer: Timer | undefined

  constructor(deps: StateDbDeps) {
    this.#deps = deps
    this.#file = resolve(deps.file)
  }

  /** Takes over what the file holds. Throws SettingError where it cannot be read or written. A damaged one is set aside. */
  open(): void {
    const { revoked, clock } = this.#deps
    // Here, not at the first revoke, whoever starts the worker can mend it.
    this.#write()
    revoked.onChange = () => {
      this.#timer ??= clock.timer(settleMs, () => this.#save())
    }
  }

  /** Saves and lets go of the file. */
  close(): void {
    this.#deps.revoked.onChange = () => {}
    this.#timer?.cancel()
    this.#save()
  }

  #save(): void {
    try {
      this.#write()
    } catch (error) {
      if (!isTqError(error)) throw error
      this.#deps.logger.error(`${error.message} Revoked tasks are forgotten when this worker ends.`)
    }
  }

  #takeOver(): void {
    const { revoked, lamport } = this.#deps
    const saved = this.#read()
    if (!saved) return
    revoked.restore(saved.revoked)
    revoked.addStamps(saved.stamps)
    lamport.adjust(saved.clock)
  }

  #read(): Saved | undefined {
    let text: string
    try {
      if (identityOf(this.#file) === this.#written) return undefined
      text = readFileSync(this.#file, 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw this.#unusable('read', error)
    }
    const saved = savedIn(text)
    if (saved) return saved
    const aside = `${this.#file}.damaged`
    try {
      renameSync(this.#file, aside)
    } catch (error) {
      throw this.#unusable('read', error)
    }
    this.#deps.logger.error(
      `The state of an earlier worker in ${this.#file} cannot be read and was moved to ${aside}; what it had revoked may run.`,
    )
    return undefined
  }

  #write(): void {
    const { revoked, lamport } = this.#deps
    this.#takeOver()
    this.#timer?.cancel() // what was taken over is written now
    this.#timer = undefined
    const saved: Saved = {
      version: 1,
      clock: lamport.value,
      revoked: revoked.entries(),
      stamps: revoked.stamps(),
    }
    // In two containers the pid may be the same.
    const fresh = `${this.#file}.${randomId()}`
    try {
      mkdirSync(dirname(this.#file), { recursive: true })
      writeFileSync(fresh, JSON.stringify(saved), { mode: 0o600 })
      this.#written = identityOf(fresh)
      renameSync(fresh, this.#file)
    } catch (error) {
      rmSync(fresh, { force: true })
      throw this.#unusable('write', error)
    }
  }

  #unusable(act: string, cause: unknown): SettingError {
    const why = cause instanceof Error ? cause.message : String(cause)
    return new SettingError(`Could not ${act} the worker's state (--statedb) in ${this.#file}: ${why}`, { cause })
  }
}

function savedIn(text: string): Saved | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (!isRecord(value)) return undefined
    const { revoked, clock, stamps } = value
    if (!Array.isArray(revoked) || typeof clock !== 'number') return undefined
    return { version: 1, clock, revoked: revoked.filter(isEntry), stamps: isRecord(stamps) ? stamps : {} }
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is RevokedEntry {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number'
}

/** A file of the same name that somebody else has put there is another one. */
function identityOf(file: string): string {
  const { ino, mtimeNs } = statSync(file, { bigint: true })
  return `${ino} ${mtimeNs}`
}
