import { randomId } from '../core/id.ts'
import type { Logger } from '../core/logger.ts'
import type { KeyStore } from '../transports/key-store.ts'
import type { Execution } from './execution.ts'

export interface UnendedRunsDeps {
  readonly keys: () => Promise<KeyStore>
  readonly logger: Logger
  /** No more than so many are counted. */
  readonly limit: number
}

const keptMs = 3 * 86_400_000
const mostRemembered = 10_000

interface Noted {
  count: number
  /** What was claimed for it by whom, this worker and others, where there is a store for it. */
  readonly claims: { readonly key: string; readonly holder: string }[]
}

/**
 * How many runs of a message began and never ended: the process that ran it died each time. Counted in the key store, so that it outlives
 * workers; without one (RabbitMQ, results elsewhere than on Redis) in this worker's memory, with what the broker counts. A first
 * delivery is noted only when it was lost here: that costs most runs nothing, and a message that merely waited in a worker that died is
 * not to blame.
 */
export class UnendedRuns {
  readonly #deps: UnendedRunsDeps
  readonly #noted = new Map<string, Noted>()

  constructor(deps: UnendedRunsDeps) {
    this.#deps = deps
  }

  /** Before a message that was delivered before runs. Resolves with how many of its runs were lost until now. */
  async begin(execution: Execution): Promise<number> {
    const noted = await this.#note(execution)
    return noted.count - 1
  }

  /** After a run was lost here. Resolves with how many that makes. */
  async lost(execution: Execution): Promise<number> {
    const { message, delivery } = execution
    const known = this.#noted.get(message.id)
    if (known && delivery.info.redelivered) return known.count
    return (await this.#note(execution)).count
  }

  /** It has ended, or its message goes back for another reason. */
  async ended({ message: { id, task } }: Execution): Promise<void> {
    const noted = this.#noted.get(id)
    if (!noted) return
    this.#noted.delete(id)
    if (noted.claims.length === 0) return
    try {
      const keys = await this.#deps.keys()
      for (const { key, holder } of noted.claims) await keys.release(key, holder)
    } catch (error) {
      this.#deps.logger.debug(`It stays noted for 3 days that runs of ${task}[${id}] were lost: ${String(error)}`)
    }
  }

  async #note({ message: { id }, delivery }: Execution): Promise<Noted> {
    const before = this.#noted.get(id)
    const noted = (await this.#claim(id)) ?? {
      count: Math.max(before?.count ?? 0, delivery.info.deliveries - 2, 0) + 1,
      claims: [],
    }
    this.#noted.delete(id) // so that the oldest is first
    this.#noted.set(id, noted)
    const [oldest] = this.#noted.keys()
    if (this.#noted.size > mostRemembered && oldest !== undefined) this.#noted.delete(oldest)
    return noted
  }

  /** The first of the numbered keys that is free is this run's. */
  async #claim(id: string): Promise<Noted | undefined> {
    const mine = randomId()
    const claims: Noted['claims'] = []
    try {
      const keys = await this.#deps.keys()
      for (let count = 1; count <= this.#deps.limit + 1; count++) {
        const key = `unended.${id}.${count}`
        const holder = await keys.claim(key, mine, keptMs)
        claims.push({ key, holder })
        if (holder === mine) return { count, claims }
      }
      return { count: this.#deps.limit + 1, claims }
    } catch {
      return undefined
    }
  }
}
