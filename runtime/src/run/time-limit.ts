import type { TaskOptions } from '../app/task.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { Message } from '../core/message.ts'
import type { PoolRun } from '../pools/pool.ts'

/** Limits of a run in seconds; undefined is none. */
export interface Limits {
  readonly softSeconds?: number | undefined
  readonly hardSeconds?: number | undefined
}

/** Which limits a run has: the call's, else what remote control set for its task, else the task's, else the settings. */
export class TimeLimits {
  readonly #defaults: Limits
  readonly #changed = new Map<string, Limits>()

  /** The settings `taskSoftTimeLimit` and `taskTimeLimit`. */
  constructor(defaults: Limits) {
    this.#defaults = defaults
  }

  /** From the next run of the task on. Source: celery/worker/control.py, time_limit. */
  change(task: string, limits: Limits): void {
    this.#changed.set(task, limits)
  }

  of({ task, limits }: Message, options: TaskOptions): Limits {
    const changed = this.#changed.get(task)
    const own = changed ?? { softSeconds: options.softTimeLimit, hardSeconds: options.timeLimit }
    return {
      softSeconds: limits.softSeconds ?? own.softSeconds ?? this.#defaults.softSeconds,
      hardSeconds: limits.hardSeconds ?? own.hardSeconds ?? this.#defaults.hardSeconds,
    }
  }
}

/**
 * Ends a run at its hard limit, counted from the moment a child takes it: waiting for one is not the task's time. The soft limit
 * belongs to the run itself: its signal aborts there.
 */
export function armHardLimit(run: PoolRun, seconds: number | undefined, clock: Clock): Timer | undefined {
  if (seconds === undefined) return undefined
  let timer: Timer | undefined
  let isOver = false
  void run.accepted.then(() => {
    if (!isOver) timer = clock.timer(seconds * 1000, () => run.expire(seconds))
  })
  return {
    cancel: () => {
      isOver = true
      timer?.cancel()
    },
  }
}
