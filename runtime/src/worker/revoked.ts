import type { Clock } from '../core/clock.ts'

/** Source: celery/worker/state.py, CELERY_WORKER_REVOKES_MAX and CELERY_WORKER_REVOKE_EXPIRES. */
const mostRevoked = 50_000
const keptMs = 10_800_000

/** Ids of revoked tasks: the newest 50,000 of the last three hours. */
export class RevokedTasks {
  readonly #byId = new Map<string, number>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(ids: readonly string[]): void {
    const now = this.#clock.monotonic()
    for (const id of ids) {
      this.#byId.delete(id) // so that the map stays in the order of revoking
      this.#byId.set(id, now)
    }
    for (const [id, at] of this.#byId) {
      if (this.#byId.size <= mostRevoked && now - at <= keptMs) break
      this.#byId.delete(id)
    }
  }

  has(id: string): boolean {
    if (this.#byId.size === 0) return false
    const at = this.#byId.get(id)
    return at !== undefined && this.#clock.monotonic() - at <= keptMs
  }

  ids(): readonly string[] {
    return [...this.#byId.keys()]
  }
}
