import type { Clock, Timer } from './clock.ts'

/**
 * A clock that stands still until a test moves it. Timers fire in the order of their time, each at its own time, and
 * everything that one sets off (promises, `setImmediate`) runs before the next one fires.
 */
export class VirtualClock implements Clock {
  readonly #startMs: number
  readonly #timers: Armed[] = []
  #passedMs = 0

  /** `startMs` is the epoch time it starts at; the default is any fixed day. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
  }

  /** Timers that are still to fire: sleeps, timers and running intervals. */
  get pending(): number {
    return this.#timers.length
  }

  /** Ms until the next timer fires; undefined without one. */
  get untilNext(): number | undefined {
    const [next] = this.#timers
    return next && next.atMs - this.#passedMs
  }

  now(): number {
    return this.#startMs + this.#passedMs
  }

  monotonic(): number {
    return this.#passedMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const onAbort = (): void => {
        timer.cancel()
        reject(signal?.reason as Error)
      }
      const timer = this.timer(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  timer(ms: number, fn: () => void): Timer {
    return this.#arm({ atMs: this.#passedMs + Math.max(0, ms), everyMs: undefined, fn })
  }

  interval(ms: number, fn: () => void): Timer {
    // An interval of 0 would never let time pass; Node makes 1 of it too.
    const everyMs = Math.max(1, ms)
    return this.#arm({ atMs: this.#passedMs + everyMs, everyMs, fn })
  }

  /** Lets `ms` pass. What a timer throws rejects it. Two calls must not overlap: await the first. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#passedMs + ms
    await quiet()
    for (let next = this.#timers[0]; next && next.atMs <= untilMs; next = this.#timers[0]) {
      this.#timers.shift()
      this.#passedMs = next.atMs
      // Armed again before it runs, so that it can cancel itself.
      if (next.everyMs !== undefined) {
        next.atMs += next.everyMs
        this.#insert(next)
      }
      next.fn()
      await quiet()
    }
    this.#passedMs = untilMs
  }

  #arm(armed: Armed): Timer {
    this.#insert(armed)
    return {
      cancel: () => {
        const at = this.#timers.indexOf(armed)
        if (at >= 0) this.#timers.splice(at, 1)
      },
    }
  }

  // Behind those of the same time: first armed, first fired.
  #insert(armed: Armed): void {
    let at = this.#timers.length
    for (; at > 0; at--) {
      const before = this.#timers[at - 1]
      if (before && before.atMs <= armed.atMs) break
    }
    this.#timers.splice(at, 0, armed)
  }
}

interface Armed {
  atMs: number
  readonly everyMs: number | undefined
  readonly fn: () => void
}

// A delivery takes a few turns of the loop to go through claim, run and settlement.
const turns = 5

async function quiet(): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
