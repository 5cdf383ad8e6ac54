import type { RetryOptions } from '../app/context.ts'
import type { ErrorKinds, TaskOptions } from '../app/task.ts'

const longestBackoffSeconds = 600

/**
 * How an error of this task is tried again without its asking; undefined when it is not. `random` gives 0 up to 1.
 * Source: celery/app/autoretry.py, celery/utils/time.py, get_exponential_backoff_interval.
 */
export function autoRetry(
  options: TaskOptions,
  error: unknown,
  retries: number,
  random: () => number = Math.random,
): RetryOptions | undefined {
  const { autoretryFor, dontAutoretryFor, retryKwargs = {}, retryBackoff = false } = options
  if (!isAmong(error, autoretryFor) || isAmong(error, dontAutoretryFor)) return undefined
  const factor = Number(retryBackoff)
  if (factor === 0) return { ...retryKwargs, exc: error }
  const { retryBackoffMax = longestBackoffSeconds, retryJitter = true } = options
  const seconds = Math.min(retryBackoffMax, factor * 2 ** retries)
  // Whole seconds from none to all of them, so that what failed together does not come back together.
  const countdown = retryJitter ? Math.min(seconds, Math.floor(random() * (seconds + 1))) : seconds
  return { ...retryKwargs, exc: error, countdown: Math.max(0, countdown) }
}

function isAmong(error: unknown, kinds: ErrorKinds | undefined): boolean {
  if (!kinds) return false
  return kinds.some((kind) => (typeof kind === 'string' ? namesOf(error).includes(kind) : error instanceof kind))
}

/** Of its class and of those above it: a name stands for a class that this module may have a copy of. */
function namesOf(error: unknown): readonly string[] {
  const names: string[] = []
  if (!(error instanceof Error)) return names
  names.push(error.name)
  for (let at: unknown = error; at !== null && at !== undefined; at = Object.getPrototypeOf(at)) {
    names.push(at.constructor.name)
  }
  return names
}
