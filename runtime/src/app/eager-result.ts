import { AsyncResult, type EagerRunFacts, errorOf, type ResultSource } from './async-result.ts'
import type { TaskMeta } from '../core/states.ts'

/** How a call ended that ran here: what `task.apply()` gives. The same handle as any other, with what is known of the run already. */
export class EagerResult<R> extends AsyncResult<R> {
  /** Of the task. */
  readonly name: string
  /** What is stored of the task; undefined where it stored nothing: it was ignored, or its results are. */
  readonly stored: TaskMeta | undefined

  constructor(source: ResultSource, id: string, eager: EagerRunFacts, ended: Pick<EagerResult<R>, 'name' | 'stored'>) {
    super(source, id, undefined, eager)
    this.name = ended.name
    this.stored = ended.stored
  }

  /** The value of a success, else the error that `get()` rejects with. Source: celery/result.py, EagerResult.result. */
  get value(): R | Error | undefined {
    if (this.stored === undefined) return undefined
    return errorOf(this.stored) ?? (this.stored.result as R) // what the task's type promises
  }
}
