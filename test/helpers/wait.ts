import { setTimeout as pause } from 'node:timers/promises'

export interface WaitOptions {
  /** What is awaited, for the error: `Timed out after 30000 ms waiting for <what>`. */
  readonly what: string
  /** 30 s when left out. */
  readonly timeoutMs?: number | undefined
}

const pollMs = 20

/**
 * Asks `condition` again and again until it answers something truthy, and resolves with that answer. An exception counts
 * as "not yet" and becomes the `cause` of the timeout error. Only for tests with other processes in them: inside one
 * process a virtual clock or an armed signal says exactly when.
 */
export async function waitFor<T>(
  condition: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  { what, timeoutMs = 30_000 }: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let lastError: unknown
  for (;;) {
    try {
      const answer = await condition()
      if (answer) return answer
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    if (performance.now() >= deadline) {
      throw new Error(`Timed out after ${timeoutMs} ms waiting for ${what}`, { cause: lastError })
    }
    await pause(pollMs)
  }
}
