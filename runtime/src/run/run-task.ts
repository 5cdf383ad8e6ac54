import { BoundTask, runInContext, type TaskContext } from '../app/context.ts'
import type { AnyTask, TaskOptions } from '../app/task.ts'
import type { TqApp } from '../app/tq.ts'
import type { Clock } from '../core/clock.ts'
import { type Reject, type Retry, SoftTimeLimitExceeded, type TimeLimitExceeded, TqError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Ending, Outcome } from '../core/outcome.ts'
import type { ResultRef } from '../core/states.ts'
import type { OnUpdate, PoolJob, RunTask } from '../pools/pool.ts'
import { autoRetry } from './auto-retry.ts'
import { failureOf } from './failure.ts'
import { afterRun, hasHooks } from './hooks.ts'

/** What the body of a run needs beside the job itself. */
export interface RunTaskDeps {
  readonly app: TqApp
  readonly clock: Clock
  readonly isEager: boolean
  readonly onUpdate: OnUpdate
}

/** Reason of a signal that a terminating pool aborts with. */
export class Terminated extends TqError {
  readonly code = 'TQ_TERMINATED'
  readonly signal: string

  constructor(signal: string) {
    super(`The run was terminated by ${signal}.`)
    this.signal = signal
  }
}

/**
 * Gives pools what they run: the user's function with its context, arguments in place, soft limit armed and every way of
 * ending turned into an Outcome. The only step on a task's path that catches.
 */
export function taskRunner(deps: RunTaskDeps): RunTask {
  return async (job, signal) => {
    const { message } = job
    const task = deps.app.registry.get(message.task)
    const children: ResultRef[] = []
    const outcome = await body(deps, job, task, signal, children)
    return children.length > 0 && task?.definition.options.trail !== false ? { ...outcome, children } : outcome
  }
}

async function body(
  deps: RunTaskDeps,
  job: PoolJob,
  task: AnyTask | undefined,
  poolSignal: AbortSignal,
  children: ResultRef[],
): Promise<Outcome> {
  const { app, clock } = deps
  const options = task?.definition.options ?? {}
  const { softSeconds: limit } = job
  const soft = limit === undefined ? undefined : new AbortController()
  const signal = soft ? AbortSignal.any([poolSignal, soft.signal]) : poolSignal
  const timer =
    soft && limit !== undefined
      ? clock.timer(limit * 1000, () => soft.abort(new SoftTimeLimitExceeded(limit)))
      : undefined
  const stray = new Stray()
  let context: TaskContext | undefined
  let ending: Ending
  try {
    poolSignal.throwIfAborted()
    const known = task ?? app.registry.require(job.message.task)
    const args = known.bindArguments(job.message.args, job.message.kwargs)
    const own = contextOf(deps, job, known, signal, children, stray)
    context = own
    const { beforeStart } = options
    if (beforeStart) await runInContext(own, () => beforeStart(new BoundTask(own)))
    const value = runInContext(own, () => call(known, own, args))
    ending = { kind: 'success', value: isPromise(value) ? await stray.or(value) : value }
  } catch (thrown) {
    const error = signal.aborted ? abortReason(thrown, signal) : thrown
    ending = endingOf(error, app.main, options.throws)
    if (context && ending.kind === 'failure') ending = retried(context, options, error) ?? ending
  } finally {
    timer?.cancel()
  }
  if (context && hasHooks(options)) await afterRun(context, options, ending)
  return ending
}

/** What becomes of an error that the task tries again by itself: a retry, or once they are used up the error. */
function retried(context: TaskContext, options: TaskOptions, error: unknown): Ending | undefined {
  const retry = autoRetry(options, error, context.message.retries)
  if (!retry) return undefined
  try {
    return new BoundTask(context).retry(retry)
  } catch (thrown) {
    return endingOf(thrown, context.app.main, options.throws)
  }
}

/** An error that comes from beside the task's own promise ends it, too. After the end it is nobody's. */
class Stray {
  #end: { readonly error: unknown } | undefined
  #reject: ((error: unknown) => void) | undefined

  fail(error: unknown): void {
    this.#end ??= { error }
    this.#reject?.(error)
  }

  /** The promise's value, unless a stray error is faster. */
  or(value: PromiseLike<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      value.then(resolve, reject)
      // oxlint-disable-next-line prefer-promise-reject-errors -- passed on as it was thrown
      if (this.#end) reject(this.#end.error)
    })
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function call(task: AnyTask, context: TaskContext, args: readonly unknown[]): unknown {
  const { fn, options } = task.definition
  const given = args as readonly never[] // what came over the wire; the function's own types are the caller's promise
  return options.bind ? fn(new BoundTask(context) as never, ...given) : fn(...given)
}

function contextOf(
  deps: RunTaskDeps,
  job: PoolJob,
  task: AnyTask,
  signal: AbortSignal,
  children: ResultRef[],
  stray: Stray,
): TaskContext {
  const { app, clock, isEager, onUpdate } = deps
  const { options } = task.definition
  return {
    app,
    message: job.message,
    deliveryInfo: job.deliveryInfo,
    hostname: job.hostname,
    startedAtMs: clock.now(),
    signal,
    isEager,
    calledDirectly: false,
    maxRetries: options.maxRetries === undefined ? 3 : options.maxRetries,
    defaultRetryDelay: options.defaultRetryDelay ?? 180,
    clock,
    get logger() {
      return taskLogger(app.logger, `${job.message.task}[${job.message.id}]`)
    },
    updateState: (taskId, state, meta) => onUpdate({ taskId, state, meta }),
    fail: (error) => stray.fail(error),
    children,
  }
}

function taskLogger(logger: Logger, name: string): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      logger[level](`${name}: ${message}`, fields)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

// Libraries wrap the reason of an abort into an AbortError of their own.
function abortReason(thrown: unknown, signal: AbortSignal): unknown {
  return thrown instanceof Error && thrown.name === 'AbortError' ? signal.reason : thrown
}

/** The outcome that a thrown value stands for. By code, not by class: a project may hold two copies of the package. */
function endingOf(thrown: unknown, ownModule: string, throws: Parameters<typeof failureOf>[2]): Ending {
  switch (codeOf(thrown)) {
    case 'TQ_RETRY': {
      const retry = thrown as Retry // its code says so
      const cause = failureOf(retry.cause ?? retry, ownModule, throws)
      return { kind: 'retry', etaMs: retry.etaMs, cause, changes: retry.changes }
    }
    case 'TQ_IGNORE':
      return { kind: 'ignore' }
    case 'TQ_REJECT': {
      const reject = thrown as Reject // its code says so
      return { kind: 'reject', requeue: reject.requeue, reason: reject.message }
    }
    case 'TQ_TIME_LIMIT': {
      const { seconds } = thrown as TimeLimitExceeded // its code says so
      return { kind: 'timeout', limitSeconds: seconds, failure: failureOf(thrown, ownModule, throws) }
    }
    case 'TQ_TERMINATED':
      return { kind: 'revoked', reason: 'terminated', signal: (thrown as Terminated).signal }
    default:
      return { kind: 'failure', failure: failureOf(thrown, ownModule, throws) }
  }
}

function codeOf(thrown: unknown): unknown {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined
}
