import { redactedReprs } from '../app/redacted.ts'
import { encodeMessage } from '../app/send.ts'
import type { TqApp } from '../app/tq.ts'
import type { Message } from '../core/message.ts'
import type { Outcome } from '../core/outcome.ts'
import { type SignatureData, withArgs } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import { type ChordDeps, endSteps } from '../app/chord-join.ts'
import { callErrbacks } from '../app/errbacks.ts'
import type { Execution } from './execution.ts'
import type { ExecutorDeps } from './executor.ts'
import { rejectedError, revokedError } from './failure.ts'

/** The same message again, one retry later, with what `self.retry()` changed. */
export async function publishRetry(
  { app, publish }: Pick<ExecutorDeps, 'app' | 'publish'>,
  execution: Execution,
  outcome: Outcome & { readonly kind: 'retry' },
): Promise<void> {
  const { message, delivery } = execution
  const { args, kwargs, queue, priority } = outcome.changes
  // RabbitMQ refuses a message with a user that is not its sender's, and its sender is now this worker.
  const { userId: _, ...properties } = message.properties
  const next: Message = {
    ...message,
    args: args ?? message.args,
    kwargs: kwargs ?? message.kwargs,
    ...reprsOf(app, execution, outcome),
    repeated: mayRepeat(execution),
    etaMs: outcome.etaMs,
    retries: message.retries + 1,
    properties: { ...properties, priority: priority ?? properties.priority },
  }
  // Straight to the queue it came from: by its exchange it would run again wherever else it has run already.
  const { queue: own } = delivery.info
  const where =
    queue === undefined
      ? { queue: own, exchange: '', routingKey: own }
      : app.router.route({ task: message.task, args: [], kwargs: {}, options: { queue }, taskOptions: {} }).route
  await publish({ message: next, raw: encodeMessage(app, next, execution.task.definition.options), route: where })
}

/** A message that is delivered again has perhaps sent before what it sends now. */
export function mayRepeat({ message, delivery }: Pick<Execution, 'message' | 'delivery'>): boolean | undefined {
  return message.repeated || delivery.info.redelivered || undefined
}

function reprsOf(
  app: TqApp,
  { message, task }: Execution,
  { changes: { args, kwargs } }: Outcome & { readonly kind: 'retry' },
): Pick<Message, 'argsRepr' | 'kwargsRepr'> {
  const call = { task: message.task, args: args ?? message.args, kwargs: kwargs ?? message.kwargs }
  const shown = args || kwargs ? redactedReprs(app, call, task.definition.options) : undefined
  return {
    argsRepr: args ? shown?.argsRepr : message.argsRepr,
    kwargsRepr: kwargs ? shown?.kwargsRepr : message.kwargsRepr,
  }
}

/**
 * Callbacks and the next step of a chain after a success, error callbacks after a failure. The ids are frozen already, so a
 * repeated delivery sends the same calls, and says so: those of them that have ended do not run again. A step that fails or is revoked ends the remaining ones likewise, so that nobody waits
 * for them. Resolves with the results that are children of the task.
 * Source: celery/app/trace.py (callbacks, chain), celery/backends/base.py, mark_as_failure (Celery 5.6.3).
 */
export async function publishNext(
  chords: ChordDeps,
  message: Message,
  outcome: Outcome,
): Promise<readonly ResultRef[]> {
  const { app } = chords
  switch (outcome.kind) {
    case 'success': {
      const children: ResultRef[] = []
      for (const callback of message.callbacks)
        children.push(await sendNext(app, message, withArgs(callback, [outcome.value])))
      const [next, ...rest] = message.chain
      if (next) children.push(await sendNext(app, message, withArgs(next, [outcome.value]), rest))
      return children
    }
    case 'failure':
    case 'timeout':
    case 'workerLost': {
      const { stored: error, traceback } = outcome.failure
      await callErrbacks(app, message.errbacks, message, { error, traceback })
      await endSteps(chords, message, message.chain, { state: 'FAILURE', error, traceback })
      return []
    }
    case 'revoked':
      await endSteps(chords, message, message.chain, { state: 'REVOKED', error: revokedError(outcome.reason) })
      return []
    case 'reject':
      await endSteps(chords, message, message.chain, { state: 'FAILURE', error: rejectedError(outcome.reason) })
      return []
    case 'retry':
    case 'ignore':
      return []
  }
}

function sendNext(
  app: TqApp,
  parent: Pick<Message, 'id' | 'rootId' | 'repeated'>,
  signature: SignatureData,
  steps: readonly SignatureData[] = [],
): Promise<ResultRef> {
  const rootId = signature.options.rootId ?? parent.rootId
  return app.sendFollowing(signature, { rootId, parentId: parent.id, repeated: parent.repeated }, steps)
}
