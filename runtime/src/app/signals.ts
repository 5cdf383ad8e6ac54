import type { Logger, LogLevel } from '../core/logger.ts'
import type { Message, RawMessage } from '../core/message.ts'
import type { Settings } from '../core/settings.ts'
import type { BoundTask } from './context.ts'
import type { TaskRequest } from './request.ts'

/**
 * The signals of an app and what their events hold: Celery's, under their names in camelCase. Signals of a task come from where it
 * runs (`taskPrerun`, `taskPostrun`, `taskSuccess`, `taskRetry`, `taskFailure`; a child of a pool connects its own listeners, as it loads
 * the app's modules), the others from the worker or the sender.
 * Source: celery/signals.py (Celery 5.6).
 */
export interface Signals {
  /** Before a message is handed to the broker: what is sent can still be changed. */
  readonly beforeTaskPublish: BeforeTaskPublish
  /** The broker has the message. */
  readonly afterTaskPublish: AfterTaskPublish
  /** A worker has the message and is going to run it, now or later. */
  readonly taskReceived: TaskSignal
  readonly taskPrerun: RunSignal
  /** Last, whatever the run ended with; not of a run that was killed. */
  readonly taskPostrun: TaskPostrun
  readonly taskSuccess: RunSignal & { readonly result: unknown }
  readonly taskRetry: RunSignal & { readonly reason: unknown; readonly eta: Date }
  /** Also of a run that was killed by its time limit or with its process: those come from the worker. */
  readonly taskFailure: TaskFailure
  /** Something around the task threw, so that it could not be settled. */
  readonly taskInternalError: TaskSignal & { readonly exception: unknown }
  readonly taskRevoked: TaskRevoked
  /** A message that cannot be read. */
  readonly taskRejected: WorkerSignal & { readonly message: RawMessage; readonly exception: unknown }
  /** A message for a task that is not registered. */
  readonly taskUnknown: WorkerSignal & { readonly name: string; readonly taskId: string; readonly message: Message }
  /** First of all: settings can still be changed with `app.configure()`, by the name of the worker. */
  readonly celerydInit: WorkerEvent
  /** The worker is about to be put together. */
  readonly workerInit: WorkerEvent
  /** The loader is about to import these modules of tasks; its sender is the app's name. */
  readonly importModules: { readonly sender: string; readonly modules: readonly string[] }
  /** The worker is put together and has its queues; nothing is consumed yet. */
  readonly celerydAfterSetup: WorkerEvent
  /** A child of a pool is about to be started. */
  readonly workerBeforeCreateProcess: { readonly sender: string; readonly pool: string }
  /** In every process or thread that runs tasks, before the first of them; on the async pool that is the worker itself. */
  readonly workerProcessInit: ProcessSignal
  /** There, before it ends. Not where it is killed. */
  readonly workerProcessShutdown: ProcessSignal & { readonly exitcode: number }
  /** It consumes. */
  readonly workerReady: WorkerEvent
  /** It was told to stop: warm, it waits for what runs, or cold. */
  readonly workerShuttingDown: WorkerEvent & { readonly how: 'Warm' | 'Cold' }
  readonly workerShutdown: WorkerEvent
  readonly heartbeatSent: WorkerSignal
  /** Whoever listens sets logging up; tq then does not. */
  readonly setupLogging: LoggingSignal & {
    /** From now on the app and its tasks log there. */
    useLogger(logger: Logger): void
  }
  /** Logging was set up by tq; `logger` is where it goes. */
  readonly afterSetupLogger: LoggingSignal & { readonly logger: Logger }
  /** As `afterSetupLogger`: the lines of tasks go to the same logger, with their names and ids before them. */
  readonly afterSetupTaskLogger: LoggingSignal & { readonly logger: Logger }
}

/** A signal about one call; its sender is the task's name. */
export interface TaskSignal {
  readonly sender: string
  readonly taskId: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly request: TaskRequest
}

/** A signal from inside a run: `currentTask()` works in its listeners. */
export interface RunSignal extends TaskSignal {
  readonly task: BoundTask
}

/** After a run, whatever it ended with. */
export interface TaskPostrun extends RunSignal {
  /** The value, or what was thrown. */
  readonly retval: unknown
  readonly state: 'SUCCESS' | 'FAILURE' | 'RETRY' | 'IGNORED' | 'REJECTED' | 'REVOKED'
}

/** A run that failed, or was killed. */
export interface TaskFailure extends TaskSignal {
  /** Undefined where the run was killed. */
  readonly task: BoundTask | undefined
  /** What was thrown; TimeLimitExceeded or WorkerLostError where the run was killed. */
  readonly exception: unknown
  readonly traceback: string
}

/** A call that does not run, or was ended. */
export interface TaskRevoked extends TaskSignal {
  readonly terminated: boolean
  /** By which it was ended. */
  readonly signum: string | undefined
  readonly expired: boolean
}

/** The part of a message that is the caller's, for listeners of `beforeTaskPublish`. */
export interface BeforeTaskPublish {
  readonly sender: string
  readonly taskId: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** Custom headers: what is set here travels with the message, and the task reads it in `self.request.headers`. */
  readonly headers: Record<string, unknown>
  /** Where it goes and how; what is set here is what is sent. */
  readonly options: PublishedOptions
  /** The message as it would be sent. */
  readonly message: Message
}

/** What a listener of `beforeTaskPublish` may change. */
export interface PublishedOptions {
  /** Another queue is routed anew. */
  queue: string
  exchange: string
  routingKey: string
  /** 0 to 255; see `CallOptions.priority`. */
  priority: number | undefined
  eta: Date | undefined
  expires: Date | undefined
  /** Seconds. */
  timeLimit: number | undefined
  softTimeLimit: number | undefined
  ignoreResult: boolean
  shadow: string | undefined
  deliveryMode: 'persistent' | 'transient'
}

/** A call that the broker has. */
export interface AfterTaskPublish {
  readonly sender: string
  readonly taskId: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, unknown>>
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
  readonly message: Message
}

/** A signal of a worker; its sender is the node name. */
export interface WorkerSignal {
  readonly sender: string
}

/** A step in the life of a worker. */
export interface WorkerEvent extends WorkerSignal {
  readonly worker: SignalledWorker
  readonly settings: Settings
}

/** The worker, as far as listeners are concerned. */
export interface SignalledWorker {
  readonly hostname: string
  readonly queues: readonly string[]
  readonly pool: string
  readonly concurrency: number
  stop(deadlineMs?: number): Promise<void>
}

/** From a process that runs tasks; its sender is the worker's node name. */
export interface ProcessSignal extends WorkerSignal {
  readonly pid: number
  /** 0 for the process itself. */
  readonly threadId: number
}

/** Where and how a worker logs. */
export interface LoggingSignal extends WorkerSignal {
  readonly loglevel: LogLevel
  /** Undefined is stderr. */
  readonly logfile: string | undefined
  /** The setting `workerLogFormat`, or of tasks `workerTaskLogFormat`, where it is set. */
  readonly format: string | undefined
  readonly colorize: boolean | undefined
}
