const windowMs = 3 * 60_000
const most = 5

/** When a process that died is started again: after 1, 2, 4, 8 s; with the fifth end within three minutes it is given up. */
export class RestartPolicy {
  #ends: number[] = []

  /** It ended at `nowMs`; gives the ms to wait before the next start, undefined when it is given up. */
  ended(nowMs: number): number | undefined {
    this.#ends = [...this.#ends.filter((at) => nowMs - at < windowMs), nowMs]
    return this.#ends.length < most ? 1000 * 2 ** (this.#ends.length - 1) : undefined
  }

  /** A person has asked for a start. */
  reset(): void {
    this.#ends = []
  }
}
