import { BoundTask, runInContext, type TaskContext } from '../app/context.ts'
import type { AnyTask, TaskOptions } from '../app/task.ts'
import { selfOf } from '../app/task-layers.ts'
import type { TqApp } from '../app/tq.ts'
import { parseArguments, parseResult } from '../app/validation.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { type Reject, type Retry, SoftTimeLimitExceeded, type TimeLimitExceeded, TqError } from '../core/errors.ts'
import { isPromise } from '../core/is-promise.ts'
import { loggerOfTask } from '../core/logger.ts'
import type { Ending, Outcome } from '../core/outcome.ts'
import type { ResultRef } from '../core/states.ts'
import type { OnUpdate, PoolJob, RunTask } from '../pools/pool.ts'
import { AbortWatch, isAbort } from './abort-watch.ts'
import { autoRetry } from './auto-retry.ts'
import { failureOf } from './failure.ts'
import { afterRun, beforeRun, hasHooks } from './hooks.ts'

/** What the body of a run needs beside the job itself. */
export interface RunTaskDeps {
  readonly app: TqApp
  readonly clock: Clock
  readonly isEager: boolean
  readonly onUpdate: OnUpdate
  /** Where an abortable task looks for its end; default the app's. */
  readonly backend?: (() => Promise<ResultBackend>) | undefined
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
  const abort = options.abortable
    ? new AbortWatch(job.message.id, deps.backend ?? (() => app.resultBackend()))
    : undefined
  const signal = anyOf(poolSignal, soft?.signal, abort?.signal)
  const timer =
    soft && limit !== undefined
      ? clock.timer(limit * 1000, () => soft.abort(new SoftTimeLimitExceeded(limit)))
      : undefined
  const stray = new Stray()
  let context: TaskContext | undefined
  // Arguments, and a result, that the task's schemas refuse are refused again.
  let isOwn = false
  let ending: Ending
  try {
    if (abort) await abort.start()
    signal.throwIfAborted()
    const known = task ?? app.registry.require(job.message.task)
    const own = contextOf(deps, job, known, signal, children, stray)
    context = own
    if (app.signals.has('taskPrerun')) await runInContext(own, () => beforeRun(own))
    const parse = (): ReturnType<typeof parseArguments> =>
      parseArguments(app, known, job.message.args, job.message.kwargs)
    const { validation } = known.definition
    // Schemas are the user's code; most tasks have none.
    const parsed = validation ? runInContext(own, parse) : parse()
    const args = isPromise(parsed) ? await parsed : parsed
    isOwn = true
    const { beforeStart } = options
    if (beforeStart) await runInContext(own, () => beforeStart(selfOf(known.definition, own)))
    const value = runInContext(own, () => call(known, own, args))
    const given = isPromise(value) ? await stray.or(value) : stray.or(value)
    isOwn = false
    const result = validation ? runInContext(own, () => parseResult(app, known, given)) : given
    ending = { kind: 'success', value: isPromise(result) ? await result : result }
  } catch (thrown) {
    const error = signal.aborted ? abortReason(thrown, signal) : thrown
    ending = endingOf(error, app.main, options.throws)
    if (ending.kind === 'failure') {
      // Somebody asked for it: nothing to try again, nor to look into.
      if (isAbort(error)) ending = { ...ending, failure: { ...ending.failure, expected: true } }
      else if (context && isOwn) ending = retried(context, options, error) ?? ending
    }
  } finally {
    timer?.cancel()
    stray.over()
    abort?.stop()
  }
  if (context && hasHooks(context, context.definition)) await afterRun(context, context.definition, ending)
  return ending
}

/** The one there is, most often. */
function anyOf(first: AbortSignal, ...others: readonly (AbortSignal | undefined)[]): AbortSignal {
  const more = others.filter((one) => one !== undefined)
  return more.length === 0 ? first : AbortSignal.any([first, ...more])
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
  #isOver = false

  /** False when the task has ended already. */
  fail(error: unknown): boolean {
    if (this.#isOver) return false
    this.#end ??= { error }
    this.#reject?.(error)
    return true
  }

  over(): void {
    this.#isOver = true
  }

  /** What the task gave, unless a stray error was faster. */
  or(value: unknown): unknown {
    if (!isPromise(value)) {
      if (this.#end) throw this.#end.error
      return value
    }
    return new Promise((resolve, reject) => {
      this.#reject = reject
      value.then(resolve, reject)
      // oxlint-disable-next-line prefer-promise-reject-errors -- passed on as it was thrown
      if (this.#end) reject(this.#end.error)
    })
  }
}

function call(task: AnyTask, context: TaskContext, args: readonly unknown[]): unknown {
  const { fn, options } = task.definition
  // What came over the wire, and `self`: the function's own types are the caller's promise.
  const given = args as readonly never[]
  return options.bind ? fn(selfOf(task.definition, context) as never, ...given) : fn(...given)
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
    definition: task.definition,
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
      return loggerOfTask(app.logger, { name: job.message.task, id: job.message.id })
    },
    updateState: (taskId, state, meta) => onUpdate({ taskId, state, meta }),
    fail: (error) => {
      if (stray.fail(error)) return
      const { task: name, id } = job.message
      app.logger.error(
        `Something that ${name}[${id}] began failed after the task had ended, which changes nothing for it.`,
        { error },
      )
    },
    backend: deps.backend,
    children,
  }
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
