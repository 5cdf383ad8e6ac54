import { systemClock, type Tq } from 'tq-runtime'

/** Who needs the connection waits here for it. */
export class ConnectionGate {
  #connected = Promise.withResolvers<Tq>()
  #isOpen = false
  #waiting = 0

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Somebody waits. */
  get isWanted(): boolean {
    return this.#waiting > 0
  }

  open(app: Tq): void {
    this.#isOpen = true
    this.#connected.resolve(app)
  }

  close(): void {
    if (this.#isOpen) this.#connected = Promise.withResolvers<Tq>()
    this.#isOpen = false
  }

  /** Rejects with what `reason` says after `patienceMs`. */
  async wait(patienceMs: number, reason: () => string): Promise<Tq> {
    const late = Promise.withResolvers<never>()
    const timer = systemClock.timer(
      patienceMs,
      () => late.reject(new Error(`There is no connection to the broker. ${reason()}`)),
      { ref: true },
    )
    this.#waiting++
    try {
      return await Promise.race([this.#connected.promise, late.promise])
    } finally {
      this.#waiting--
      timer.cancel()
    }
  }
}
