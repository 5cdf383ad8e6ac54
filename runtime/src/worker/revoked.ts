import type { Clock } from '../core/clock.ts'
import { listOf, revokedStamp, type Stamps } from '../core/stamps.ts'

export interface RevokedLimits {
  /** The newest so many are kept. */
  readonly most: number
  /** For so long. */
  readonly keptMs: number
}

/** An id and when it was revoked (epoch ms). */
export type RevokedEntry = readonly [id: string, atMs: number]

/**
 * Ids of revoked tasks, bounded by number and age. Ages count on the monotonic clock: one that is set back revokes nothing for longer.
 * Source of the bounds: celery/worker/state.py, REVOKES_MAX and REVOKE_EXPIRES.
 */
export class RevokedTasks {
  readonly #byId = new Map<string, number>()
  readonly #byStamp = new Map<string, readonly unknown[]>()
  readonly #clock: Clock
  readonly #limits: RevokedLimits
  /** Called after each change. */
  onChange: () => void = () => {}

  constructor(clock: Clock, limits: RevokedLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  add(ids: readonly string[]): void {
    const now = this.#clock.monotonic()
    for (const id of ids) this.#put(id, now)
    this.#trim(now)
    this.onChange()
  }

  /** What another worker has revoked, at a time that it does not tell: what is known already keeps its age. */
  learn(ids: readonly string[]): void {
    const fresh = ids.filter((id) => !this.has(id))
    if (fresh.length > 0) this.add(fresh)
  }

  has(id: string): boolean {
    if (this.#byId.size === 0) return false
    const at = this.#byId.get(id)
    return at !== undefined && this.#clock.monotonic() - at <= this.#limits.keptMs
  }

  /** From now on calls with one of these stamps are revoked, until the worker's state is lost. */
  addStamps(stamps: Stamps): void {
    let isNew = false
    for (const [name, value] of Object.entries(stamps)) {
      const known = this.#byStamp.get(name) ?? []
      const fresh = listOf(value).filter((one) => revokedStamp({ [name]: one }, this.#byStamp) === undefined)
      this.#byStamp.set(name, [...known, ...fresh])
      isNew ||= fresh.length > 0
    }
    if (isNew) this.onChange()
  }

  hasStamp(stamps: Stamps): boolean {
    return revokedStamp(stamps, this.#byStamp) !== undefined
  }

  /** The revoked values by stamp. */
  stamps(): Stamps {
    return Object.fromEntries(this.#byStamp)
  }

  ids(): readonly string[] {
    this.#trim(this.#clock.monotonic())
    return [...this.#byId.keys()]
  }

  /** With the times at which they were revoked, oldest first. */
  entries(): readonly RevokedEntry[] {
    const now = this.#clock.monotonic()
    const offsetMs = this.#clock.now() - now
    this.#trim(now)
    return [...this.#byId].map(([id, at]) => [id, at + offsetMs])
  }

  /** Adds what an earlier life or another worker revoked, when it did. A time in the future counts as now. */
  restore(entries: readonly RevokedEntry[]): void {
    const now = this.#clock.monotonic()
    const nowMs = this.#clock.now()
    const known = [...this.#byId]
    this.#byId.clear()
    const found = entries.map(([id, atMs]) => [id, now - Math.max(0, nowMs - atMs)] as const)
    for (const [id, at] of [...found, ...known].sort(([, a], [, b]) => a - b)) this.#put(id, at)
    this.#trim(now)
    if (entries.length > 0) this.onChange()
  }

  #put(id: string, at: number): void {
    this.#byId.delete(id) // so that the map stays in the order of revoking
    this.#byId.set(id, at)
  }

  #trim(now: number): void {
    const { most, keptMs } = this.#limits
    for (const [id, at] of this.#byId) {
      if (this.#byId.size <= most && now - at <= keptMs) break
      this.#byId.delete(id)
    }
  }
}
