import type { ResultRef, StoredError } from './states.ts'

/** How one run of a task ended. Expected endings are values; nothing is thrown past the executor. */
export type Outcome = Ending & {
  /** Results of the tasks that the run sent. */
  readonly children?: readonly ResultRef[] | undefined
}

export type Ending =
  | {
      readonly kind: 'success'
      readonly value: unknown
      /** The child that ran it has stored the value, which is large, and keeps it; this is what can be shown of it. */
      readonly stored?: { readonly repr: string } | undefined
    }
  | { readonly kind: 'retry'; readonly etaMs: number; readonly cause: Failure; readonly changes: RetryChanges }
  | { readonly kind: 'failure'; readonly failure: Failure }
  | { readonly kind: 'timeout'; readonly limitSeconds: number; readonly failure: Failure }
  | { readonly kind: 'workerLost'; readonly failure: Failure }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'reject'; readonly requeue: boolean; readonly reason: string }
  | {
      readonly kind: 'revoked'
      readonly reason: 'revoked' | 'expired' | 'terminated'
      readonly signal?: string | undefined
    }

/** An error made ready to be stored and shown. `error` is the thrown value where the run was in this process. */
export interface Failure {
  readonly stored: StoredError
  /** One line, `Error: boom`. */
  readonly text: string
  readonly traceback: string
  readonly error?: unknown
  /** Listed in the task's `throws`: logged as information, without its traceback. */
  readonly expected?: boolean | undefined
}

/** What `self.retry()` changes in the next message. */
export interface RetryChanges {
  readonly args?: readonly unknown[] | undefined
  readonly kwargs?: Readonly<Record<string, unknown>> | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
}

export type LateAck = 'ack' | 'drop' | 'requeue'

/** The options of a task that decide how an outcome is settled. */
export interface SettlementPolicy {
  readonly acksOnFailure: boolean
  readonly acksOnTimeout: boolean
  readonly rejectOnWorkerLost: boolean
}

export type StoredState = 'SUCCESS' | 'RETRY' | 'FAILURE' | 'REVOKED'

/** One row of the settlement table. */
export interface Settlement {
  readonly store: StoredState | undefined
  /** What happens to the message of a task with late acknowledgement; an early one is settled already. */
  readonly late: LateAck
  readonly events: readonly SettlementEvent[]
  readonly next: 'callbacks' | 'errbacks' | 'retry' | 'nothing'
}

export type SettlementEvent = 'task-succeeded' | 'task-retried' | 'task-failed' | 'task-rejected' | 'task-revoked'

/**
 * The settlement table: what each outcome stores, acknowledges, emits and starts.
 * Source: celery/worker/request.py, on_success, on_failure, on_timeout, _announce_revoked (Celery 5.6.3).
 */
export function settlementOf(outcome: Outcome, policy: SettlementPolicy): Settlement {
  switch (outcome.kind) {
    case 'success':
      return { store: 'SUCCESS', late: 'ack', events: ['task-succeeded'], next: 'callbacks' }
    case 'retry':
      return { store: 'RETRY', late: 'ack', events: ['task-retried'], next: 'retry' }
    case 'failure':
      return {
        store: 'FAILURE',
        late: policy.acksOnFailure ? 'ack' : 'drop',
        events: ['task-failed'],
        next: 'errbacks',
      }
    case 'timeout':
      return {
        store: 'FAILURE',
        late: policy.acksOnTimeout ? 'ack' : 'requeue',
        events: ['task-failed'],
        next: 'errbacks',
      }
    case 'workerLost':
      return policy.rejectOnWorkerLost
        ? { store: undefined, late: 'requeue', events: [], next: 'nothing' }
        : { store: 'FAILURE', late: policy.acksOnFailure ? 'ack' : 'drop', events: ['task-failed'], next: 'errbacks' }
    case 'ignore':
      return { store: undefined, late: 'ack', events: [], next: 'nothing' }
    case 'reject':
      return outcome.requeue
        ? { store: undefined, late: 'requeue', events: ['task-rejected'], next: 'nothing' }
        : { store: 'FAILURE', late: 'drop', events: ['task-failed', 'task-rejected'], next: 'nothing' }
    case 'revoked':
      return { store: 'REVOKED', late: 'ack', events: ['task-revoked'], next: 'nothing' }
  }
}
