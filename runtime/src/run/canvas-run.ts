import { freezeLinks } from '../app/canvas.ts'
import { redactedReprs } from '../app/redacted.ts'
import { callOf, encodeMessage } from '../app/send.ts'
import type { TqApp } from '../app/tq.ts'
import type { ResultBackend } from '../backends/result-backend.ts'
import { taskId } from '../core/id.ts'
import type { Message } from '../core/message.ts'
import type { Outcome } from '../core/outcome.ts'
import { type SignatureData, withArgs, withOptions } from '../core/signature.ts'
import type { TaskMeta } from '../core/states.ts'
import { errorModule } from '../wire/error-names.ts'
import type { Execution } from './execution.ts'
import type { ExecutorDeps } from './executor.ts'

/** The same message again, one retry later, with what `self.retry()` changed. */
export async function publishRetry(
  { app, publish }: Pick<ExecutorDeps, 'app' | 'publish'>,
  execution: Execution,
  outcome: Outcome & { readonly kind: 'retry' },
): Promise<void> {
  const { message, delivery } = execution
  const { args, kwargs, queue, priority } = outcome.changes
  const next: Message = {
    ...message,
    args: args ?? message.args,
    kwargs: kwargs ?? message.kwargs,
    ...reprsOf(app, execution, outcome),
    etaMs: outcome.etaMs,
    retries: message.retries + 1,
    properties: { ...message.properties, priority: priority ?? message.properties.priority },
  }
  // Straight to the queue it came from: by its exchange it would run again wherever else it has run already.
  const { queue: own } = delivery.info
  const where =
    queue === undefined
      ? { queue: own, exchange: '', routingKey: own }
      : app.router.route({ task: message.task, args: [], kwargs: {}, options: { queue }, taskOptions: {} }).route
  await publish({ message: next, raw: encodeMessage(app, next, execution.task.definition.options), route: where })
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
 * repeated delivery sends the same calls. A failed chain fails its remaining steps, so that nobody waits for them.
 * Source: celery/app/trace.py (callbacks, chain), celery/backends/base.py, mark_as_failure (Celery 5.6.3).
 */
export async function publishNext(
  app: TqApp,
  backend: ResultBackend,
  message: Message,
  outcome: Outcome,
  ttlMs: number,
): Promise<void> {
  if (outcome.kind === 'success') {
    for (const callback of message.callbacks) await sendNext(app, message, withArgs(callback, [outcome.value]))
    const [next, ...rest] = message.chain
    if (next) await sendNext(app, message, withArgs(next, [outcome.value]), rest)
    return
  }
  for (const errback of message.errbacks) await sendNext(app, message, withArgs(errback, [message.id]))
  if (outcome.kind !== 'failure' && outcome.kind !== 'timeout' && outcome.kind !== 'workerLost') return
  const { stored: error, traceback } = outcome.failure
  const failed: TaskMeta[] = []
  for (const { options } of message.chain) {
    if (options.taskId === undefined) continue
    failed.push({ id: options.taskId, state: 'FAILURE', error, traceback, doneAtMs: app.clock.now() })
  }
  if (failed.length > 0) await backend.store(failed, { ttlMs })
}

async function sendNext(
  app: TqApp,
  parent: Message,
  signature: SignatureData,
  chain: readonly SignatureData[] = [],
): Promise<void> {
  const newId = (): string => taskId(app.clock.now())
  const lineage = withOptions(signature, {
    rootId: signature.options.rootId ?? parent.rootId,
    parentId: parent.id,
    link: freezeLinks(signature.options.link ?? [], newId),
    linkError: freezeLinks(signature.options.linkError ?? [], newId),
  })
  if (lineage.kind === 'task') await app.send({ ...callOf(lineage, {}), chain, following: true })
  else await app.sendSignature(lineage)
}

/**
 * Counts a header part and, when it was the last, sends the body with all values in order; a failed part fails the body instead.
 * May be called again for the same part. Source: celery/backends/redis.py, on_chord_part_return.
 */
export async function joinChord(
  app: TqApp,
  backend: ResultBackend,
  message: Message,
  part: TaskMeta,
  ttlMs: number,
): Promise<void> {
  const { chord: body, groupId, groupIndex } = message
  if (!body || groupId === undefined) return
  const chord = { groupId }
  const joined = await backend.joinChord(chord, { index: groupIndex, meta: part }, { ttlMs })
  if (joined === 'waiting') return
  const parts = await backend.chordParts(chord)
  const failed = parts.find((one) => one.state !== 'SUCCESS')
  if (!failed) {
    await sendNext(app, message, withArgs(body, [parts.map((one) => one.result)]))
    await backend.closeChord(chord)
    return
  }
  const { type = 'Error', message: said = [] } = failed.error ?? {}
  const error = {
    type: 'ChordError',
    message: [`Dependency ${failed.id} raised ${type}(${said.map((one) => JSON.stringify(one)).join(', ')})`],
    module: errorModule('ChordError', ''),
  }
  const id = body.options.taskId
  if (id !== undefined) {
    await backend.store([{ id, state: 'FAILURE', error, doneAtMs: app.clock.now() }], { ttlMs })
    for (const errback of body.options.linkError ?? []) await sendNext(app, message, withArgs(errback, [id]))
  }
  await backend.closeChord(chord)
}
