import type { Failure, Outcome, Settlement } from '../core/outcome.ts'
import { pythonRepr } from '../wire/python-text.ts'
import type { Execution } from './execution.ts'
import type { ExecutorDeps } from './executor.ts'

type Teller = Pick<ExecutorDeps, 'events' | 'clock' | 'logger'>

/** The events of the table's row. */
export function emitSettled({ events, clock }: Teller, execution: Execution, outcome: Outcome, row: Settlement): void {
  if (!events.enabled || !execution.sendsEvents) return
  const uuid = execution.message.id
  for (const type of row.events) {
    switch (type) {
      case 'task-succeeded': {
        const runtime = (clock.monotonic() - execution.startedMonotonic) / 1000
        events.emit({ type, uuid, result: reprOf(execution, outcome), runtime })
        break
      }
      case 'task-failed':
      case 'task-retried': {
        const failure = failureIn(outcome)
        events.emit({ type, uuid, exception: failure?.text ?? outcome.kind, traceback: failure?.traceback })
        break
      }
      case 'task-rejected':
        events.emit({ type, uuid, requeue: outcome.kind === 'reject' && outcome.requeue })
        break
      case 'task-revoked': {
        const reason = outcome.kind === 'revoked' ? outcome.reason : 'revoked'
        const signum = outcome.kind === 'revoked' ? outcome.signal : undefined
        events.emit({ type, uuid, terminated: reason === 'terminated', signum, expired: reason === 'expired' })
      }
    }
  }
}

/** One line of the log. */
export function logSettled({ logger, clock }: Teller, execution: Execution, outcome: Outcome): void {
  // Two lines per task, which most loggers do not write.
  if (outcome.kind === 'success' && logger.isEnabled?.('info') === false) return
  const name = `${execution.message.task}[${execution.message.id}]`
  switch (outcome.kind) {
    case 'success': {
      const seconds = ((clock.monotonic() - execution.startedMonotonic) / 1000).toFixed(6)
      return logger.info(`Task ${name} succeeded in ${seconds}s: ${reprOf(execution, outcome)}`)
    }
    case 'retry': {
      const inSeconds = Math.max(0, (outcome.etaMs - clock.now()) / 1000).toFixed(1)
      return logger.info(`Task ${name} retry in ${inSeconds}s: ${outcome.cause.text}`)
    }
    case 'failure':
    case 'timeout':
    case 'workerLost':
      return outcome.failure.expected
        ? logger.info(`Task ${name} failed as expected: ${outcome.failure.text}`)
        : logger.error(`Task ${name} failed: ${outcome.failure.text}\n${outcome.failure.traceback}`)
    case 'revoked':
      return logger.info(`Task ${name} was not run: ${outcome.reason}`)
    case 'ignore':
      return logger.info(`Task ${name} ignored`)
    case 'reject':
      if (outcome.requeue && !execution.acksLate) {
        return logger.warn(
          `Task ${name} rejected, and is lost: ${outcome.reason} Its message was acknowledged before the run and cannot go back; set acksLate.`,
        )
      }
      return logger.info(`Task ${name} rejected (${outcome.requeue ? 'requeued' : 'dropped'}): ${outcome.reason}`)
  }
}

/** The value as events and log show it. Source of the length: celery/app/task.py, Task.resultrepr_maxsize. */
function reprOf({ task }: Execution, outcome: Outcome): string {
  const maxLength = task.definition.options.resultreprMaxsize ?? 1024
  if (outcome.kind !== 'success') return pythonRepr(null)
  return outcome.stored ? outcome.stored.repr.slice(0, maxLength) : pythonRepr(outcome.value, maxLength)
}

function failureIn(outcome: Outcome): Failure | undefined {
  switch (outcome.kind) {
    case 'failure':
    case 'timeout':
    case 'workerLost':
      return outcome.failure
    case 'retry':
      return outcome.cause
    case 'success':
    case 'ignore':
    case 'reject':
    case 'revoked':
      return undefined
  }
}
