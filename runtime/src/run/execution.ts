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
  /** Its events are sent. */
  readonly sendsEvents: boolean
  /** Listeners of `taskReceived` that have not returned yet: it does not start before they have. */
  heard: Promise<void> | undefined
  /** Failures are stored even where results are ignored. */
  readonly storesErrors: boolean
  readonly receivedAtMs: number
  /** Epoch ms and monotonic ms of the start; undefined while it waits. */
  startedAtMs: number | undefined
  startedMonotonic: number
  acknowledged: boolean
  /** Another worker has the message: what it makes of it is that one's business. */
  isLost: boolean
  run: PoolRun | undefined
  /** Its message went back before the run has ended: what becomes of that run counts for nothing. */
  isAbandoned: boolean
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
  // The task's word wins over the setting, and either name over the joint one. Source: celery/app/task.py, Task.from_config.
  const either = options.acksOnFailureOrTimeout
  const eitherSetting = settings.taskAcksOnFailureOrTimeout
  const acksLate = options.acksLate ?? settings.taskAcksLate
  return {
    delivery,
    message,
    task,
    acksLate,
    policy: {
      acksOnFailure: options.acksOnFailure ?? either ?? settings.taskAcksOnFailure ?? eitherSetting,
      acksOnTimeout: options.acksOnTimeout ?? either ?? settings.taskAcksOnTimeout ?? eitherSetting,
      // What was acknowledged early cannot go back: it has failed.
      rejectOnWorkerLost: acksLate && (options.rejectOnWorkerLost ?? settings.taskRejectOnWorkerLost),
    },
    trackStarted: options.trackStarted ?? settings.taskTrackStarted,
    ignoresResult: message.ignoreResult || options.ignoreResult === true,
    storesErrors: options.storeErrorsEvenIfIgnored ?? settings.taskStoreErrorsEvenIfIgnored,
    sendsEvents: options.sendEvents !== false,
    heard: undefined,
    receivedAtMs: nowMs,
    startedAtMs: undefined,
    startedMonotonic: 0,
    acknowledged: false,
    isLost: false,
    run: undefined,
    isAbandoned: false,
  }
}
