/** States that Celery knows; any other text is a custom state set through `updateState`. */
export type TaskState =
  | 'PENDING'
  | 'RECEIVED'
  | 'STARTED'
  | 'RETRY'
  | 'SUCCESS'
  | 'FAILURE'
  | 'REVOKED'
  | (string & Record<never, never>)

/** States after which nothing changes any more. Source: celery/states.py, READY_STATES. */
export const readyStates: ReadonlySet<string> = new Set(['SUCCESS', 'FAILURE', 'REVOKED'])

export function isReady(state: string): boolean {
  return readyStates.has(state)
}

/**
 * How final a state is: 0 not ready, 1 FAILURE or REVOKED, 2 SUCCESS. A stored state is never replaced by one of lower rank,
 * and SUCCESS by nothing. Source: celery/backends/base.py, store_result of key/value backends (SUCCESS is never overwritten).
 */
export function stateRank(state: string): 0 | 1 | 2 {
  if (state === 'SUCCESS') return 2
  return readyStates.has(state) ? 1 : 0
}

/**
 * How final a state is that stands already: an aborted task stays aborted, whatever it tells of its progress, until it ends. Source of
 * the state: celery/contrib/abortable.py.
 */
export function standingRank(state: string): 0 | 1 | 2 {
  return state === abortedState ? 1 : stateRank(state)
}

/** Somebody asked the task to end; not a ready state. */
export const abortedState = 'ABORTED'

/** An error as it is stored: Celery's exc_type, exc_message and exc_module. */
export interface StoredError {
  /** Class name, e.g. `ValueError`. */
  readonly type: string
  /** The constructor's arguments; for a JavaScript error its message alone. */
  readonly message: readonly unknown[]
  readonly module: string
}

/** One task's record in the result backend. */
export interface TaskMeta {
  readonly id: string
  readonly state: TaskState
  /** Value of SUCCESS; meta of STARTED and custom states. */
  readonly result?: unknown
  readonly error?: StoredError | undefined
  readonly traceback?: string | undefined
  readonly children?: readonly ResultRef[] | undefined
  readonly parentId?: string | undefined
  readonly groupId?: string | undefined
  /** Epoch ms; only in ready states. */
  readonly doneAtMs?: number | undefined
  /** Only with `resultExtended`: */
  readonly name?: string | undefined
  readonly args?: readonly unknown[] | undefined
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  readonly worker?: string | undefined
  readonly retries?: number | undefined
  readonly queue?: string | undefined
  readonly stamps?: Readonly<Record<string, unknown>> | undefined
  /** Fields of a foreign document that tq does not know. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/** Reference to a result, as children and saved groups hold it. */
export interface ResultRef {
  readonly id: string
  readonly parent?: ResultRef | undefined
  /** Present on a group's reference. */
  readonly results?: readonly ResultRef[] | undefined
}

export interface GroupMeta {
  readonly id: string
  readonly results: readonly ResultRef[]
  readonly parent?: ResultRef | undefined
}

/** Names one chord: its header's group id. */
export interface ChordRef {
  readonly groupId: string
}
