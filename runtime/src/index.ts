import { type AppParts, TqApp, type TqOptions } from './app/tq.ts'
import type { Worker, WorkerOptions } from './worker/worker.ts'

export type { SettingDescription } from './app/app-settings.ts'
export { AsyncResult, type EagerRunFacts, type GetOptions, type RevokeOptions } from './app/async-result.ts'
export type { HandleOf, ManyCall } from './app/calling.ts'
export type { CallOptions, CommitHook } from './app/call-options.ts'
export { type AnySignature, type Link, Signature } from './app/canvas.ts'
export type { SecurityOptions } from './app/codecs.ts'
export { chain, chord, type GivesOf, group, type NeedOf } from './app/compose.ts'
export type { ConfigOptions } from './app/config-source.ts'
export { BoundTask, currentTask, type RetryOptions, type TaskRequest } from './app/context.ts'
export { EagerResult } from './app/eager-result.ts'
export type { FailedRequest } from './app/errbacks.ts'
export { httpDispatch, type HttpParameters, httpTask, type HttpTaskOptions } from './app/http-task.ts'
export { type AnyResult, type Finished, GroupResult, ResultSet } from './app/group-result.ts'
export type { EnsuredWorker } from './app/own-worker.ts'
export type { PublishOptions } from './app/publish.ts'
export {
  graphToDot,
  graphToMermaid,
  type ResultGraph,
  type ResultNode,
} from './app/result-graph.ts'
export type { CollectOptions, Dependency } from './app/result-tree.ts'
export type { CustomDriver, CustomDrivers, DriverDeps } from './app/custom-driver.ts'
export type { SharedRateLimit } from './app/shared-rate.ts'
export { sharedTask } from './app/shared-task.ts'
export { taskLogger } from './app/task-logger.ts'
export type { StampingVisitor, StampOptions } from './app/stamping.ts'
export type {
  AnyTask,
  ApplyOptions,
  BoundFunction,
  ErrorKinds,
  Owed,
  Returned,
  Tails,
  TaskDescription,
  TaskFunction,
  TaskOptions,
} from './app/task.ts'
export { Task } from './app/task.ts'
export type { ClassOptions, RunnableClass, TaskBase, TaskClass } from './app/task-class.ts'
export type { ClassTask, DefineClass, DefineNamed, DefineTask } from './app/definition.ts'
export type { ParameterSchemas, Validation, ValidationParts } from './app/validation.ts'
export type {
  AfterTaskPublish,
  BeforeTaskPublish,
  LoggingSignal,
  ProcessSignal,
  PublishedOptions,
  RunSignal,
  SignalledWorker,
  Signals,
  TaskFailure,
  TaskPostrun,
  TaskRevoked,
  TaskSignal,
  WorkerEvent,
  WorkerSignal,
} from './app/signals.ts'
export type { AppSettingsInput, TqOptions } from './app/app-core.ts'
export type { ConnectOptions, SignalListener } from './core/signals.ts'
export type { TaskAnnotation, TaskAnnotations, TaskAnnotator } from './core/task-annotations.ts'
export type { PartPlace, Workflow, WorkflowOptions, WorkflowPart } from './app/workflow.ts'
export type { Place } from './app/workflow-places.ts'
export type { UniqueOptions } from './app/unique.ts'
export { workerQueue } from './app/worker-queue.ts'
export type {
  AddConsumerOptions,
  Control,
  InspectAnswer,
  InspectOptions,
  InspectQuery,
  Refusal,
  Replies,
  ReplyOptions,
  TimeLimitChange,
} from './control/control.ts'
export { type Clock, systemClock, type Timer } from './core/clock.ts'
export {
  AbortedError,
  ArgumentError,
  ChannelError,
  ChordError,
  ConnectionError,
  ContentRefusedError,
  DecodeError,
  DuplicateCallError,
  DuplicateTaskError,
  EncodeError,
  HttpTaskError,
  Ignore,
  InvalidResponseError,
  IncompleteStreamError,
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
  RemoteExecuteError,
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
  UnknownStatusError,
  ValidationError,
  type ValidationIssue,
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
export type { Stamps } from './core/stamps.ts'
export type { ResultBackend, StoreOptions, StorePlan } from './backends/result-backend.ts'
export type { Compression } from './serializers/compression.ts'
export type { Serializer } from './serializers/serializer.ts'
export { version } from './core/version.ts'
export type { Delivery, Outgoing, Subscription, Transport, TransportFeatures } from './transports/transport.ts'
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
