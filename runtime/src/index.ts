import { type AppParts, TqApp, type TqOptions } from './app/tq.ts'
import type { Worker, WorkerOptions } from './worker/worker.ts'

export { AsyncResult, type GetOptions, type RevokeOptions } from './app/async-result.ts'
export { chain, type Link, Signature } from './app/canvas.ts'
export { BoundTask, currentTask, type RetryOptions, type TaskRequest } from './app/context.ts'
export type { CallOptions } from './app/send.ts'
export { sharedTask } from './app/shared-task.ts'
export type {
  AnyTask,
  BoundFunction,
  Owed,
  Tails,
  Task,
  TaskDescription,
  TaskFunction,
  TaskOptions,
} from './app/task.ts'
export type { EagerRun, EagerRunner, TqOptions } from './app/tq.ts'
export type {
  Control,
  InspectAnswer,
  InspectOptions,
  InspectQuery,
  Refusal,
  Replies,
  ReplyOptions,
} from './control/control.ts'
export { type Clock, systemClock, type Timer } from './core/clock.ts'
export {
  ArgumentError,
  ChannelError,
  ConnectionError,
  ContentRefusedError,
  DecodeError,
  DuplicateTaskError,
  EncodeError,
  Ignore,
  JoinInTaskError,
  LoadError,
  MaxRetriesExceededError,
  NoAppError,
  NotInTaskError,
  NotRegistered,
  OperationalError,
  ProtocolError,
  Reject,
  Retry,
  SettingError,
  SoftTimeLimitExceeded,
  StoreError,
  TaskFailedError,
  TaskNameError,
  TaskRevokedError,
  TimeLimitExceeded,
  TimeoutError,
  TqError,
  WorkerLostError,
} from './core/errors.ts'
export { consoleLogger, type Logger, type LogLevel, silentLogger } from './core/logger.ts'
export type { RetryPolicy, Settings, SettingsInput, TransportSettings } from './core/settings.ts'
export { isReady, type StoredError, type TaskMeta, type TaskState } from './core/states.ts'
export type { SignatureData, SignatureOptions } from './core/signature.ts'
export { version } from './core/version.ts'
export type { Worker, WorkerOptions, WorkerState } from './worker/worker.ts'

/**
 * An application: `const app = new Tq('shop')`. Tasks are defined with `app.task(name, fn)` and called with `delay`. With no broker
 * configured everything lives in the project's own file, `.tq/tq.db`. Nothing is connected before the first use.
 */
export class Tq extends TqApp {
  constructor(main: string, options: TqOptions = {}) {
    super(main, options, parts)
  }

  /** Starts a worker in this process; resolves when it consumes. `worker.stop()` ends it, and so does `app.close()`. */
  async startWorker(options: WorkerOptions = {}): Promise<Worker> {
    const { Worker } = await import('./worker/worker.ts')
    const worker = new Worker(this, options)
    await worker.start()
    this.onClose(() => worker.stop(0))
    return worker
  }
}

const parts: AppParts = {
  eagerRunner: async (app) => {
    const { Eager } = await import('./run/eager.ts')
    return new Eager(app)
  },
}
