import { ArgumentError, NoAppError, OperationalError } from '../core/errors.ts'
import type { AsyncResult } from './async-result.ts'
import { chunksOf, mapSignature } from './mapping.ts'
import type { Site } from './call-site.ts'
import type { Signature } from './canvas.ts'
import type { BoundTask, RetryOptions } from './context.ts'
import type { GroupResult } from './group-result.ts'
import type { CallOptions } from './send.ts'
import { type ParameterList, readParameters, withoutSelf } from './task-source.ts'
import type { TqApp } from './tq.ts'

/** Marks a task's function; how a task is recognised across two copies of the package. */
export const taskBrand: unique symbol = Symbol.for('tq.Task')

/** Classes of errors, or their names. */
export type ErrorKinds = readonly (string | (abstract new (...args: never[]) => Error))[]

/** What the hook `afterReturn` is told. */
export type Returned =
  | { readonly state: 'SUCCESS'; readonly value: unknown }
  | { readonly state: 'FAILURE'; readonly error: unknown }

/** Options of a task. Seconds where the name is Celery's. */
export interface TaskOptions {
  /** The function's first parameter is `self`, the running task. Default false. */
  readonly bind?: boolean | undefined
  /** Names of the parameters, so that Python may call with keywords and the names survive minification; `'y?'` is optional. */
  readonly params?: readonly string[] | undefined
  /** Default what the setting `taskRoutes` says of the task, else `taskDefaultQueue`. */
  readonly queue?: string | undefined
  readonly exchange?: string | undefined
  readonly routingKey?: string | undefined
  /** 0 to 255; see `CallOptions.priority` for its direction. */
  readonly priority?: number | undefined
  /** Of the messages that call this task; default the setting `taskSerializer`. */
  readonly serializer?: string | undefined
  /** Of the messages that call this task; default the setting `taskCompression`. `none` is none. */
  readonly compression?: string | undefined
  /**
   * Names of parameters, keyword arguments and keys of objects whose values are shown as `***` in events, logs and headers, beside those
   * of the setting `taskRedact`. The task itself, and an extended result, have the values.
   */
  readonly redact?: readonly string[] | undefined
  /** null is for ever. Default 3. */
  readonly maxRetries?: number | null | undefined
  /** Seconds before a retry that names no countdown. Default 180. */
  readonly defaultRetryDelay?: number | undefined
  /** Default the setting `taskAcksLate`; so the other settings of the same name. */
  readonly acksLate?: boolean | undefined
  readonly acksOnFailure?: boolean | undefined
  readonly acksOnTimeout?: boolean | undefined
  readonly rejectOnWorkerLost?: boolean | undefined
  readonly trackStarted?: boolean | undefined
  readonly ignoreResult?: boolean | undefined
  readonly storeErrorsEvenIfIgnored?: boolean | undefined
  /** Starts per worker: a number per second, or `10/s`, `100/m`, `5/h`. Default the setting `taskDefaultRateLimit`. */
  readonly rateLimit?: string | number | undefined
  /** Seconds until the run is killed with its process or thread; on the async pool `self.signal` aborts. */
  readonly timeLimit?: number | undefined
  /** Seconds until `self.signal` aborts. */
  readonly softTimeLimit?: number | undefined
  /** Seconds from sending until a call that waits is revoked. */
  readonly expires?: number | undefined
  /** Errors that are tried again by themselves, as `self.retry({ exc })` would. */
  readonly autoretryFor?: ErrorKinds | undefined
  /** Not these of them. */
  readonly dontAutoretryFor?: ErrorKinds | undefined
  /** What `self.retry()` gets for them. */
  readonly retryKwargs?: Omit<RetryOptions, 'exc'> | undefined
  /** Pauses that double, of so many seconds at first; true is 1. Default false: `defaultRetryDelay`. Goes before a countdown of `retryKwargs`. */
  readonly retryBackoff?: boolean | number | undefined
  /** Seconds; default 600. */
  readonly retryBackoffMax?: number | undefined
  /** A random number of seconds up to the pause instead of the pause. Default true. */
  readonly retryJitter?: boolean | undefined
  /** Called before the function, where it runs, as all hooks; the task fails with what it throws. */
  readonly beforeStart?: ((self: BoundTask) => unknown) | undefined
  /** Called after the function, before the result is stored. What a hook throws is logged. */
  readonly onSuccess?: ((self: BoundTask, value: unknown) => unknown) | undefined
  readonly onFailure?: ((self: BoundTask, error: unknown) => unknown) | undefined
  readonly onRetry?: ((self: BoundTask, error: unknown) => unknown) | undefined
  /** Called last, after a success or a failure. */
  readonly afterReturn?: ((self: BoundTask, returned: Returned) => unknown) | undefined
  /** Errors that are expected: logged as information, without a traceback. */
  readonly throws?: ErrorKinds | undefined
  /** Check the number of arguments at the call. Default true. */
  readonly typing?: boolean | undefined
  /**
   * What it gets as an error callback. `id` (default): it is sent, with the id of the task that failed. `request`: it is called by the
   * worker that saw the failure, with the request, the error and the traceback.
   */
  readonly errback?: 'id' | 'request' | undefined
  /** Store the task's children with its result. Default true. */
  readonly trail?: boolean | undefined
}

export type TaskFunction = (...args: never[]) => unknown

/** What `task()` was given, and where. */
export interface TaskDefinition {
  readonly name: string
  readonly fn: TaskFunction
  readonly options: TaskOptions
  readonly site: Site | undefined
  /** Known by name only: Python's, or another service's. */
  readonly external: boolean
}

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

/** Tails of parameters that a partial signature may hold. */
export type Tails<A extends unknown[]> =
  A extends Required<A> ? (number extends A['length'] ? A | [] : FixedTails<A>) : A | []
type FixedTails<A extends unknown[]> = A extends [unknown, ...infer R] ? A | FixedTails<R> : []
/** What is still owed, in front, after the tail `T` was given. */
export type Owed<A extends unknown[], T extends unknown[]> = T extends [] ? A : T extends A ? [] : Drop<A, T>
type Drop<A extends unknown[], T extends unknown[]> = T extends [...infer Head, unknown]
  ? A extends [...infer Front, unknown]
    ? Drop<Front, Head>
    : []
  : A

/** Parameters without `self`. */
export type BoundParameters<F extends TaskFunction> = Parameters<F> extends [unknown, ...infer A] ? A : []

/** A function that takes the running task first. */
export type BoundFunction = (self: BoundTask, ...args: never[]) => unknown

/** Wraps a definition into a callable task. `appOf` gives the app that sends its calls, undefined while there is none. */
export function makeTask(definition: TaskDefinition, appOf: () => TqApp | undefined): Task<never[], unknown> {
  const { name } = definition
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
    return owner ? owner.callDirectly(task, args) : definition.fn(...args)
  }
  // An external task is in no registry: whoever sends the signature knows its queue only from the signature itself.
  const { queue, exchange, routingKey, priority } = definition.options
  const routed = (signature: Signature<never[], unknown>): Signature<never[], unknown> =>
    definition.external && (queue ?? exchange ?? routingKey ?? priority) !== undefined
      ? signature.set({ queue, exchange, routingKey, priority })
      : signature
  const members = {
    [taskBrand]: true as const,
    taskName: name,
    definition,
    delay: async (...args: never[]) => members.applyAsync(args),
    applyAsync: async (args: never[], options: CallOptions = {}) => {
      if (!definition.external && definition.options.typing !== false) checkArity(name, own(), args, options.kwargs)
      return app().send({ task: name, definition, args, options })
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
      if (definition.options.typing !== false) checkArity(name, own(), args, kwargs)
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
  Object.defineProperty(call, 'name', { value: definition.fn.name || name })
  const task = Object.assign(call, members) as Task<never[], unknown> // the members are the interface, one by one
  return task
}

function parametersOf(definition: TaskDefinition): ParameterList {
  const { fn, site, options } = definition
  const read = readParameters(fn, site)
  const list = options.bind ? withoutSelf(read) : read
  if (!options.params) return list
  const names = options.params.map((param) => param.replace(/\?$/, ''))
  const firstOptional = options.params.findIndex((param) => param.endsWith('?'))
  const required = firstOptional < 0 ? Math.min(list.required, names.length) : firstOptional
  return { ...list, names, required, text: list.names.join() === names.join() ? list.text : options.params.join(', ') }
}

function placed(
  list: ParameterList,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): readonly unknown[] {
  const keywords = Object.keys(kwargs)
  if (keywords.length === 0) return args
  const all = [...args]
  for (const keyword of keywords) {
    const at = list.names.indexOf(keyword)
    if (at >= 0) all[at] = kwargs[keyword]
  }
  return Array.from(all)
}

function checkArity(
  name: string,
  list: ParameterList,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>> | undefined,
): void {
  const given = args.length
  const keywords = Object.keys(kwargs ?? {})
  const positional = list.names.slice(given)
  const stranger = keywords.find((key) => !positional.includes(key))
  const missing = list.names.slice(given, list.required).filter((one) => !keywords.includes(one))
  if (given <= list.most && stranger === undefined && missing.length === 0) return
  const signature = `${name}(${list.text})${list.returns}`
  if (stranger !== undefined && given <= list.most) {
    const twice = list.names.includes(stranger) ? 'is given twice' : 'is not a parameter'
    throw new ArgumentError(`Keyword argument '${stranger}' ${twice}: ${signature}.`)
  }
  const [lacks] = missing
  if (keywords.length > 0 && given <= list.most && lacks !== undefined) {
    throw new ArgumentError(`Argument '${lacks}' is missing: ${signature}.`)
  }
  const wanted =
    list.most === list.required
      ? `${list.required}`
      : list.most === Infinity
        ? `at least ${list.required}`
        : `${list.required} to ${list.most}`
  const plural = /^(?:at least )?1$/.test(wanted) ? '' : 's'
  throw new ArgumentError(
    `Expected ${wanted} argument${plural} (${list.text}), got ${given + keywords.length}: ${signature}. ` +
      'If a parameter is optional, give it a default value.',
  )
}
