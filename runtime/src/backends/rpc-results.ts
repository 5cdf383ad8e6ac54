import type { Clock } from '../core/clock.ts'
import { isReady, standingRank, stateRank, type TaskMeta } from '../core/states.ts'

const defaultLimit = 100_000
/** Of one task that nobody has asked for yet. */
const unseenLimit = 1000

interface Entry {
  readonly meta: TaskMeta | undefined
  /** Changes that came before anybody watched, oldest first: the first watcher sees them all, as from Celery's reply queue. */
  readonly unseen: readonly TaskMeta[]
  readonly untilMs: number
}

/** What has arrived, and what is expected to: the results of one process. */
export class RpcResults {
  readonly #clock: Clock
  readonly #expiresMs: number
  readonly #limit: number
  // In the order of the last change.
  readonly #entries = new Map<string, Entry>()
  readonly #watchers = new Map<string, Set<(meta: TaskMeta) => void>>()
  readonly #closing = new AbortController()

  /** `expiresMs` 0 keeps until the limit is reached: then the oldest go first. */
  constructor(clock: Clock, expiresMs: number, limit = defaultLimit) {
    this.#clock = clock
    this.#limit = limit
    this.#expiresMs = expiresMs
  }

  expect(ids: readonly string[]): void {
    for (const id of ids) if (!this.#live(id)) this.#set(id, undefined, [])
  }

  /** A task that this process sent, or whose result came all the same. */
  isExpected(id: string): boolean {
    return this.#live(id) !== undefined
  }

  get(id: string): TaskMeta | undefined {
    return this.#live(id)?.meta
  }

  /** A state never goes back: see `stateRank`. */
  put(meta: TaskMeta): void {
    const known = this.#live(meta.id)
    const before = standingRank(known?.meta?.state ?? 'PENDING')
    if (before === 2 || before > stateRank(meta.state)) return
    const watchers = this.#watchers.get(meta.id)
    this.#set(meta.id, meta, watchers ? [] : [...(known?.unseen ?? []), meta].slice(-unseenLimit))
    for (const hear of watchers ?? []) hear(meta)
  }

  forget(id: string): void {
    this.#entries.delete(id)
  }

  async *watch(ids: readonly string[], signal: AbortSignal): AsyncGenerator<TaskMeta> {
    const waiting = new Set(ids)
    const changes: TaskMeta[] = []
    let wake = (): void => {}
    const ended = AbortSignal.any([signal, this.#closing.signal])
    const onEnd = (): void => wake()
    const hear = (meta: TaskMeta): void => {
      changes.push(meta)
      wake()
    }
    ended.addEventListener('abort', onEnd)
    for (const id of waiting) {
      this.#watchers.set(id, (this.#watchers.get(id) ?? new Set()).add(hear))
      changes.push(...this.#unseen(id))
    }
    const watched = [...waiting]
    try {
      while (waiting.size > 0 && !ended.aborted) {
        const meta = changes.shift()
        if (!meta) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        } else if (waiting.has(meta.id)) {
          if (isReady(meta.state)) waiting.delete(meta.id)
          yield meta
        }
      }
    } finally {
      ended.removeEventListener('abort', onEnd)
      for (const id of watched) {
        const left = this.#watchers.get(id)
        left?.delete(hear)
        if (left?.size === 0) this.#watchers.delete(id)
      }
    }
  }

  /** Ends every watch. */
  close(): void {
    this.#closing.abort()
  }

  /** What a new watcher is told first: the current state, after those that nobody has seen. */
  #unseen(id: string): readonly TaskMeta[] {
    const entry = this.#live(id)
    if (!entry?.meta) return []
    if (entry.unseen.length === 0) return [entry.meta]
    this.#entries.set(id, { ...entry, unseen: [] })
    return entry.unseen
  }

  #live(id: string): Entry | undefined {
    const entry = this.#entries.get(id)
    return entry && entry.untilMs > this.#clock.now() ? entry : undefined
  }

  #set(id: string, meta: TaskMeta | undefined, unseen: readonly TaskMeta[]): void {
    const untilMs = this.#expiresMs === 0 ? Infinity : this.#clock.now() + this.#expiresMs
    this.#entries.delete(id)
    this.#entries.set(id, { meta, unseen, untilMs })
    if (this.#entries.size <= this.#limit) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }
}
