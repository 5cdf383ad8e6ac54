import { errorOf } from './async-result.ts'
import type { TqApp } from './tq.ts'
import { type SignatureData, withArgs } from '../core/signature.ts'
import type { TaskMeta } from '../core/states.ts'

/** What an error callback with `errback: 'request'` sees of the call that failed. */
export interface FailedRequest {
  readonly id: string
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly rootId: string
  readonly parentId: string | undefined
  /** Its error callbacks may have been sent before. */
  readonly repeated?: boolean | undefined
}

/**
 * Calls error callbacks: a task of this worker that was defined with `errback: 'request'` here and now, with the request, the error
 * and the traceback; any other is sent with the id of what failed. One that throws is logged, the others go on.
 * Source: celery/backends/base.py, _call_task_errbacks.
 */
export async function callErrbacks(
  app: TqApp,
  errbacks: readonly SignatureData[],
  failed: FailedRequest,
  meta: Pick<TaskMeta, 'error' | 'traceback'>,
): Promise<void> {
  const { id, rootId } = failed
  for (const errback of errbacks) {
    const task = app.registry.get(errback.task)
    if (task?.definition.options.errback !== 'request') {
      await app.sendFollowing(withArgs(errback, [id]), { rootId, parentId: id, repeated: failed.repeated })
      continue
    }
    const error = errorOf({ id, state: 'FAILURE', error: meta.error, traceback: meta.traceback })
    try {
      await task.definition.fn(...([failed, error, meta.traceback, ...errback.args] as never[])) // by its own promise
    } catch (thrown) {
      app.logger.error(`Error callback ${errback.task} of ${failed.task}[${id}] failed itself: ${String(thrown)}`)
    }
  }
}
