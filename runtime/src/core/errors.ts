/**
 * Every error of tq stands here, under `TqError`. Each has a `code` to compare and a sentence to act on: what happened,
 * to which thing, what to do. Compare `error.code` (or `instanceof` within one copy of the package), never messages.
 */
export abstract class TqError extends Error {
  abstract readonly code: string

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Whether a thrown value is one of tq's errors, also one of another copy of the package. */
export function isTqError(error: unknown): error is TqError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('TQ_')
}

// --- defining -------------------------------------------------------------------------------------------------------

/** A task was given no name that survives: an anonymous function, or a file outside the app's folder. */
export class TaskNameError extends TqError {
  readonly code = 'TQ_TASK_NAME'
}

/** Two definitions of one task name in one app; `sites` are `file:line:column`, the first definition first. */
export class DuplicateTaskError extends TqError {
  readonly code = 'TQ_DUPLICATE_TASK'
  readonly sites: readonly [string, string]
  readonly taskName: string

  constructor(taskName: string, first: string, second: string) {
    super(`Task '${taskName}' is defined twice: first at ${first}, again at ${second}. Give one of them another name.`)
    this.taskName = taskName
    this.sites = [first, second]
  }
}

/** A setting that does not exist or has a value of the wrong kind. */
export class SettingError extends TqError {
  readonly code = 'TQ_SETTING'
}

/** `currentTask()` outside a running task. */
export class NotInTaskError extends TqError {
  readonly code = 'TQ_NOT_IN_TASK'

  constructor() {
    super('currentTask() was called outside a running task. Call it inside the task function, not at import time.')
  }
}

/** A shared task was called before an app adopted it. */
export class NoAppError extends TqError {
  readonly code = 'TQ_NO_APP'

  constructor(taskName: string) {
    super(
      `Shared task '${taskName}' belongs to no app yet. Import its module from the app's include, or call app.use(module).`,
    )
  }
}

/** The app or one of its task modules could not be found or loaded. */
export class LoadError extends TqError {
  readonly code = 'TQ_LOAD'
}

/** The scanner cannot run: ts-morph is not installed, the folder cannot be read, or its process ended. */
export class ScanError extends TqError {
  readonly code = 'TQ_SCAN'
}

// --- calling --------------------------------------------------------------------------------------------------------

/** The arguments of a call do not fit the task's parameters. */
export class ArgumentError extends TqError {
  readonly code = 'TQ_ARGUMENT'
}

/** Arguments, or a result, that the task's option `validate` refuses. The texts of values that are redacted are not in it. */
export class ValidationError extends TqError {
  readonly code = 'TQ_VALIDATION'
  readonly taskName: string
  /** Each with the path that leads to it, e.g. `order.items[3].price`; an empty path is the whole. */
  readonly issues: readonly ValidationIssue[]

  constructor(taskName: string, what: 'arguments' | 'result', issues: readonly ValidationIssue[]) {
    const shown = issues
      .slice(0, mostIssues)
      .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    const more = issues.length > mostIssues ? `; and ${issues.length - mostIssues} more` : ''
    super(`The ${what} of ${taskName} ${what === 'result' ? 'is' : 'are'} not valid: ${shown.join('; ')}${more}`)
    this.taskName = taskName
    this.issues = issues
  }
}

export interface ValidationIssue {
  readonly path: string
  readonly message: string
}

const mostIssues = 10

/** A value cannot be serialised; `path` leads to it, e.g. `args[0].items[3].when`. */
export class EncodeError extends TqError {
  readonly code = 'TQ_ENCODE'
  readonly path: string
  readonly reason: string

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`Cannot serialise ${path || 'the value'}: ${reason}`, options)
    this.path = path
    this.reason = reason
  }

  /** The same error seen from further out: `args` + `[0].when`. */
  under(prefix: string): EncodeError {
    return new EncodeError(`${prefix}${this.path}`, this.reason, { cause: this.cause })
  }
}

/** Bytes that are not what their content type says. */
export class DecodeError extends TqError {
  readonly code: string = 'TQ_DECODE'
}

/** A signed body (`auth`) that was changed, or whose signer is unknown or no longer valid. Nothing of it was read. */
export class SecurityError extends DecodeError {
  override readonly code = 'TQ_SECURITY'
}

/** A content type that is not in `acceptContent`, or that tq refuses by name (pickle). */
export class ContentRefusedError extends TqError {
  readonly code = 'TQ_CONTENT_REFUSED'
}

/** A message that decodes but is not a task call; `header` names the offending part. */
export class ProtocolError extends TqError {
  readonly code = 'TQ_PROTOCOL'
  readonly header: string

  constructor(header: string, reason: string, options?: ErrorOptions) {
    super(`Not a task message: ${header} ${reason}`, options)
    this.header = header
  }
}

/** The message could not be handed to the broker after all tries of the retry policy. The task was not sent. */
export class OperationalError extends TqError {
  readonly code = 'TQ_OPERATIONAL'
}

/** A queue that `taskQueues` does not name while `taskCreateMissingQueues` is false. Nothing was sent. */
export class QueueNotFoundError extends TqError {
  readonly code = 'TQ_QUEUE_NOT_FOUND'
  readonly queue: string
  /** The queues that there are. */
  readonly declared: readonly string[]

  constructor(queue: string, declared: readonly string[], nearest: string | undefined) {
    super(
      `Queue '${queue}' is not in taskQueues (${declared.join(', ')}).${nearest === undefined ? '' : ` Did you mean '${nearest}'?`} ` +
        'Set taskCreateMissingQueues to true to allow any queue.',
    )
    this.queue = queue
    this.declared = declared
  }
}

/** A unique task is queued or running with the same key, and its option says that this is an error. Nothing was sent. */
export class DuplicateCallError extends TqError {
  readonly code = 'TQ_DUPLICATE_CALL'
  readonly taskName: string
  /** Id of the call that is queued or running. */
  readonly taskId: string

  constructor(taskName: string, taskId: string) {
    super(
      `${taskName} was not sent: ${taskId} is queued or running with the same key. Wait for it, or set unique.onDuplicate to 'result' to get its result.`,
    )
    this.taskName = taskName
    this.taskId = taskId
  }
}

/** The task's signal aborts with it when somebody calls `result.abort()`. Thrown on, it is how the task failed; it is never tried again. */
export class AbortedError extends TqError {
  readonly code = 'TQ_ABORTED'

  constructor() {
    super('The task was aborted.')
  }
}

// --- brokers and backends -------------------------------------------------------------------------------------------

/** The server (or file) cannot be reached or went away. Worth trying again. URLs in the text are masked. */
export class ConnectionError extends TqError {
  readonly code: string = 'TQ_CONNECTION'
}

/** The server refuses what was asked; trying again gives the same answer. */
export class ChannelError extends TqError {
  readonly code: string = 'TQ_CHANNEL'
}

export type StoreFault = 'locked' | 'read-only' | 'full' | 'damaged' | 'newer' | 'foreign' | 'gone'

/** A SQLite file that is locked, read-only, full, damaged, of a newer tq, or not a tq database. `reason` tells which. */
export class StoreError extends ChannelError {
  override readonly code = 'TQ_STORE'
  readonly reason: StoreFault

  constructor(reason: StoreFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

// --- results --------------------------------------------------------------------------------------------------------

/** `get()` waited for its whole `timeout`. The task may still run. */
export class TimeoutError extends TqError {
  readonly code = 'TQ_TIMEOUT'
}

/** A task failed somewhere else; carries what its worker stored. `get()` rejects with it. */
export class TaskFailedError extends TqError {
  readonly code: string = 'TQ_TASK_FAILED'
  readonly taskId: string
  /** Error class on the worker, e.g. `ValueError` or `TypeError`. */
  readonly type: string
  /** Module of that class: a Python module, a package name, or `builtins`. */
  readonly module: string
  /** The error's constructor arguments. */
  readonly args: readonly unknown[]
  /** The stack on the worker, where it was stored. */
  readonly remoteTraceback: string | undefined

  constructor(
    taskId: string,
    failed: { readonly type: string; readonly module: string; readonly message: readonly unknown[] },
    traceback: string | undefined,
  ) {
    const said = failed.message.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(', ')
    super(said === '' ? failed.type : `${failed.type}: ${said}`)
    this.taskId = taskId
    this.type = failed.type
    this.module = failed.module
    this.args = failed.message
    this.remoteTraceback = traceback
  }
}

/** A part of a chord's header failed, so that its body never ran. `get()` of the body, and of what follows it, rejects with it. */
export class ChordError extends TaskFailedError {
  override readonly code = 'TQ_CHORD_FAILED'
  /** The part that failed, where the text names one. */
  get partId(): string | undefined {
    return /^Dependency (\S+) raised /.exec(String(this.args[0]))?.[1]
  }
}

/** `iterdeps()` came to a result that is not ready, and was not told `intermediate`. */
export class IncompleteStreamError extends TqError {
  readonly code = 'TQ_INCOMPLETE_STREAM'

  constructor(id: string) {
    super(`Result ${id} is not ready: what came of it is not known yet. Wait for it, or pass { intermediate: true }.`)
  }
}

/** The task was revoked or had expired before it ran. `reason` is Celery's word: revoked, expired or terminated. */
export class TaskRevokedError extends TqError {
  readonly code = 'TQ_TASK_REVOKED'
  readonly taskId: string
  readonly reason: string

  constructor(taskId: string, reason: string) {
    super(`Task ${taskId} was ${reason === 'expired' ? 'not run: it had expired' : reason}.`)
    this.taskId = taskId
    this.reason = reason
  }
}

/** `get()` inside a task: two tasks may wait for each other for ever. */
export class JoinInTaskError extends TqError {
  readonly code = 'TQ_JOIN_IN_TASK'

  constructor() {
    super(
      'result.get() was called inside a task, which can block the whole worker. Chain the tasks, or pass { disableSyncSubtasks: false }.',
    )
  }
}

// --- tasks that an HTTP endpoint runs --------------------------------------------------------------------------------

/** The endpoint of an HTTP task may not be called, was not reached, or took too long or sent too much. Holds no more of the URL than its origin. */
export class HttpTaskError extends TqError {
  readonly code: string = 'TQ_HTTP_TASK'
}

/** The endpoint answered, but not as a task does. Name as in celery/task/http.py (Celery 3.1); so the two after it. */
export class InvalidResponseError extends HttpTaskError {
  override readonly code = 'TQ_HTTP_RESPONSE'
}

/** The endpoint says that it failed; the message is its reason. */
export class RemoteExecuteError extends HttpTaskError {
  override readonly code = 'TQ_HTTP_FAILURE'
}

/** The endpoint's `status` is neither success nor failure. */
export class UnknownStatusError extends InvalidResponseError {}

// --- raised by tasks to steer their own settlement --------------------------------------------------------------------

/** Thrown by `self.retry()`: the executor publishes the message again. Nothing else should catch it. */
export class Retry extends TqError {
  readonly code = 'TQ_RETRY'
  readonly etaMs: number
  readonly changes: {
    readonly args?: readonly unknown[] | undefined
    readonly kwargs?: Readonly<Record<string, unknown>> | undefined
    readonly queue?: string | undefined
    readonly priority?: number | undefined
  }

  constructor(
    etaMs: number,
    changes: {
      readonly args?: readonly unknown[] | undefined
      readonly kwargs?: Readonly<Record<string, unknown>> | undefined
      readonly queue?: string | undefined
      readonly priority?: number | undefined
    },
    cause: unknown,
  ) {
    super('The task asked to be retried.', { cause })
    this.etaMs = etaMs
    this.changes = changes
  }
}

/** `self.retry()` without a cause once `maxRetries` is used up. */
export class MaxRetriesExceededError extends TqError {
  readonly code = 'TQ_MAX_RETRIES'
}

/** Throw it to leave the stored state alone: the message is acknowledged, nothing is stored. */
export class Ignore extends TqError {
  readonly code = 'TQ_IGNORE'

  constructor(reason = 'The task asked to be ignored.') {
    super(reason)
  }
}

/** Throw it to reject the message: back to the queue with `requeue`, else dead-lettered where the broker can. */
export class Reject extends TqError {
  readonly code = 'TQ_REJECT'
  readonly requeue: boolean

  constructor(reason = 'The task rejected its message.', options: { readonly requeue?: boolean } = {}) {
    super(reason)
    this.requeue = options.requeue ?? false
  }
}

/** The soft time limit has passed: the task's signal aborts with it. */
export class SoftTimeLimitExceeded extends TqError {
  readonly code = 'TQ_SOFT_TIME_LIMIT'

  constructor(seconds: number) {
    super(`SoftTimeLimitExceeded(${seconds},)`)
  }
}

/** The hard time limit has passed and the run was ended. */
export class TimeLimitExceeded extends TqError {
  readonly code = 'TQ_TIME_LIMIT'
  readonly seconds: number

  constructor(seconds: number) {
    super(`TimeLimitExceeded(${seconds},)`)
    this.seconds = seconds
  }
}

/** The process that ran the task died. */
export class WorkerLostError extends TqError {
  readonly code = 'TQ_WORKER_LOST'
}

/** No task of this name is registered on the worker that got the message. */
export class NotRegistered extends TqError {
  readonly code = 'TQ_NOT_REGISTERED'
  readonly taskName: string

  constructor(taskName: string) {
    super(taskName)
    this.taskName = taskName
  }
}
