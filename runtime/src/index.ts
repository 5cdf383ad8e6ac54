import { type AppParts, TqApp, type TqOptions } from './app/tq.ts'
import type { Worker, WorkerOptions } from './worker/worker.ts'

export type { SettingDescription } from './app/app-settings.ts'
export { AsyncResult, type GetOptions, type RevokeOptions } from './app/async-result.ts'
export type { EagerRun, EagerRunner, ManyCall } from './app/calling.ts'
export {
  type AnySignature,
  chain,
  chord,
  type GivesOf,
  group,
  type Link,
  type NeedOf,
  Signature,
} from './app/canvas.ts'
export type { SecurityOptions } from './app/codecs.ts'
export type { ConfigOptions } from './app/config-source.ts'
export { BoundTask, currentTask, type RetryOptions, type TaskRequest } from './app/context.ts'
export { type AnyResult, type Finished, GroupResult, ResultSet } from './app/group-result.ts'
export type { EnsuredWorker } from './app/own-worker.ts'
export type { PublishOptions } from './app/publish.ts'
export {
  graphToDot,
  graphToMermaid,
  type ResultGraph,
  type ResultNode,
} from './app/result-graph.ts'
export type { CallOptions, CommitHook } from './app/send.ts'
export { sharedTask } from './app/shared-task.ts'
export type {
  AnyTask,
  BoundFunction,
  ErrorKinds,
  Owed,
  Returned,
  Tails,
  Task,
  TaskDescription,
  TaskFunction,
  TaskOptions,
} from './app/task.ts'
export type { TqOptions } from './app/tq.ts'
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
  QueueNotFoundError,
  Reject,
  Retry,
  SecurityError,
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
export type {
  BindingOptions,
  ExchangeKind,
  QueueOptions,
  QueueSettings,
  RouteFunction,
  RouteOptions,
  RoutePair,
  RouteTarget,
  TaskRouter,
  TaskRoutes,
} from './core/routing.ts'
export type { RetryPolicy, TransportSettings } from './core/setting-values.ts'
export type { Settings, SettingsInput } from './core/settings.ts'
export { isReady, type StoredError, type TaskMeta, type TaskState } from './core/states.ts'
export type { SignatureData, SignatureOptions } from './core/signature.ts'
export type { Compression } from './serializers/compression.ts'
export type { Serializer } from './serializers/serializer.ts'
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
