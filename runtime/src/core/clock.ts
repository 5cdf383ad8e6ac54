import { performance } from 'node:perf_hooks'

/** The only source of time in the runtime: everything that waits or stamps takes one, tests give a virtual one. */
export interface Clock {
  /** Epoch ms; may jump. For what is stored and compared between machines. */
  now(): number
  /** Ms that never go back. For deadlines and durations. */
  monotonic(): number
  /** Resolves after `ms`, or at once with a rejection when `signal` aborts (the signal's reason). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `fn` once after `ms`. The timer does not keep the process alive unless `ref` is set. */
  timer(ms: number, fn: () => void, options?: { readonly ref?: boolean }): Timer
  /** Calls `fn` every `ms` until cancelled; never keeps the process alive. */
  interval(ms: number, fn: () => void): Timer
}

export interface Timer {
  cancel(): void
}

// Node's timers hold 31 bits of milliseconds; a longer wait is done in steps.
const longestTimerMs = 2_000_000_000

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const onAbort = (): void => {
        timer.cancel()
        reject(signal?.reason as Error)
      }
      const timer = systemClock.timer(
        ms,
        () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
        { ref: true },
      )
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
  timer(ms, fn, options) {
    let left = Math.max(0, ms)
    let handle: NodeJS.Timeout
    const arm = (): void => {
      const step = Math.min(left, longestTimerMs)
      left -= step
      handle = setTimeout(() => (left > 0 ? arm() : fn()), step)
      if (options?.ref !== true) handle.unref()
    }
    arm()
    return { cancel: () => clearTimeout(handle) }
  },
  interval(ms, fn) {
    if (ms > longestTimerMs) return longInterval(ms, fn)
    const handle = setInterval(fn, ms)
    handle.unref()
    return { cancel: () => clearInterval(handle) }
  },
}

function longInterval(ms: number, fn: () => void): Timer {
  const arm = (): Timer =>
    systemClock.timer(ms, () => {
      timer = arm()
      fn()
    })
  let timer = arm()
  return { cancel: () => timer.cancel() }
}
