import { type SharedRateLimit, turnKeyOf } from '../app/shared-rate.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Execution } from '../run/execution.ts'
import type { KeyStore } from '../transports/key-store.ts'

export interface SharedRatesDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly keys: () => Promise<KeyStore>
  /** Back to the broker until then (epoch ms). */
  readonly park: (execution: Execution, untilMs: number) => void
}

/** Those that wait here for the turns of one key. */
interface Line {
  readonly key: string
  readonly waiting: Execution[]
  isServed: boolean
  /** Epoch ms of the turn that the last parked one may hope for. */
  parkedUntilMs: number
}

interface Limit {
  readonly shared: SharedRateLimit
  readonly intervalMs: number | undefined
}

/** What has to wait longer than this is parked, and comes back somewhat before its turn: it may have to queue again. */
const longestWaitMs = 1000
const earlyMs = 300
const mostIdleLines = 1000

/**
 * Lets tasks start at a pace that all workers keep together: each start takes a turn at the key store. What waits for a turn that is
 * near waits here, in order; the rest goes back to the broker, so that it takes no place from tasks that may run.
 */
export class SharedRates {
  readonly #deps: SharedRatesDeps
  readonly #onReady: (execution: Execution) => void
  readonly #limits = new Map<string, Limit>()
  readonly #lines = new Map<string, Line>()
  readonly #closing = new AbortController()

  constructor(deps: SharedRatesDeps, onReady: (execution: Execution) => void) {
    this.#deps = deps
    this.#onReady = onReady
  }

  /** True when there is a limit that needs the key store. */
  get isUsed(): boolean {
    return this.#limits.size > 0
  }

  has(task: string): boolean {
    return this.#limits.has(task)
  }

  set(task: string, shared: SharedRateLimit, perSecond: number | undefined): void {
    this.#limits.set(task, { shared, intervalMs: perSecond === undefined ? undefined : 1000 / perSecond })
  }

  /** Another pace for the same keys; undefined lets all go. */
  change(task: string, perSecond: number | undefined): void {
    const limit = this.#limits.get(task)
    if (limit) this.set(task, limit.shared, perSecond)
  }

  /** Whether it may start now; else it waits here or in the broker. */
  admit(execution: Execution): boolean {
    const key = this.#keyOf(execution)
    if (key === undefined) return true
    const line = this.#lineOf(key)
    const { intervalMs = 0 } = this.#limits.get(execution.message.task) ?? {}
    if (line.waiting.length > 0 && line.waiting.length * intervalMs > longestWaitMs) {
      this.#park(line, execution, intervalMs, line.waiting.length * intervalMs)
      return false
    }
    line.waiting.push(execution)
    void this.#serve(line)
    return false
  }

  waiting(): readonly Execution[] {
    return [...this.#lines.values()].flatMap((line) => line.waiting)
  }

  /** Forgets what waits; the deliveries stay held and go back when the subscription closes. */
  clear(): void {
    this.#closing.abort()
    for (const line of this.#lines.values()) line.waiting.length = 0
  }

  #keyOf({ message, task }: Execution): string | undefined {
    const limit = this.#limits.get(message.task)
    if (limit?.intervalMs === undefined) return undefined
    try {
      return turnKeyOf(message.task, limit.shared, task.bindArguments(message.args, message.kwargs))
    } catch (error) {
      // Wrong arguments fail the run; what else the key function throws must not let everything through at once.
      this.#deps.logger.warn(`The key of ${message.task}'s rate limit could not be told: ${String(error)}`)
      return turnKeyOf(message.task, { ...limit.shared, per: 'cluster' }, [])
    }
  }

  #lineOf(key: string): Line {
    let line = this.#lines.get(key)
    if (!line) {
      if (this.#lines.size >= mostIdleLines) this.#forgetIdle()
      this.#lines.set(key, (line = { key, waiting: [], isServed: false, parkedUntilMs: 0 }))
    }
    return line
  }

  #forgetIdle(): void {
    const nowMs = this.#deps.clock.now()
    for (const [key, line] of this.#lines) {
      if (line.waiting.length === 0 && !line.isServed && line.parkedUntilMs <= nowMs) this.#lines.delete(key)
    }
  }

  async #serve(line: Line): Promise<void> {
    if (line.isServed) return
    line.isServed = true
    const { clock } = this.#deps
    const { signal } = this.#closing
    for (let next = line.waiting[0]; next && !signal.aborted; next = line.waiting[0]) {
      const { intervalMs } = this.#limits.get(next.message.task) ?? {}
      const waitMs = intervalMs === undefined ? 0 : await this.#takeTurn(line, intervalMs)
      if (signal.aborted) break
      if (waitMs === 0) {
        line.waiting.shift()
        this.#onReady(next)
      } else if (waitMs > longestWaitMs && intervalMs !== undefined) {
        for (const one of line.waiting.splice(0)) this.#park(line, one, intervalMs, waitMs)
      } else await clock.sleep(waitMs, signal).catch(() => {})
    }
    line.isServed = false
  }

  async #takeTurn({ key }: Line, intervalMs: number): Promise<number> {
    try {
      return await (await this.#deps.keys()).takeTurn(key, intervalMs)
    } catch (error) {
      if (this.#closing.signal.aborted) return 0
      this.#deps.logger.warn(`Tasks wait: the store of their shared rate limit does not answer. ${String(error)}`)
      return longestWaitMs
    }
  }

  /** One turn after the one that was parked last, not before `waitMs` have passed. */
  #park(line: Line, execution: Execution, intervalMs: number, waitMs: number): void {
    const nowMs = this.#deps.clock.now()
    line.parkedUntilMs = Math.max(nowMs + waitMs, line.parkedUntilMs + intervalMs)
    this.#deps.park(execution, Math.max(nowMs, line.parkedUntilMs - earlyMs))
  }
}
