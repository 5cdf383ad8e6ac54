import { AsyncLocalStorage } from 'node:async_hooks'
import { AbortedError, Ignore, MaxRetriesExceededError, NotInTaskError, Retry } from '../core/errors.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Message } from '../core/message.ts'
import { abortedState, type ResultRef } from '../core/states.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import type { AsyncResult } from './async-result.ts'
import type { Signature } from './canvas.ts'
import type { DeliveryInfo } from '../transports/transport.ts'
import { requestOf, type TaskRequest } from './request.ts'
import type { TaskDefinition } from './task.ts'
import type { TqApp } from './tq.ts'

export type { TaskRequest } from './request.ts'

/** Everything that belongs to one run of a task; the value of the ambient storage while its function runs. */
export interface TaskContext {
  readonly app: TqApp
  readonly definition: TaskDefinition
  readonly message: Message
  readonly deliveryInfo: DeliveryInfo
  readonly hostname: string
  readonly startedAtMs: number
  /** Aborts at the soft time limit, on termination and when the worker gives up waiting at shutdown. */
  readonly signal: AbortSignal
  readonly isEager: boolean
  /** True for `add(2, 2)`: nobody sent anything and nothing settles. */
  readonly calledDirectly: boolean
  readonly maxRetries: number | null
  /** Seconds. */
  readonly defaultRetryDelay: number
  readonly clock: Clock
  readonly logger: Logger
  readonly updateState: (taskId: string, state: string, meta: unknown) => Promise<void>
  /** Fails the run with an error that its function can no longer throw: a rejection that nobody handles. */
  readonly fail: (error: unknown) => void
  /** Where its own state is stored; default the app's. */
  readonly backend?: (() => Promise<ResultBackend>) | undefined
  /** Results of the tasks that this one sent, in the order of sending. */
  readonly children: ResultRef[]
}

const running = new AsyncLocalStorage<TaskContext>()

/** Runs `fn` as the body of a task. */
export function runInContext<R>(context: TaskContext, fn: () => R): R {
  return running.run(context, fn)
}

/** Runs `fn` as if no task were running: what a worker starts belongs to no task that happens to have caused it. */
export function outsideTask<R>(fn: () => R): R {
  return running.exit(fn)
}

export function currentContext(): TaskContext | undefined {
  return running.getStore()
}

/** The running task, as `self` of a bound one. Throws NotInTaskError outside. */
export function currentTask(): BoundTask {
  const context = running.getStore()
  if (!context) throw new NotInTaskError()
  return new BoundTask(context)
}

/** A call or canvas that owes nothing. */
type Replacement = Pick<Signature<[], unknown, unknown>, 'data' | '__need'>

/** When and how a task runs again. */
export interface RetryOptions {
  /** Seconds; default the task's `defaultRetryDelay` (180). */
  readonly countdown?: number | undefined
  readonly eta?: Date | undefined
  /** Default the task's `maxRetries` (3); null is for ever. */
  readonly maxRetries?: number | null | undefined
  /** Why; thrown as it is once the retries are used up. */
  readonly exc?: unknown
  readonly args?: readonly unknown[] | undefined
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
}

/** `self`: the running task's handle on itself. */
export class BoundTask {
  readonly #own: TaskContext | undefined

  /** Without a context it is whichever task runs when it is asked: what one object for all runs of a task needs. */
  constructor(context?: TaskContext) {
    this.#own = context
  }

  get #context(): TaskContext {
    const context = this.#own ?? running.getStore()
    if (!context) throw new NotInTaskError()
    return context
  }

  get id(): string {
    return this.#context.message.id
  }

  /** The app that runs it. */
  get app(): TqApp {
    return this.#context.app
  }

  get retries(): number {
    return this.#context.message.retries
  }

  get request(): TaskRequest {
    return requestOf(this.#context)
  }

  /** Aborts at the soft time limit (reason `SoftTimeLimitExceeded`), on termination and at the end of a warm shutdown. */
  get signal(): AbortSignal {
    return this.#context.signal
  }

  /** Logger whose lines carry the task's name and id. */
  get logger(): Logger {
    return this.#context.logger
  }

  /**
   * Ends this run and sends the message again. Always throws: Retry, or once `maxRetries` is used up `exc` itself or
   * MaxRetriesExceededError. Called outside a worker it throws `exc`, as there is nothing to send again.
   * Source: celery/app/task.py, Task.retry (Celery 5.6.3).
   */
  retry(options: RetryOptions = {}): never {
    const { message, maxRetries, defaultRetryDelay, clock, calledDirectly } = this.#context
    const { exc, args, kwargs, queue, priority } = options
    if (calledDirectly && exc !== undefined) throw exc
    const most = options.maxRetries === undefined ? maxRetries : options.maxRetries
    if (most !== null && message.retries >= most) {
      if (exc !== undefined) throw exc
      throw new MaxRetriesExceededError(
        `Can't retry ${message.task}[${message.id}] after ${message.retries} ${message.retries === 1 ? 'retry' : 'retries'}.`,
      )
    }
    const etaMs = options.eta?.getTime() ?? clock.now() + (options.countdown ?? defaultRetryDelay) * 1000
    throw new Retry(etaMs, { args, kwargs, queue, priority }, exc)
  }

  /**
   * Puts another call or canvas in this task's place: it has this task's id, its callbacks, what follows it, and its part in a group
   * or chord. Always rejects, with Ignore, once that is sent: `return await self.replace(...)`. What ends in a group gives the list.
   */
  async replace(signature: Replacement): Promise<never> {
    const { app, message, calledDirectly, definition } = this.#context
    if (calledDirectly) throw new NotInTaskError()
    const other = await definition.options.onReplace?.(this, signature.data)
    await app.sendReplacement(message, isReplacement(other) ? other.data : signature.data)
    throw new Ignore('The task was replaced.')
  }

  /**
   * Adds a part to the chord whose header this task is in. Throws TypeError where it is in none. A run that is repeated since its worker
   * died adds nothing anew that it has added before; a retry does.
   */
  addToChord<R>(signature: Replacement & { readonly __gives?: R }): Promise<AsyncResult<R>> {
    const context = this.#context
    return context.app.sendPart(context, signature.data)
  }

  /** Stores a state of your own, e.g. `PROGRESS`, with a meta that `result.info()` reads. Resolves when it is stored. */
  updateState(update: { readonly state: string; readonly meta?: unknown; readonly taskId?: string }): Promise<void> {
    return this.#context.updateState(update.taskId ?? this.id, update.state, update.meta ?? null)
  }

  /** Waits; rejects at once with the signal's reason when it aborts. */
  sleep(ms: number): Promise<void> {
    return this.#context.clock.sleep(ms, this.signal)
  }

  /**
   * Whether somebody called `result.abort()`, here or in Python. Asks the result backend: not in every turn of a loop. A task with the option
   * `abortable` may look at `self.signal` instead. Source: celery/contrib/abortable.py, AbortableTask.is_aborted.
   */
  async isAborted(): Promise<boolean> {
    const { app, backend, message, calledDirectly, signal } = this.#context
    if (calledDirectly) return false
    if (signal.reason instanceof AbortedError) return true
    const [meta] = await (await (backend?.() ?? app.resultBackend())).fetch([message.id])
    return meta?.state === abortedState
  }

  /** Throws the signal's reason if it has aborted. For loops that compute without awaiting. */
  checkpoint(): void {
    this.signal.throwIfAborted()
  }
}

function isReplacement(given: unknown): given is Replacement {
  return typeof given === 'object' && given !== null && Symbol.for('tq.Signature') in given
}
