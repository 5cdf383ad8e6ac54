import { NoAppError, OperationalError } from '../core/errors.ts'
import type { AsyncResult } from './async-result.ts'
import { checkArity, parametersOf, placed } from './arguments.ts'
import { chunksOf, mapSignature } from './mapping.ts'
import type { Site } from './call-site.ts'
import type { Signature } from './canvas.ts'
import type { BoundTask } from './context.ts'
import type { EagerResult } from './eager-result.ts'
import type { GroupResult } from './group-result.ts'
import type { CallOptions } from './call-options.ts'
import type { Owed, Tails } from './partial-arguments.ts'
import { TaskBase } from './task-class.ts'
import { type ResolvedTask, TaskLayers } from './task-layers.ts'
import type { DefinedOptions } from './task-options.ts'
import type { ParameterList } from './task-source.ts'
import type { TqApp } from './tq.ts'
import { validatedList } from './validation.ts'

export type { Owed, Tails } from './partial-arguments.ts'
export type { ErrorKinds, Returned, ShadowedCall, TaskOptions } from './task-options.ts'

/** Marks a task's function; how a task is recognised across two copies of the package. */
export const taskBrand: unique symbol = Symbol.for('tq.Task')

/** Options of `apply`. */
export interface ApplyOptions extends CallOptions {
  /** Reject with the task's own error. Default the setting `taskEagerPropagates`. */
  readonly throw?: boolean | undefined
}

/** Any function that a task can be made of. */
export type TaskFunction = (...args: never[]) => unknown

/** What `task()` was given, and where. */
export interface GivenDefinition {
  readonly name: string
  readonly fn: TaskFunction
  readonly options: DefinedOptions
  readonly site: Site | undefined
  /** Known by name only: Python's, or another service's. */
  readonly external: boolean
  /** The text that shows the parameters, where `fn` does not: that of a class's `run`. */
  readonly source?: TaskFunction | undefined
}

/** A task as it is: its options are those of its bases, its own and those of `taskAnnotations`. */
export type TaskDefinition = Omit<GivenDefinition, 'options'> & ResolvedTask

/** A task whatever its types. */
export interface AnyTask {
  readonly [taskBrand]: true
  readonly taskName: string
  readonly definition: TaskDefinition
  describe(): TaskDescription
  /**
   * The positional arguments of a call, keywords put in their places. Throws ArgumentError for unknown or double keywords
   * and a wrong number of arguments.
   */
  bindArguments(args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): readonly unknown[]
}

/** A task in words, for lists and completion. */
export interface TaskDescription {
  readonly name: string
  readonly params: readonly string[]
  /** `math.add(x: number, y: number): number`, as far as the source tells. */
  readonly signature: string
  readonly file?: string | undefined
  readonly line?: number | undefined
  /** Undefined for a shared task without an app. */
  readonly queue: string | undefined
}

/**
 * A task: call it and it runs here; `delay` it and a worker runs it.
 * `A` are its parameters (without `self`), `R` what its function returns.
 */
export interface Task<A extends unknown[], R> extends AnyTask {
  (...args: A): R
  /** Sends a call; resolves when the broker has it. Rejects with ArgumentError, EncodeError or OperationalError. */
  delay(...args: A): Promise<AsyncResult<Awaited<R>>>
  /** As `delay`, with options. */
  applyAsync(args: A, options?: CallOptions): Promise<AsyncResult<Awaited<R>>>
  /**
   * Runs it here and now, through the worker's own executor: serialised, retried on a virtual clock, its hooks called. Never rejects with
   * the task's error, unless `throw` or the setting `taskEagerPropagates` says so.
   */
  apply(args: A, options?: ApplyOptions): Promise<EagerResult<Awaited<R>>>
  /** A signature that holds the last of the arguments; the first ones come from the parent. Optional parameters: all or nothing. */
  s<T extends Tails<A>>(...tail: T): Signature<Owed<A, T>, Awaited<R>>
  /** An immutable signature: it takes nothing from its parent. */
  si(...args: A): Signature<[], Awaited<R>>
  /** One task that runs many calls of one argument, one after the other. */
  map(items: Iterable<A[0]>): Signature<[], Awaited<R>[]>
  /** One task that runs many calls, one after the other. */
  starmap(items: Iterable<A>): Signature<[], Awaited<R>[]>
  /** Many calls in tasks of `n` each; gives a list per task. */
  chunks(items: Iterable<A>, n: number): Signature<[], Awaited<R>[][], GroupResult<Awaited<R>[][]>>
  /** What `delay` rejects with when the broker cannot be reached. */
  readonly OperationalError: typeof OperationalError
  /** A handle on a call that was sent before, by its id. */
  result(id: string): AsyncResult<Awaited<R>>
}

/** Parameters without `self`. */
export type BoundParameters<F extends TaskFunction> = Parameters<F> extends [unknown, ...infer A] ? A : []

/** A function that takes the running task first. */
export type BoundFunction = (self: BoundTask, ...args: never[]) => unknown

/** Base of class tasks and of bases that several tasks share; see TaskBase. */
export const Task: typeof TaskBase = TaskBase

/** Wraps a definition into a callable task. `appOf` gives the app that sends its calls, undefined while there is none. */
export function makeTask(given: GivenDefinition, appOf: () => TqApp | undefined): Task<never[], unknown> {
  const { name } = given
  const layers = new TaskLayers(name, given.options, appOf)
  const definition: TaskDefinition = {
    ...given,
    get options() {
      return layers.resolved.options
    },
    get validation() {
      return layers.resolved.validation
    },
    get instance() {
      return layers.resolved.instance
    },
  }
  const app = (): TqApp => {
    const owner = appOf()
    if (!owner) throw new NoAppError(name)
    return owner
  }
  let parameters: ParameterList | undefined
  const own = (): ParameterList => {
    parameters ??= parametersOf(definition)
    return parameters
  }
  const call = (...args: never[]): unknown => {
    const owner = appOf()
    return owner ? owner.callDirectly(task, args) : given.fn(...args)
  }
  // An external task is in no registry: whoever sends the signature knows its queue only from the signature itself.
  const routed = (signature: Signature<never[], unknown>): Signature<never[], unknown> => {
    const { queue, exchange, routingKey, priority } = definition.options
    return definition.external && (queue ?? exchange ?? routingKey ?? priority) !== undefined
      ? signature.set({ queue, exchange, routingKey, priority })
      : signature
  }
  // What has schemas is checked against these wherever it is sent from.
  const checkCall = (args: readonly unknown[], kwargs: CallOptions['kwargs'] = {}): void => {
    if (definition.validation || definition.external || definition.options.typing === false) return
    checkArity(name, own(), args, kwargs)
  }
  const members = {
    [taskBrand]: true as const,
    taskName: name,
    definition,
    delay: async (...args: never[]) => members.applyAsync(args),
    applyAsync: async (args: never[], options: CallOptions = {}) => {
      checkCall(args, options.kwargs)
      return app().send({ task: name, known: task, args, options })
    },
    apply: async (args: never[], { throw: propagates, ...options }: ApplyOptions = {}) => {
      checkCall(args, options.kwargs)
      return app().apply({ task: name, known: task, args, options }, propagates)
    },
    s: (...args: never[]) => routed(app().signature(name, args, { immutable: false })),
    si: (...args: never[]) => routed(app().signature(name, args, { immutable: true })),
    map: (items: Iterable<unknown>) => app().canvas(mapSignature('map', members.s(), items)),
    starmap: (items: Iterable<unknown>) => app().canvas(mapSignature('starmap', members.s(), items)),
    chunks: (items: Iterable<unknown>, n: number) =>
      app().canvas<unknown, GroupResult<unknown[][]>>(chunksOf(members.s(), items, n)),
    OperationalError,
    result: (id: string) => app().result(id),
    bindArguments: (args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): readonly unknown[] => {
      if (definition.options.typing !== false)
        checkArity(name, validatedList(definition.validation, own()), args, kwargs)
      return placed(own(), args, kwargs)
    },
    describe: (): TaskDescription => ({
      name,
      params: own().names,
      signature: `${name}(${own().text})${own().returns}`,
      file: definition.site?.file,
      line: definition.site?.line,
      queue: definition.options.queue ?? appOf()?.router.queueOf(name, definition.options),
    }),
  }
  Object.defineProperty(call, 'name', { value: (given.source ?? given.fn).name || name })
  const task = Object.assign(call, members) as Task<never[], unknown> // the members are the interface, one by one
  return task
}
