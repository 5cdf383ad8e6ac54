import { systemClock } from 'tq-runtime'

export interface OutputOptions {
  /** Characters at once. */
  readonly burst: number
  /** Characters a second after that. */
  readonly perSecond: number
}

const whole: OutputOptions = { burst: 64_000, perSecond: 8_000 }

/**
 * Hands on what user code prints, as fast as somebody could read it; what is beyond that is dropped, and that is said once
 * until it is readable again.
 */
export class OutputLimit {
  readonly #deliver: (text: string) => void
  readonly #options: OutputOptions
  #left: number
  #atMs = systemClock.monotonic()
  #isCut = false

  constructor(deliver: (text: string) => void, options: OutputOptions = whole) {
    this.#deliver = deliver
    this.#options = options
    this.#left = options.burst
  }

  /** False when something was dropped: whoever can should read more slowly. */
  take(text: string): boolean {
    const { burst, perSecond } = this.#options
    const nowMs = systemClock.monotonic()
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) * perSecond) / 1000)
    this.#atMs = nowMs
    // Not before half of it is free again, so that a flood does not become a stream of scraps.
    if (this.#isCut && this.#left < burst / 2) return false
    this.#isCut = false
    const fits = Math.floor(Math.min(text.length, this.#left))
    this.#left -= fits
    if (fits > 0) this.#deliver(text.slice(0, fits))
    if (fits === text.length) return true
    this.#isCut = true
    this.#deliver('[the rest of the output is left out: too much at once]')
    return false
  }
}
