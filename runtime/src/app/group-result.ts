import { JoinInTaskError } from '../core/errors.ts'
import type { Stamps } from '../core/stamps.ts'
import { isReady, type ResultRef, type TaskMeta } from '../core/states.ts'
import { AsyncResult, errorOf, type GetOptions, type ResultSource, type RevokeOptions } from './async-result.ts'
import { currentContext } from './context.ts'
import { graphOf, type ResultGraph } from './result-graph.ts'
import { type CollectOptions, collected, dependencies, type Dependency } from './result-tree.ts'
import { closedWhileWaiting, watching } from './waiting.ts'

/** Marks a group's result across two copies of the package. */
export const groupResultBrand: unique symbol = Symbol.for('tq.GroupResult')

/** A handle on one call or on a group of calls. */
export type AnyResult = AsyncResult<unknown> | GroupResult<unknown[]>

/** A member that is ready, as it finished. */
export interface Finished<R> {
  readonly result: AsyncResult<R>
  /** Its place in the set. */
  readonly index: number
  /** Undefined where it failed. */
  readonly value: R | undefined
  readonly error: Error | undefined
}

/** Handles on several calls, to be asked together: one question to the result backend, however many there are. */
export class ResultSet<V extends unknown[]> {
  readonly #source: ResultSource
  readonly #results: AsyncResult<V[number]>[]

  constructor(source: ResultSource, results: Iterable<AsyncResult<V[number]>> = []) {
    this.#source = source
    this.#results = [...results]
  }

  /** The members, in order. */
  get results(): readonly AsyncResult<V[number]>[] {
    return this.#results
  }

  get length(): number {
    return this.#results.length
  }

  [Symbol.iterator](): Iterator<AsyncResult<V[number]>> {
    return this.#results[Symbol.iterator]()
  }

  /** Adds a member at the end, unless it is there already. */
  add(result: AsyncResult<V[number]>): void {
    if (!this.#results.some(({ id }) => id === result.id)) this.#results.push(result)
  }

  update(results: Iterable<AsyncResult<V[number]>>): void {
    for (const result of results) this.add(result)
  }

  /** Takes a member out; false when there is none of that id. */
  discard(result: AsyncResult<unknown> | string): boolean {
    const id = typeof result === 'string' ? result : result.id
    const at = this.#results.findIndex((one) => one.id === id)
    if (at >= 0) this.#results.splice(at, 1)
    return at >= 0
  }

  /** Takes a member out. Throws RangeError when there is none of that id. */
  remove(result: AsyncResult<unknown> | string): void {
    if (!this.discard(result)) {
      throw new RangeError(`No result ${typeof result === 'string' ? result : result.id} in this set.`)
    }
  }

  clear(): void {
    this.#results.length = 0
  }

  /**
   * The values in the order of the members. Rejects with the first error that comes, and as AsyncResult's `get`; with
   * `propagate: false` errors stand in place of values.
   */
  async get(options: GetOptions = {}): Promise<V> {
    const values: unknown[] = Array.from({ length: this.#results.length })
    for await (const { index, value, error } of this.iterate(options)) {
      if (error && options.propagate !== false) throw error
      values[index] = error ?? value
    }
    return values as V // what the members' types promise; the wire cannot prove it
  }

  /** Celery's name for `get`. */
  join(options: GetOptions = {}): Promise<V> {
    return this.get(options)
  }

  /** The members as they finish; errors are values here. */
  async *iterate(options: GetOptions = {}): AsyncGenerator<Finished<V[number]>> {
    const running = currentContext()
    if (running && !running.calledDirectly && options.disableSyncSubtasks !== false) throw new JoinInTaskError()
    const places = new Map<string, number[]>()
    for (const [index, { id }] of this.#results.entries()) places.set(id, [...(places.get(id) ?? []), index])
    if (places.size === 0) return
    for await (const meta of watching(this.#source, [...places.keys()], options, this.name)) {
      options.onMessage?.(meta)
      if (!isReady(meta.state)) continue
      for (const index of places.get(meta.id) ?? []) {
        const result = this.#results[index]
        const error = errorOf(meta)
        if (result) yield { result, index, error, value: error ? undefined : meta.result }
      }
      places.delete(meta.id)
    }
    if (places.size > 0) throw closedWhileWaiting(this.name)
  }

  /** Calls `fn` once with all values, in order, when all are ready; rejects as `get`. What `then` would be called. */
  whenReady(fn: (values: V) => void, options: GetOptions = {}): Promise<void> {
    return this.get(options).then(fn)
  }

  /** As `revoke`, for every call that has one of these stamps. */
  revokeByStampedHeaders(headers: Stamps, options: RevokeOptions = {}): Promise<void> {
    return this.#source.revokeByStampedHeaders(headers, options)
  }

  /** How errors name it. */
  protected get name(): string {
    return `a set of ${this.#results.length} results`
  }

  /** The stored records, undefined where nothing is stored. */
  async metas(): Promise<readonly (TaskMeta | undefined)[]> {
    if (this.#results.length === 0) return []
    return (await this.#source.backend()).fetch(this.#results.map(({ id }) => id))
  }

  /** Whether all are ready. */
  async ready(): Promise<boolean> {
    return (await this.metas()).every((meta) => meta !== undefined && isReady(meta.state))
  }

  /** Whether all have succeeded. */
  async successful(): Promise<boolean> {
    return (await this.metas()).every((meta) => meta?.state === 'SUCCESS')
  }

  /** Whether any has failed. */
  async failed(): Promise<boolean> {
    return (await this.metas()).some((meta) => meta?.state === 'FAILURE')
  }

  /** Whether any is not ready yet. */
  async waiting(): Promise<boolean> {
    return !(await this.ready())
  }

  /** How many have succeeded. Source: celery/result.py, ResultSet.completed_count. */
  async completedCount(): Promise<number> {
    return (await this.metas()).filter((meta) => meta?.state === 'SUCCESS').length
  }

  /** Deletes the stored results of the members. */
  async forget(): Promise<void> {
    await Promise.all(this.#results.map((result) => result.forget()))
  }

  /** Tells the workers not to run them; with `terminate` also to end those that run. */
  async revoke(options: RevokeOptions = {}): Promise<void> {
    if (this.#results.length === 0) return
    await this.#source.revoke(
      this.#results.map(({ id }) => id),
      options,
    )
  }
}

/** The results of a group; `V` are its values, in order. */
export class GroupResult<V extends unknown[]> extends ResultSet<V> {
  readonly [groupResultBrand] = true
  readonly id: string
  /** The step before the group in a chain. */
  readonly parent: AnyResult | undefined
  readonly #source: ResultSource

  constructor(source: ResultSource, id: string, results: Iterable<AsyncResult<V[number]>>, parent?: AnyResult) {
    super(source, results)
    this.#source = source
    this.id = id
    this.parent = parent
  }

  protected override get name(): string {
    return `group ${this.id}`
  }

  /** The members. */
  async children(): Promise<readonly AnyResult[]> {
    return this.results
  }

  /** This result and all that came of it, each with its value, breadth first: waits for each of them. */
  collect(options: CollectOptions = {}): AsyncGenerator<readonly [result: AnyResult, value: unknown]> {
    return collected(this, options)
  }

  /** As `collect`, without waiting and without values: each result with the one that it came of. See `AsyncResult.iterdeps`. */
  iterdeps(options: { readonly intermediate?: boolean | undefined } = {}): AsyncGenerator<Dependency> {
    return dependencies(this, options)
  }

  /** How it hangs together with others, as data; `graphToDot` and `graphToMermaid` draw it. */
  graph(): Promise<ResultGraph> {
    return graphOf(this)
  }

  /** Writes down which results belong to it, so that `app.restoreGroup(id)` finds them; Python reads it too. */
  async save(): Promise<this> {
    const { resultExpires } = this.#source
    const { id, results = [], parent } = refOf(this)
    await (await this.#source.backend()).storeGroup({ id, results, parent }, { ttlMs: resultExpires * 1000 })
    return this
  }

  /** Deletes what `save` wrote; the results stay. */
  async delete(): Promise<void> {
    await (await this.#source.backend()).dropGroup(this.id)
  }

  /** Printed as its id: the states are on a server. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `GroupResult { id: '${this.id}', ${this.length} results }`
  }
}

export function isGroupResult(result: AnyResult): result is GroupResult<unknown[]> {
  return groupResultBrand in result
}

/** The handle on what a reference names. */
export function resultOf(source: ResultSource, ref: ResultRef): AnyResult {
  const lineage: ResultRef[] = []
  for (let at: ResultRef | undefined = ref; at; at = at.parent) lineage.push(at)
  let result: AnyResult | undefined
  for (const { id, results } of lineage.toReversed()) {
    result = results
      ? new GroupResult<unknown[]>(
          source,
          id,
          results.flatMap((one) => membersOf(source, one)),
          result,
        )
      : new AsyncResult<unknown>(source, id, result)
  }
  return result ?? new AsyncResult<unknown>(source, ref.id)
}

function membersOf(source: ResultSource, ref: ResultRef): readonly AsyncResult<unknown>[] {
  const member = resultOf(source, ref)
  return isGroupResult(member) ? member.results : [member]
}

/** The reference to a handle, its parents included. */
export function refOf(result: AnyResult): ResultRef {
  const parent = result.parent && refOf(result.parent)
  const { id } = result
  const lineage = parent ? { parent } : {}
  return isGroupResult(result) ? { id, results: result.results.map(refOf), ...lineage } : { id, ...lineage }
}
