import type { Clock } from '../core/clock.ts'
import { deferred } from '../core/lifecycle.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Pool, PoolJob, PoolRun, RunTask } from './pool.ts'

interface Running {
  readonly job: PoolJob
  readonly controller: AbortController
}

export interface AsyncPoolDeps {
  readonly capacity: number
  readonly runTask: RunTask
  readonly clock: Clock
  /** `solo` is this pool with one slot. Default `async`. */
  readonly name?: 'async' | 'solo' | undefined
  /** Reason of the abort that ends a run by a signal. */
  readonly terminated: (signal: NodeJS.Signals) => Error
  /** Reason of the abort at the hard time limit. */
  readonly expired: (seconds: number) => Error
}

/**
 * Runs tasks on the event loop of this process, up to `capacity` of them at once. The default pool. Nothing can end a function that
 * does not listen to its signal: a run is over when it has ended, not before.
 */
export class AsyncPool implements Pool {
  readonly name: string
  readonly pids = [process.pid]
  readonly runsElsewhere = false
  #capacity: number
  readonly #deps: AsyncPoolDeps
  readonly #running = new Set<Running>()
  #idle = deferred<void>()
  #isStopped = false

  constructor(deps: AsyncPoolDeps) {
    this.#deps = deps
    this.name = deps.name ?? 'async'
    this.#capacity = deps.capacity
  }

  get capacity(): number {
    return this.#capacity
  }

  get busy(): number {
    return this.#running.size
  }

  async start(): Promise<void> {}

  run(job: PoolJob): PoolRun {
    const running: Running = { job, controller: new AbortController() }
    if (this.#running.size === 0) this.#idle = deferred()
    this.#running.add(running)
    const { clock, terminated, expired } = this.#deps
    if (this.#isStopped) running.controller.abort(terminated('SIGTERM'))
    return {
      get accepted() {
        return Promise.resolve({ pid: process.pid, atMs: clock.now() })
      },
      outcome: this.#outcome(running),
      terminate: (signal) => running.controller.abort(terminated(signal)),
      expire: (seconds) => running.controller.abort(expired(seconds)),
    }
  }

  async #outcome(running: Running): Promise<Outcome> {
    try {
      return await this.#deps.runTask(running.job, running.controller.signal)
    } finally {
      this.#running.delete(running)
      if (this.#running.size === 0) this.#idle.resolve()
    }
  }

  async grow(by: number): Promise<void> {
    this.#capacity += by
  }

  /** What runs goes on; fewer are started after it. At least one stays. */
  async shrink(by: number): Promise<void> {
    this.#capacity = Math.max(1, this.#capacity - by)
  }

  /** The code is in this process, which loads it once. */
  async restart(): Promise<void> {}

  async stop(mode: 'drain' | 'kill', deadlineMs: number): Promise<readonly PoolJob[]> {
    const { clock, terminated } = this.#deps
    if (mode === 'drain' && this.#running.size > 0) {
      const late = deferred<void>()
      const timer = Number.isFinite(deadlineMs)
        ? clock.timer(deadlineMs - clock.monotonic(), () => late.resolve(), { ref: true })
        : undefined
      await Promise.race([this.#idle.promise, late.promise])
      timer?.cancel()
    }
    this.#isStopped = true
    const unfinished = [...this.#running]
    for (const { controller } of unfinished) controller.abort(terminated('SIGTERM'))
    return unfinished.map(({ job }) => job)
  }
}
