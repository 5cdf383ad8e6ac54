import { systemClock } from '../../runtime/src/core/clock.ts'
import type { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'

export type Condition = () => boolean | Promise<boolean>

const patienceMs = 30_000

/** Polls until the condition holds; for tests in which servers, files or other processes take part. */
export async function waitFor(condition: Condition): Promise<void> {
  const deadlineMs = systemClock.monotonic() + patienceMs
  for (let turn = 0; !(await condition()); turn++) {
    if (systemClock.monotonic() > deadlineMs)
      throw new Error(`Waited ${patienceMs} ms in vain for ${condition.toString()}`)
    // What is near arrives within some turns of the loop; only then is it worth a timer.
    if (turn < 20) await new Promise<void>((resolve) => setImmediate(resolve))
    else await systemClock.sleep(2)
  }
}

/** The same on a virtual clock: its time passes, a millisecond a look, until the condition holds. */
export function waitForOn(clock: VirtualClock): (condition: Condition) => Promise<void> {
  return async (condition) => {
    const deadlineMs = clock.monotonic() + patienceMs
    while (!(await condition())) {
      if (clock.monotonic() > deadlineMs)
        throw new Error(`Waited ${patienceMs} virtual ms in vain for ${condition.toString()}`)
      await clock.advance(1)
    }
  }
}
