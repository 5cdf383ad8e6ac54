import type { ResultBackend } from '../backends/result-backend.ts'
import type { Clock } from '../core/clock.ts'
import { ChannelError, ChordError, JoinInTaskError, TaskFailedError, TaskRevokedError } from '../core/errors.ts'
import type { Stamps } from '../core/stamps.ts'
import { abortedState, isReady, type ResultRef, type TaskMeta } from '../core/states.ts'
import { currentContext } from './context.ts'
import type { AnyResult } from './group-result.ts'
import { type CollectOptions, collected, dependencies, type Dependency, leafOf } from './result-tree.ts'
import { graphOf, type ResultGraph } from './result-graph.ts'
import { closedWhileWaiting, watching } from './waiting.ts'

/** Marks a result across two copies of the package. */
export const asyncResultBrand: unique symbol = Symbol.for('tq.AsyncResult')

/** What a result needs of the app that made it. */
export interface ResultSource {
  readonly clock: Clock
  backend(): Promise<ResultBackend>
  revoke(id: string | readonly string[], options: RevokeOptions): Promise<void>
  revokeByStampedHeaders(headers: Stamps, options: RevokeOptions): Promise<void>
  /** Seconds; how long saved groups are kept. */
  readonly resultExpires: number
  /** The handle on what a reference names. */
  resultOf(ref: ResultRef): AnyResult
  /** Called when a `get()` has waited for 3 s: says why nothing may come, where that can be told. */
  explainWaiting?(id: string): void
}

/** How a revoked task that runs already is dealt with. */
export interface RevokeOptions {
  /** Also ends it. Default false: it goes on. */
  readonly terminate?: boolean | undefined
  /** By which a process of a pool is ended. Default SIGTERM. */
  readonly signal?: NodeJS.Signals | undefined
}

/** How to wait for a result. */
export interface GetOptions {
  /** Seconds; default for ever. */
  readonly timeout?: number | undefined
  /** False resolves with the error instead of rejecting. Default true. */
  readonly propagate?: boolean | undefined
  /** Sees every change of state, the final one included. */
  readonly onMessage?: ((meta: TaskMeta) => void) | undefined
  /** Stops waiting; the task goes on. */
  readonly signal?: AbortSignal | undefined
  /** False allows waiting inside a task. Default true. */
  readonly disableSyncSubtasks?: boolean | undefined
}

/** How a call went that ran here. */
export interface EagerRunFacts {
  /** Runs it took, retries included; 0 where nobody waited. */
  readonly attempts: number
  /** Virtual ms that its ETA and retries would have taken. */
  readonly simulatedMs: number
}

/** A handle on a sent task. Every read asks the result backend; there is no `then`, so that `await` does not wait for it. */
export class AsyncResult<R> {
  readonly [asyncResultBrand] = true
  readonly id: string
  /** The step before this one in a chain; of a chord's body its header. */
  readonly parent: AnyResult | undefined
  /** How an eager call went; undefined for one that was sent. */
  readonly eager: EagerRunFacts | undefined
  readonly #source: ResultSource

  constructor(source: ResultSource, id: string, parent?: AnyResult, eager?: EagerRunFacts) {
    this.eager = eager
    this.#source = source
    this.id = id
    this.parent = parent
  }

  /**
   * Waits for the value. Rejects with TaskFailedError (the task failed), ChordError (a part of its header did), TaskRevokedError, TimeoutError, the signal's reason, or
   * JoinInTaskError inside a task. Waiting without `timeout` is for ever.
   */
  async get(options: GetOptions = {}): Promise<R> {
    const running = currentContext()
    if (running && !running.calledDirectly && options.disableSyncSubtasks !== false) throw new JoinInTaskError()
    const meta = await this.#wait(options)
    const error = errorOf(meta)
    if (error && options.propagate === false) return error as R // asked for: the error in place of the value
    if (error) throw error
    return meta.result as R // what the task's type promises; the wire cannot prove it
  }

  /** Every change of state from now on, the current state first where one is stored; ends with the final one. */
  async *updates(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterable<TaskMeta> {
    const backend = await this.#source.backend()
    yield* backend.watch([this.id], options.signal ?? new AbortController().signal)
  }

  /** PENDING means that nothing is stored: the task waits, runs untracked, or was never sent. */
  async state(): Promise<string> {
    return (await this.meta())?.state ?? 'PENDING'
  }

  /** Something is stored of it. Source: celery/result.py, AsyncResult.exists. */
  async exists(): Promise<boolean> {
    return (await this.meta()) !== undefined
  }

  async ready(): Promise<boolean> {
    return isReady(await this.state())
  }

  async successful(): Promise<boolean> {
    return (await this.state()) === 'SUCCESS'
  }

  async failed(): Promise<boolean> {
    return (await this.state()) === 'FAILURE'
  }

  async traceback(): Promise<string | undefined> {
    return (await this.meta())?.traceback
  }

  /** The value, the meta of a state in between, or the error. */
  async info(): Promise<unknown> {
    const meta = await this.meta()
    return meta && (errorOf(meta) ?? meta.result)
  }

  /** The whole record, undefined while nothing is stored. */
  async meta(): Promise<TaskMeta | undefined> {
    const backend = await this.#source.backend()
    const [meta] = await backend.fetch([this.id])
    return meta
  }

  /** Results of the tasks that this one sent. */
  async children(): Promise<readonly AnyResult[]> {
    return ((await this.meta())?.children ?? []).map((ref) => this.#source.resultOf(ref))
  }

  /** This result and all that came of it, each with its value, breadth first: waits for each of them. */
  collect(options: CollectOptions = {}): AsyncGenerator<readonly [result: AnyResult, value: unknown]> {
    return collected(this, options)
  }

  /**
   * As `collect`, without waiting and without values: each result with the one that it came of. Throws IncompleteStreamError at one
   * that is not ready, unless `intermediate`. Source: celery/result.py, AsyncResult.iterdeps.
   */
  iterdeps(options: { readonly intermediate?: boolean | undefined } = {}): AsyncGenerator<Dependency> {
    return dependencies(this, options)
  }

  /** The value of the last result that came of this one: waits for all of them. Source: celery/result.py, AsyncResult.get_leaf. */
  getLeaf(options: GetOptions = {}): Promise<unknown> {
    return leafOf(this, options)
  }

  /** How it hangs together with others, as data; `graphToDot` and `graphToMermaid` draw it. */
  graph(): Promise<ResultGraph> {
    return graphOf(this)
  }

  /** Calls `fn` once the task is ready; what `then` would be called. */
  whenReady(fn: (meta: TaskMeta) => void, options: GetOptions = {}): Promise<void> {
    return this.#wait(options).then(fn)
  }

  /** Deletes the stored result, and those of the steps before it in a chain. Source: celery/result.py, AsyncResult.forget. */
  async forget(): Promise<void> {
    const backend = await this.#source.backend()
    await Promise.all([backend.forget(this.id), this.parent?.forget()])
  }

  /** Tells the workers not to run it; with `terminate` also to end it if it runs. */
  revoke(options: RevokeOptions = {}): Promise<void> {
    return this.#source.revoke(this.id, options)
  }

  /** As `revoke`, for every call that has one of these stamps. */
  revokeByStampedHeaders(headers: Stamps, options: RevokeOptions = {}): Promise<void> {
    return this.#source.revokeByStampedHeaders(headers, options)
  }

  /**
   * Asks the task to end, through the result backend: its `self.signal` aborts where it is `abortable`, and its `isAborted()` is true; what it
   * makes of that is its own business. False when it had ended already. Rejects with ChannelError where the backend keeps no states.
   * Source: celery/contrib/abortable.py, AbortableAsyncResult.abort.
   */
  async abort(): Promise<boolean> {
    const backend = await this.#source.backend()
    if (backend.keepsStates === false) {
      throw new ChannelError(
        `Task ${this.id} cannot be aborted: the result backend '${backend.name}' keeps no states that its worker could read. Set resultBackend to redis, sqlite or memory, or end it with revoke({ terminate: true }).`,
      )
    }
    const [meta] = await backend.fetch([this.id])
    if (meta && isReady(meta.state)) return false
    await backend.store([{ id: this.id, state: abortedState, result: null }], {
      ttlMs: this.#source.resultExpires * 1000,
    })
    return true
  }

  /** Whether it was asked to end and has not ended yet. */
  async isAborted(): Promise<boolean> {
    return (await this.state()) === abortedState
  }

  /** Printed as its id: the state is on a server. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `AsyncResult { id: '${this.id}' }`
  }

  async #wait(options: GetOptions): Promise<TaskMeta> {
    const what = `task ${this.id}`
    for await (const meta of watching(this.#source, [this.id], options, what)) {
      options.onMessage?.(meta)
      if (isReady(meta.state)) return meta
    }
    throw closedWhileWaiting(what)
  }
}

/** What `get()` rejects with, undefined for a success. */
export function errorOf(meta: TaskMeta): Error | undefined {
  if (meta.state === 'REVOKED') {
    const [reason] = meta.error?.message ?? []
    return new TaskRevokedError(meta.id, typeof reason === 'string' ? reason : 'revoked')
  }
  if (meta.state !== 'FAILURE') return undefined
  const stored = meta.error ?? { type: 'Error', module: 'builtins', message: ['unknown error'] }
  return stored.type === 'ChordError'
    ? new ChordError(meta.id, stored, meta.traceback)
    : new TaskFailedError(meta.id, stored, meta.traceback)
}
