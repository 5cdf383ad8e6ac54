import type { SignatureData } from '../core/signature.ts'
import type { BoundTask, RetryOptions } from './context.ts'
import type { CallOptions } from './call-options.ts'
import type { SharedRateLimit } from './shared-rate.ts'
import type { TaskClass } from './task-class.ts'
import type { UniqueOptions } from './unique.ts'
import type { Validation } from './validation.ts'

/** Classes of errors, or their names. */
export type ErrorKinds = readonly (string | (abstract new (...args: never[]) => Error))[]

/** What the hook `afterReturn` is told. */
export type Returned =
  | { readonly state: 'SUCCESS'; readonly value: unknown }
  | { readonly state: 'FAILURE'; readonly error: unknown }

/** Options of a task. Seconds where the name is Celery's. */
export interface TaskOptions {
  /** The function's first parameter is `self`, the running task. Default false. */
  readonly bind?: boolean | undefined
  /**
   * Options and hooks that several tasks share: an object, or a class made with `class … extends Task`, whose one instance per task and
   * process is `self`. What the task itself says wins; `redact` adds up. Default the app's `taskCls`.
   */
  readonly base?: TaskClass | TaskOptions | undefined
  /** Names of the parameters, so that Python may call with keywords and the names survive minification; `'y?'` is optional. */
  readonly params?: readonly string[] | undefined
  /** Default what the setting `taskRoutes` says of the task, else `taskDefaultQueue`. */
  readonly queue?: string | undefined
  readonly exchange?: string | undefined
  readonly routingKey?: string | undefined
  /** 0 to 255; see `CallOptions.priority` for its direction. */
  readonly priority?: number | undefined
  /** Of the messages that call this task; default the setting `taskSerializer`. */
  readonly serializer?: string | undefined
  /** Of the messages that call this task; default the setting `taskCompression`. `none` is none. */
  readonly compression?: string | undefined
  /**
   * Names of parameters, keyword arguments and keys of objects whose values are shown as `***` in events, logs and headers, beside those
   * of the setting `taskRedact`. The task itself, and an extended result, have the values.
   */
  readonly redact?: readonly string[] | undefined
  /** null is for ever. Default 3. */
  readonly maxRetries?: number | null | undefined
  /** Seconds before a retry that names no countdown. Default 180. */
  readonly defaultRetryDelay?: number | undefined
  /** Default the setting `taskAcksLate`; so the other settings of the same name. */
  readonly acksLate?: boolean | undefined
  readonly acksOnFailure?: boolean | undefined
  readonly acksOnTimeout?: boolean | undefined
  /** The former name of both. */
  readonly acksOnFailureOrTimeout?: boolean | undefined
  readonly rejectOnWorkerLost?: boolean | undefined
  readonly trackStarted?: boolean | undefined
  readonly ignoreResult?: boolean | undefined
  readonly storeErrorsEvenIfIgnored?: boolean | undefined
  /**
   * Starts per worker: a number per second, or `10/s`, `100/m`, `5/h`. Default the setting `taskDefaultRateLimit`. An object with `per`
   * is a limit that all workers share.
   */
  readonly rateLimit?: string | number | SharedRateLimit | undefined
  /**
   * While a call is queued or running, another one with the same key is not sent. True: calls with the same arguments are the same.
   * Needs a broker or result backend that holds keys (Redis, SQLite, memory). Default false.
   */
  readonly unique?: boolean | UniqueOptions | undefined
  /** `self.signal` aborts when somebody calls `result.abort()`; the result backend is watched for it while the task runs. Default false. */
  readonly abortable?: boolean | undefined
  /** Seconds until the run is killed with its process or thread; on the async pool `self.signal` aborts. */
  readonly timeLimit?: number | undefined
  /** Seconds until `self.signal` aborts. */
  readonly softTimeLimit?: number | undefined
  /** Seconds from sending until a call that waits is revoked. */
  readonly expires?: number | undefined
  /** Errors that are tried again by themselves, as `self.retry({ exc })` would. */
  readonly autoretryFor?: ErrorKinds | undefined
  /** Not these of them. */
  readonly dontAutoretryFor?: ErrorKinds | undefined
  /** What `self.retry()` gets for them. */
  readonly retryKwargs?: Omit<RetryOptions, 'exc'> | undefined
  /** Pauses that double, of so many seconds at first; true is 1. Default false: `defaultRetryDelay`. Goes before a countdown of `retryKwargs`. */
  readonly retryBackoff?: boolean | number | undefined
  /** Seconds; default 600. */
  readonly retryBackoffMax?: number | undefined
  /** A random number of seconds up to the pause instead of the pause. Default true. */
  readonly retryJitter?: boolean | undefined
  /** Called before the function, where it runs, as all hooks; the task fails with what it throws. */
  readonly beforeStart?: ((self: BoundTask) => unknown) | undefined
  /** Called after the function, before the result is stored. What a hook throws is logged. */
  readonly onSuccess?: ((self: BoundTask, value: unknown) => unknown) | undefined
  readonly onFailure?: ((self: BoundTask, error: unknown) => unknown) | undefined
  readonly onRetry?: ((self: BoundTask, error: unknown) => unknown) | undefined
  /** Called last, after a success or a failure. */
  readonly afterReturn?: ((self: BoundTask, returned: Returned) => unknown) | undefined
  /**
   * Called by `self.replace()` before the replacement is sent; what it throws, the task fails with. A signature that it gives is sent
   * instead: `(self, data) => self.app.canvas(data).stamp({ replaced: self.id })`.
   */
  readonly onReplace?: ((self: BoundTask, replacement: SignatureData) => unknown) | undefined
  /** The display name of a call that states none; undefined is the task's own. Called by the sender. */
  readonly shadowName?: ((call: ShadowedCall) => string | undefined) | undefined
  /** Errors that are expected: logged as information, without a traceback. */
  readonly throws?: ErrorKinds | undefined
  /** Check the number of arguments at the call. Default true. */
  readonly typing?: boolean | undefined
  /**
   * What it gets as an error callback. `id` (default): it is sent, with the id of the task that failed. `request`: it is called by the
   * worker that saw the failure, with the request, the error and the traceback.
   */
  readonly errback?: 'id' | 'request' | undefined
  /** Store the task's children with its result. Default true. */
  readonly trail?: boolean | undefined
  /** False: workers send no events of this task. Default true. */
  readonly sendEvents?: boolean | undefined
  /** Characters of the result that the event and the log line show. Default 1024. */
  readonly resultreprMaxsize?: number | undefined
}

/** What `shadowName` decides by. */
export interface ShadowedCall {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: CallOptions
}

/** Options of one definition: its schemas belong to its function, so that no base has any. */
export interface DefinedOptions extends TaskOptions {
  /**
   * Standard Schemas (zod, valibot, arktype, …) of the arguments and the result: one schema for the one parameter, a list for the
   * parameters one by one, or `{ args, result }`. Arguments are checked before they are sent and again before the task runs, which gets
   * what the schemas make of them; what is sent is what was given. An error fails the task, which is not tried again.
   */
  readonly validate?: Validation | undefined
}
