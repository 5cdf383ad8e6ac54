import type { Clock, Timer } from '../core/clock.ts'
import type { Execution } from '../run/execution.ts'

/** Executions that are due within moments. What is due later waits in the broker. */
export class EtaQueue {
  readonly #clock: Clock
  readonly #onDue: (execution: Execution) => void
  readonly #waiting = new Map<Execution, Timer>()

  constructor(clock: Clock, onDue: (execution: Execution) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  add(execution: Execution, untilMs: number): void {
    const timer = this.#clock.timer(untilMs - this.#clock.now(), () => {
      this.#waiting.delete(execution)
      this.#onDue(execution)
    })
    this.#waiting.set(execution, timer)
  }

  waiting(): readonly Execution[] {
    return [...this.#waiting.keys()]
  }

  /** Forgets everything; the deliveries stay held and go back when the subscription closes. */
  clear(): void {
    for (const timer of this.#waiting.values()) timer.cancel()
    this.#waiting.clear()
  }
}
