import type { Clock, Timer } from '../core/clock.ts'
import { deferred } from '../core/lifecycle.ts'

/** How long a worker that stops waits for what runs. It waits until a deadline that can only come nearer, then it gives up. */
export class Shutdown {
  readonly #clock: Clock
  readonly #giveUp = new AbortController()
  readonly #hurry = deferred<void>()
  readonly #timers: Timer[] = []
  #deadlineMs = Infinity
  #notBeforeMs = 0
  #isCold = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Aborts when it gives up. */
  get signal(): AbortSignal {
    return this.#giveUp.signal
  }

  /** Monotonic. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  /** It no longer waits. */
  get hasGivenUp(): boolean {
    return this.signal.aborted || this.#deadlineMs <= this.#clock.monotonic()
  }

  /** Waits no longer than until then (monotonic). */
  hurry(deadlineMs: number): void {
    if (deadlineMs >= this.#deadlineMs) return
    this.#deadlineMs = deadlineMs
    const leftMs = deadlineMs - this.#clock.monotonic()
    if (leftMs <= 0) this.#hurry.resolve()
    else this.#timers.push(this.#clock.timer(leftMs, () => this.#hurry.resolve(), { ref: true }))
  }

  /** As `hurry`, `softMs` from now at the first call and at once at the next. With `isLong` no sooner either. */
  cool(softMs: number, isLong: boolean): void {
    const deadlineMs = this.#clock.monotonic() + (this.#isCold ? 0 : softMs)
    if (!this.#isCold && isLong) this.#notBeforeMs = deadlineMs
    this.#isCold = true
    this.hurry(deadlineMs)
  }

  /** Whether what runs has ended in time. */
  async wait(drained: Promise<boolean>): Promise<boolean> {
    const isDone = (await Promise.race([this.#whole(drained), this.#hurry.promise])) === true
    for (const timer of this.#timers) timer.cancel()
    if (!isDone) this.#giveUp.abort()
    return isDone
  }

  async #whole(drained: Promise<boolean>): Promise<boolean> {
    const ended = await drained
    if (this.#notBeforeMs > this.#clock.monotonic()) await this.#hurry.promise
    return ended
  }
}
