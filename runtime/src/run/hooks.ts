import { BoundTask, runInContext, type TaskContext } from '../app/context.ts'
import type { TaskOptions } from '../app/task.ts'
import type { Ending } from '../core/outcome.ts'

/**
 * Calls the hooks of a run that ended by itself, where it ran and before it is settled; each is awaited. One that throws is logged: the
 * task has ended as it has. A run that was rejected, ignored, revoked or killed calls none.
 * Source: celery/app/trace.py, trace_task, handle_failure, handle_retry, IGNORE_STATES.
 */
export async function afterRun(context: TaskContext, options: TaskOptions, ending: Ending): Promise<void> {
  const { onSuccess, onRetry, onFailure, afterReturn } = options
  const self = new BoundTask(context)
  const call = async (name: string, hook: () => unknown): Promise<void> => {
    try {
      await runInContext(context, hook)
    } catch (error) {
      context.logger.error(`${name} threw; the task has ended as it did.`, { error })
    }
  }
  switch (ending.kind) {
    case 'success': {
      const { value } = ending
      if (onSuccess) await call('onSuccess', () => onSuccess(self, value))
      if (afterReturn) await call('afterReturn', () => afterReturn(self, { state: 'SUCCESS', value }))
      return
    }
    case 'retry': {
      const error = ending.cause.error
      if (onRetry) await call('onRetry', () => onRetry(self, error))
      return
    }
    case 'failure': {
      const error = ending.failure.error
      if (onFailure) await call('onFailure', () => onFailure(self, error))
      if (afterReturn) await call('afterReturn', () => afterReturn(self, { state: 'FAILURE', error }))
      return
    }
    case 'timeout':
    case 'workerLost':
    case 'ignore':
    case 'reject':
    case 'revoked':
  }
}

/** Whether it has to be called at all: most tasks have no hooks. */
export function hasHooks({ onSuccess, onRetry, onFailure, afterReturn }: TaskOptions): boolean {
  return (onSuccess ?? onRetry ?? onFailure ?? afterReturn) !== undefined
}
