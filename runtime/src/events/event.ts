/** Fields of every event. */
export interface EventBase {
  /** Node name of the sender: `celery@host` for a worker, `gen<pid>@host` for a client. */
  readonly hostname: string
  readonly pid: number
  /** Lamport clock of the sender. */
  readonly clock: number
  /** Epoch ms. */
  readonly timestampMs: number
  /** Hours, UTC minus local. */
  readonly utcoffset: number
}

export interface TaskSent extends EventBase {
  readonly type: 'task-sent'
  readonly uuid: string
  readonly name: string
  readonly args: string
  readonly kwargs: string
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly retries: number
  readonly eta?: string | undefined
  readonly expires?: string | undefined
  /** Those of tq's tasks; Celery's events have none. */
  readonly stamps?: Readonly<Record<string, unknown>> | undefined
  readonly queue: string
  readonly exchange: string
  readonly routingKey: string
}

export interface TaskReceived extends EventBase {
  readonly type: 'task-received'
  readonly uuid: string
  readonly name: string
  readonly args: string
  readonly kwargs: string
  readonly rootId?: string | undefined
  readonly parentId?: string | undefined
  readonly retries: number
  readonly eta?: string | undefined
  readonly expires?: string | undefined
  /** Those of tq's tasks; Celery's events have none. */
  readonly stamps?: Readonly<Record<string, unknown>> | undefined
}

export interface TaskStarted extends EventBase {
  readonly type: 'task-started'
  readonly uuid: string
}

export interface TaskSucceeded extends EventBase {
  readonly type: 'task-succeeded'
  readonly uuid: string
  /** Python-like repr of the value, shortened. */
  readonly result: string
  /** Seconds. */
  readonly runtime: number
}

export interface TaskFailed extends EventBase {
  readonly type: 'task-failed'
  readonly uuid: string
  readonly exception: string
  readonly traceback?: string | undefined
}

export interface TaskRetried extends EventBase {
  readonly type: 'task-retried'
  readonly uuid: string
  readonly exception: string
  readonly traceback?: string | undefined
}

export interface TaskRejected extends EventBase {
  readonly type: 'task-rejected'
  readonly uuid: string
  readonly requeue: boolean
}

export interface TaskRevoked extends EventBase {
  readonly type: 'task-revoked'
  readonly uuid: string
  readonly terminated: boolean
  readonly signum?: string | number | undefined
  readonly expired: boolean
}

export interface WorkerPulse extends EventBase {
  readonly type: 'worker-online' | 'worker-heartbeat' | 'worker-offline'
  /** Seconds between heartbeats. */
  readonly freq: number
  readonly active: number
  readonly processed: number
  readonly loadavg: readonly number[]
  readonly swIdent: string
  readonly swVer: string
  readonly swSys: string
}

/** An event of a type that tq does not know; its fields as they came. */
export interface CustomEvent extends EventBase {
  readonly type: 'custom'
  readonly name: string
  readonly fields: Readonly<Record<string, unknown>>
}

export type TaskEvent =
  | TaskSent
  | TaskReceived
  | TaskStarted
  | TaskSucceeded
  | TaskFailed
  | TaskRetried
  | TaskRejected
  | TaskRevoked

export type WorkerEvent = TaskEvent | WorkerPulse | CustomEvent

type WithoutBase<E> = E extends EventBase ? Omit<E, keyof EventBase> : never

/** What a caller of `EventSink.emit` gives; the sink adds sender, clock and time. */
export type EventFields = WithoutBase<WorkerEvent>

/** Where a process puts its events. `emit` never throws and never waits. */
export interface EventSink {
  readonly enabled: boolean
  /** Task events are dropped while disabled; worker events are always sent. */
  emit(event: EventFields): void
  flush(): Promise<void>
  setEnabled(on: boolean): void
  close(): Promise<void>
}
