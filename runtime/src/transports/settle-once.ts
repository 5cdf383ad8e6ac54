import type { Settled } from './transport.ts'

/** How one delivery was settled: the first answer stands, and after a failure it may be tried again. */
export class SettleOnce {
  #settled: Promise<Settled> | undefined

  /** Something was asked already, and did not fail. */
  get isSettled(): boolean {
    return this.#settled !== undefined
  }

  run(settle: () => Promise<Settled>): Promise<Settled> {
    if (this.#settled) return this.#settled
    const settled = settle()
    this.#settled = settled
    settled.catch(() => {
      this.#settled = undefined
    })
    return settled
  }

  /** The message is not ours any more: whatever is asked from now on answers so. */
  lose(): void {
    this.#settled ??= Promise.resolve('lost')
  }
}
