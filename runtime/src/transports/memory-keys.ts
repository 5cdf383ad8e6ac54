import type { Clock } from '../core/clock.ts'
import type { KeyStore } from './key-store.ts'
import type { MemoryBroker } from './memory-broker.ts'

const sweepMs = 60_000

/** The keys of a broker in this process: the reference for every other store. */
export class MemoryKeys implements KeyStore {
  readonly #broker: MemoryBroker
  readonly #clock: Clock
  #sweepAtMs = 0

  constructor(broker: MemoryBroker, clock: Clock) {
    this.#broker = broker
    this.#clock = clock
  }

  async claim(key: string, holder: string, ttlMs: number): Promise<string> {
    const nowMs = this.#clock.now()
    const held = this.#live(key, nowMs)
    if (held && held.holder !== holder) return held.holder
    this.#set(key, holder, nowMs, ttlMs)
    return holder
  }

  async release(key: string, holder: string): Promise<boolean> {
    if (this.#live(key, this.#clock.now())?.holder !== holder) return false
    return this.#broker.keys.delete(key)
  }

  async takeTurn(key: string, intervalMs: number): Promise<number> {
    const nowMs = this.#clock.now()
    const last = this.#live(key, nowMs)
    if (last) return last.untilMs - nowMs
    this.#set(key, '', nowMs, intervalMs)
    return 0
  }

  #live(key: string, nowMs: number): { readonly holder: string; readonly untilMs: number } | undefined {
    const held = this.#broker.keys.get(key)
    return held && held.untilMs > nowMs ? held : undefined
  }

  #set(key: string, holder: string, nowMs: number, ttlMs: number): void {
    const { keys } = this.#broker
    // With the writes, so that no timer is needed; not with each, since there may be a key for every task that waits.
    if (nowMs >= this.#sweepAtMs) {
      this.#sweepAtMs = nowMs + sweepMs
      for (const [name, { untilMs }] of keys) if (untilMs <= nowMs) keys.delete(name)
    }
    keys.set(key, { holder, untilMs: nowMs + ttlMs })
  }
}
