/**
 * Logical clock that orders events and control messages between nodes whose wall clocks differ.
 * Source: kombu/clocks.py, LamportClock.
 */
export class LamportClock {
  #value: number

  constructor(initial = 0) {
    this.#value = initial
  }

  get value(): number {
    return this.#value
  }

  /** Before sending: one further, and the new value. */
  forward(): number {
    return ++this.#value
  }

  /** On receipt: past both clocks. What is not a safe positive integer counts as 0, so a peer cannot break the clock. */
  adjust(remote: number): number {
    this.#value = Math.max(this.#value, Number.isSafeInteger(remote) && remote < farthest ? remote : 0) + 1
    return this.#value
  }
}

// Beyond this adding 1 would soon stop changing the number; no honest clock comes near.
const farthest = Number.MAX_SAFE_INTEGER - 1_000_000_000
