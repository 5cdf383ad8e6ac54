import type { AnyTask } from '../app/task.ts'
import type { Message } from '../core/message.ts'
import type { SettlementPolicy } from '../core/outcome.ts'
import type { Settings } from '../core/settings.ts'
import type { PoolRun } from '../pools/pool.ts'
import type { Delivery } from '../transports/transport.ts'

/** One task on its way through a worker: everything that is known of it, from delivery to settlement. */
export interface Execution {
  readonly delivery: Delivery
  readonly message: Message
  readonly task: AnyTask
  readonly acksLate: boolean
  readonly policy: SettlementPolicy
  readonly trackStarted: boolean
  /** By the message or by the task. */
  readonly ignoresResult: boolean
  /** Failures are stored even where results are ignored. */
  readonly storesErrors: boolean
  readonly receivedAtMs: number
  /** Epoch ms and monotonic ms of the start; undefined while it waits. */
  startedAtMs: number | undefined
  startedMonotonic: number
  acknowledged: boolean
  run: PoolRun | undefined
}

/** The record of a delivery that may run, its options resolved: the task's before the settings. */
export function newExecution(
  delivery: Delivery,
  message: Message,
  task: AnyTask,
  settings: Settings,
  nowMs: number,
): Execution {
  const { options } = task.definition
  return {
    delivery,
    message,
    task,
    acksLate: options.acksLate ?? settings.taskAcksLate,
    policy: {
      acksOnFailure: options.acksOnFailure ?? settings.taskAcksOnFailure,
      acksOnTimeout: options.acksOnTimeout ?? settings.taskAcksOnTimeout,
      rejectOnWorkerLost: options.rejectOnWorkerLost ?? settings.taskRejectOnWorkerLost,
    },
    trackStarted: options.trackStarted ?? settings.taskTrackStarted,
    ignoresResult: message.ignoreResult || options.ignoreResult === true,
    storesErrors: options.storeErrorsEvenIfIgnored ?? settings.taskStoreErrorsEvenIfIgnored,
    receivedAtMs: nowMs,
    startedAtMs: undefined,
    startedMonotonic: 0,
    acknowledged: false,
    run: undefined,
  }
}
