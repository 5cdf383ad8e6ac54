import { uniqueKeyOf, uniqueTtlMs } from '../app/unique.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Message } from '../core/message.ts'
import { type Outcome, settlementOf } from '../core/outcome.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Execution } from './execution.ts'

/** Holds the keys of unique calls while they run, and lets them go when they have ended. */
export class UniqueHolds {
  readonly #deps: { readonly keys: () => Promise<KeyStore>; readonly clock: Clock; readonly logger: Logger }

  constructor(deps: { readonly keys: () => Promise<KeyStore>; readonly clock: Clock; readonly logger: Logger }) {
    this.#deps = deps
  }

  /** Keeps the key of a run that takes longer than its time to live. Returns how to stop; undefined where there is none. */
  hold({ message, task }: Execution): (() => void) | undefined {
    const key = uniqueKeyOf(message)
    if (key === undefined) return undefined
    const ttlMs = uniqueTtlMs(task.definition.options)
    const renew = (): void => void this.#claim(key, message, ttlMs)
    renew()
    const timer = this.#deps.clock.interval(ttlMs / 3, renew)
    return () => timer.cancel()
  }

  /** After the result was stored and the message acknowledged. A retry keeps the key until its own run, another worker for its. */
  ended(execution: Execution, outcome: Outcome): Promise<void> | undefined {
    const key = uniqueKeyOf(execution.message)
    return key === undefined || execution.isLost ? undefined : this.#ended(key, execution, outcome)
  }

  async #ended(key: string, { message, task, policy }: Execution, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'retry') {
      const waitMs = Math.max(0, outcome.etaMs - this.#deps.clock.now())
      return this.#claim(key, message, uniqueTtlMs(task.definition.options) + waitMs)
    }
    const { store, late } = settlementOf(outcome, policy)
    if (store !== undefined || late !== 'requeue') await this.letGo(message)
  }

  /** Lets go whatever has become of it. */
  async letGo(message: Message): Promise<void> {
    const key = uniqueKeyOf(message)
    if (key === undefined) return
    await this.#try(message, (keys) => keys.release(key, message.id), 'calls like it are refused until it expires')
  }

  #claim(key: string, message: Message, ttlMs: number): Promise<void> {
    return this.#try(message, (keys) => keys.claim(key, message.id, ttlMs), 'it may be sent twice')
  }

  async #try(message: Message, act: (keys: KeyStore) => Promise<unknown>, consequence: string): Promise<void> {
    try {
      await act(await this.#deps.keys())
    } catch (error) {
      this.#deps.logger.warn(
        `The key that makes ${message.task}[${message.id}] unique could not be changed; ${consequence}. ${String(error)}`,
      )
    }
  }
}
