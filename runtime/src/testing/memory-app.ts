import type { TqOptions } from '../app/tq.ts'
import { silentLogger } from '../core/logger.ts'
import type { VirtualClock } from '../core/virtual-clock.ts'
import { Tq } from '../index.ts'

/**
 * An app for tests: broker and results in memory, nothing logged. Each has a server of its own unless `memory` names a shared
 * one (`createMemoryServer()`). With `clock: new VirtualClock()` its retries, ETAs and limits take no time; `passUntil` moves it.
 * `TQ_BROKER_URL` and `TQ_RESULT_BACKEND` win here too, so a test run must not have them set.
 */
export function memoryApp(main = 'tests', options: TqOptions = {}): Tq {
  return new Tq(main, { broker: 'memory://', backend: 'memory://', logger: silentLogger, ...options })
}

const mostTurns = 20_000

/**
 * Lets virtual time pass, timer by timer, until the promise settles, and gives what it gives. Rejects when it is still pending
 * after 20,000 timers: then nothing that the clock does will settle it.
 */
export async function passUntil<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let settled = false
  const onSettled = (): void => {
    settled = true
  }
  promise.then(onSettled, onSettled)
  await clock.advance(0)
  for (let turn = 0; !settled; turn++) {
    if (turn === mostTurns) throw new Error(`The promise is still pending after ${clock.monotonic()} virtual ms.`)
    await clock.advance(clock.untilNext ?? 0)
  }
  return promise
}
