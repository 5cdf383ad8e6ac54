import type { Clock } from '../core/clock.ts'
import type { KeyStore } from './key-store.ts'
import type { MemoryBroker } from './memory-broker.ts'

/** The keys of a broker in this process: the reference for every other store. */
export class MemoryKeys implements KeyStore {
  readonly #broker: MemoryBroker
  readonly #clock: Clock

  constructor(broker: MemoryBroker, clock: Clock) {
    this.#broker = broker
    this.#clock = clock
  }

  async claim(key: string, holder: string, ttlMs: number): Promise<string> {
    const now = this.#clock.now()
    const { keys } = this.#broker
    for (const [name, { untilMs }] of keys) if (untilMs <= now) keys.delete(name)
    const held = keys.get(key)
    if (held && held.holder !== holder) return held.holder
    keys.set(key, { holder, untilMs: now + ttlMs })
    return holder
  }

  async release(key: string, holder: string): Promise<boolean> {
    const held = this.#broker.keys.get(key)
    if (held?.holder !== holder || held.untilMs <= this.#clock.now()) return false
    return this.#broker.keys.delete(key)
  }

  async takeTurn(key: string, intervalMs: number): Promise<number> {
    const now = this.#clock.now()
    const nextMs = this.#broker.keys.get(key)?.untilMs ?? 0
    if (nextMs > now) return nextMs - now
    this.#broker.keys.set(key, { holder: '', untilMs: now + intervalMs })
    return 0
  }
}
