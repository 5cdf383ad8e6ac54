import { TimeoutError } from '../core/errors.ts'
import { orAborted } from '../core/or-aborted.ts'
import type { TaskMeta } from '../core/states.ts'
import type { GetOptions, ResultSource } from './async-result.ts'

const explainAfterMs = 3000
const noLongerAwaited = 'no longer awaited'

/**
 * The changes of these tasks, the current state first; ends when all are ready. Throws TimeoutError, the signal's reason, or
 * TimeoutError where the result backend is closed meanwhile; `what` names what is awaited.
 */
export async function* watching(
  source: ResultSource,
  ids: readonly string[],
  options: GetOptions,
  what: string,
): AsyncGenerator<TaskMeta> {
  const { clock } = source
  const { timeout: seconds, signal } = options
  signal?.throwIfAborted()
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const late =
    seconds === undefined
      ? undefined
      : clock.timer(seconds * 1000, () => stop.abort(timeoutError(what, seconds)), { ref: true })
  const explain = clock.timer(explainAfterMs, () => {
    if (ids[0] !== undefined) source.explainWaiting?.(ids[0])
  })
  try {
    // A server may take long to be reached.
    const backend = await orAborted(source.backend(), stop.signal)
    yield* backend.watch(ids, stop.signal)
    stop.signal.throwIfAborted()
  } finally {
    late?.cancel()
    explain.cancel()
    signal?.removeEventListener('abort', onAbort)
    stop.abort(noLongerAwaited) // without a reason it would make an error with a stack, for nobody
  }
}

/** What is thrown when the watching ended before everything was ready. */
export function closedWhileWaiting(what: string): TimeoutError {
  return new TimeoutError(`The result backend was closed while ${what} was awaited.`)
}

function timeoutError(what: string, seconds: number): TimeoutError {
  const name = `${what.charAt(0).toUpperCase()}${what.slice(1)}`
  return new TimeoutError(
    `${name} was not ready within ${seconds} s; it may still run. Is a worker running for its queue? \`tq status\` tells.`,
  )
}
