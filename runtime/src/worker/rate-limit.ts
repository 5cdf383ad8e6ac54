import type { SharedRateLimit } from '../app/shared-rate.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { tasksPerSecond } from '../core/rate.ts'
import type { Execution } from '../run/execution.ts'
import { SharedRates, type SharedRatesDeps } from './shared-rates.ts'

interface Bucket {
  readonly perSecond: number
  readonly waiting: Execution[]
  /** Monotonic ms of the moment from which the next one may start. */
  nextMs: number
  timer: Timer | undefined
}

/**
 * Lets the tasks of each name start at its own pace, in this worker: a token bucket of one token. Those that are too early wait here,
 * in their order. Limits that all workers share are `SharedRates`. Source: celery/worker/consumer/consumer.py, _limit_task, and kombu's TokenBucket.
 */
export class RateLimits {
  readonly #clock: Clock
  readonly #onReady: (execution: Execution) => void
  readonly #buckets = new Map<string, Bucket>()
  readonly #shared: SharedRates

  constructor(deps: SharedRatesDeps, onReady: (execution: Execution) => void) {
    this.#clock = deps.clock
    this.#onReady = onReady
    this.#shared = new SharedRates(deps, onReady)
  }

  /** True when a limit is shared: then the worker cannot do without a key store. */
  get areShared(): boolean {
    return this.#shared.isUsed
  }

  /** The limit of a task's definition. Throws SettingError for what is no rate. */
  limit(task: string, limit: string | number | SharedRateLimit | undefined): void {
    if (typeof limit === 'object') this.#shared.set(task, limit, tasksPerSecond(limit.rate))
    else this.set(task, tasksPerSecond(limit))
  }

  /** What waits under an old rate goes on under the new one. A limit that is shared stays so. */
  set(task: string, perSecond: number | undefined): void {
    if (this.#shared.has(task)) return this.#shared.change(task, perSecond)
    const old = this.#buckets.get(task)
    old?.timer?.cancel()
    this.#buckets.delete(task)
    if (perSecond !== undefined) {
      const bucket: Bucket = { perSecond, waiting: old?.waiting ?? [], nextMs: 0, timer: undefined }
      this.#buckets.set(task, bucket)
      this.#serve(bucket)
    } else for (const execution of old?.waiting ?? []) this.#onReady(execution)
  }

  /** Whether it may start now; else it waits here and is told when it may. */
  admit(execution: Execution): boolean {
    const bucket = this.#buckets.get(execution.message.task)
    if (!bucket) return this.#shared.admit(execution)
    if (bucket.waiting.length === 0 && this.#take(bucket)) return true
    bucket.waiting.push(execution)
    this.#serve(bucket)
    return false
  }

  waiting(): readonly Execution[] {
    return [...[...this.#buckets.values()].flatMap((bucket) => bucket.waiting), ...this.#shared.waiting()]
  }

  /** Forgets what waits; the deliveries stay held and go back when the subscription closes. */
  clear(): void {
    this.#shared.clear()
    for (const bucket of this.#buckets.values()) {
      bucket.timer?.cancel()
      bucket.waiting.length = 0
    }
  }

  #take(bucket: Bucket): boolean {
    const nowMs = this.#clock.monotonic()
    if (nowMs < bucket.nextMs) return false
    bucket.nextMs = nowMs + 1000 / bucket.perSecond
    return true
  }

  #serve(bucket: Bucket): void {
    bucket.timer?.cancel()
    bucket.timer = undefined
    while (bucket.waiting[0] && this.#take(bucket)) {
      const next = bucket.waiting.shift()
      if (next) this.#onReady(next)
    }
    if (bucket.waiting.length > 0) {
      bucket.timer = this.#clock.timer(bucket.nextMs - this.#clock.monotonic(), () => this.#serve(bucket))
    }
  }
}
