import { type BoundTask, runInContext, type TaskContext } from '../app/context.ts'
import { requestOf } from '../app/request.ts'
import type { RunSignal, TaskPostrun } from '../app/signals.ts'
import { selfOf } from '../app/task-layers.ts'
import type { TaskDefinition } from '../app/task.ts'
import type { Ending } from '../core/outcome.ts'

/** Tells the listeners of `taskPrerun`, where the task runs and before anything of it does. */
export function beforeRun(context: TaskContext): Promise<void> | undefined {
  return context.app.signals.emit('taskPrerun', () => runSignal(context))
}

/**
 * Calls the hooks and tells the listeners of a run that ended by itself, where it ran and before it is settled; each is awaited. One that
 * throws is logged: the task has ended as it has. A run that was rejected, ignored, revoked or whose time was over calls no hooks, only
 * `taskPostrun` hears of it.
 * Source: celery/app/trace.py, trace_task, handle_failure, handle_retry, IGNORE_STATES (order of hooks and signals).
 */
export async function afterRun(context: TaskContext, definition: TaskDefinition, ending: Ending): Promise<void> {
  const { onSuccess, onRetry, onFailure, afterReturn } = definition.options
  const { signals } = context.app
  const call = async (name: string, hook: (self: BoundTask) => unknown): Promise<void> => {
    try {
      await runInContext(context, () => hook(selfOf(definition, context)))
    } catch (error) {
      context.logger.error(`${name} threw; the task has ended as it did.`, { error })
    }
  }
  const tell = (emit: () => Promise<void> | undefined): Promise<void> | undefined => runInContext(context, emit)
  switch (ending.kind) {
    case 'success': {
      const { value } = ending
      if (onSuccess) await call('onSuccess', (self) => onSuccess(self, value))
      await tell(() => signals.emit('taskSuccess', () => ({ ...runSignal(context), result: value })))
      if (afterReturn) await call('afterReturn', (self) => afterReturn(self, { state: 'SUCCESS', value }))
      break
    }
    case 'retry': {
      const reason = ending.cause.error
      if (onRetry) await call('onRetry', (self) => onRetry(self, reason))
      const eta = new Date(ending.etaMs)
      await tell(() => signals.emit('taskRetry', () => ({ ...runSignal(context), reason, eta })))
      break
    }
    case 'failure': {
      const { error, traceback } = ending.failure
      if (onFailure) await call('onFailure', (self) => onFailure(self, error))
      await tell(() => signals.emit('taskFailure', () => ({ ...runSignal(context), exception: error, traceback })))
      if (afterReturn) await call('afterReturn', (self) => afterReturn(self, { state: 'FAILURE', error }))
      break
    }
    case 'timeout':
    case 'workerLost':
    case 'ignore':
    case 'reject':
    case 'revoked':
  }
  await tell(() => signals.emit('taskPostrun', () => ({ ...runSignal(context), ...endedAs(ending) })))
}

/** Whether it has to be called at all: most tasks have no hooks, and most apps no listeners. */
export function hasHooks({ app }: TaskContext, { options }: TaskDefinition): boolean {
  const { onSuccess, onRetry, onFailure, afterReturn } = options
  if ((onSuccess ?? onRetry ?? onFailure ?? afterReturn) !== undefined) return true
  return heard.some((signal) => app.signals.has(signal))
}

const heard = ['taskPostrun', 'taskSuccess', 'taskFailure', 'taskRetry'] as const

function runSignal(context: TaskContext): RunSignal {
  const { message, definition } = context
  const { id: taskId, args, kwargs } = message
  return {
    sender: definition.name,
    taskId,
    args,
    kwargs,
    request: requestOf(context),
    task: selfOf(definition, context),
  }
}

function endedAs(ending: Ending): Pick<TaskPostrun, 'retval' | 'state'> {
  switch (ending.kind) {
    case 'success':
      return { retval: ending.value, state: 'SUCCESS' }
    case 'retry':
      return { retval: ending.cause.error, state: 'RETRY' }
    case 'failure':
    case 'timeout':
    case 'workerLost':
      return { retval: ending.failure.error, state: 'FAILURE' }
    case 'ignore':
      return { retval: undefined, state: 'IGNORED' }
    case 'reject':
      return { retval: ending.reason, state: 'REJECTED' }
    case 'revoked':
      return { retval: ending.reason, state: 'REVOKED' }
  }
}
