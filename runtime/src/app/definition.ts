import { TaskNameError } from '../core/errors.ts'
import type { BoundTask } from './context.ts'
import type { BoundValidatedFunction, GivenArguments, ResultParsed, ValidatedFunction } from './schema-types.ts'
import type { BoundParameters, Task, TaskFunction } from './task.ts'
import type { RunnableClass, RunnableTask } from './task-class.ts'
import type { DefinedOptions, TaskOptions } from './task-options.ts'
import type { Validation } from './validation.ts'

/** Options of a task whose function does not get `self`, and whose parameters are those of its function. */
export type PlainOptions = TaskOptions & { readonly bind?: false | undefined; readonly validate?: undefined }

/** Options of a task whose function gets `self`: the instance of its base, where that is a class. */
export type BoundOptions<S extends BoundTask> = TaskOptions & {
  readonly bind: true
  readonly validate?: undefined
  readonly base?: (new () => S) | TaskOptions | undefined
}

/** Options of a task whose parameters are those of its schemas. */
export type ValidatedOptions<V extends Validation> = TaskOptions & {
  readonly bind?: false | undefined
  readonly validate: V
}

export type BoundValidatedOptions<V extends Validation, S extends BoundTask> = TaskOptions & {
  readonly bind: true
  readonly validate: V
  readonly base?: (new () => S) | TaskOptions | undefined
}

/** How a task with a name of its own is defined. */
export interface DefineNamed {
  <F extends TaskFunction>(name: string, fn: F): Task<Parameters<F>, ReturnType<F>>
  <F extends (self: S, ...args: never[]) => unknown, S extends BoundTask = BoundTask>(
    name: string,
    options: BoundOptions<S>,
    fn: F,
  ): Task<BoundParameters<F>, ReturnType<F>>
  <F extends TaskFunction>(name: string, options: PlainOptions, fn: F): Task<Parameters<F>, ReturnType<F>>
  <const V extends Validation, F extends ValidatedFunction<V>>(
    name: string,
    options: ValidatedOptions<V>,
    fn: F,
  ): Task<GivenArguments<V, Parameters<F>>, ResultParsed<V, ReturnType<F>>>
  <const V extends Validation, F extends BoundValidatedFunction<V, S>, S extends BoundTask = BoundTask>(
    name: string,
    options: BoundValidatedOptions<V, S>,
    fn: F,
  ): Task<GivenArguments<V, BoundParameters<F>>, ResultParsed<V, ReturnType<F>>>
}

/** How a task is defined whose name may come from its function. */
export interface DefineTask extends DefineNamed {
  <F extends TaskFunction>(fn: F): Task<Parameters<F>, ReturnType<F>>
  <F extends (self: S, ...args: never[]) => unknown, S extends BoundTask = BoundTask>(
    options: BoundOptions<S>,
    fn: F,
  ): Task<BoundParameters<F>, ReturnType<F>>
  <F extends TaskFunction>(options: PlainOptions, fn: F): Task<Parameters<F>, ReturnType<F>>
  <const V extends Validation, F extends ValidatedFunction<V>>(
    options: ValidatedOptions<V>,
    fn: F,
  ): Task<GivenArguments<V, Parameters<F>>, ResultParsed<V, ReturnType<F>>>
  <const V extends Validation, F extends BoundValidatedFunction<V, S>, S extends BoundTask = BoundTask>(
    options: BoundValidatedOptions<V, S>,
    fn: F,
  ): Task<GivenArguments<V, BoundParameters<F>>, ResultParsed<V, ReturnType<F>>>
}

/** How a class task is defined: its parameters are those of its `run`. */
export interface DefineClass {
  <T extends RunnableTask>(name: string, taskClass: RunnableClass<T>): ClassTask<T>
  <T extends RunnableTask>(name: string, options: ClassTaskOptions, taskClass: RunnableClass<T>): ClassTask<T>
  <T extends RunnableTask>(taskClass: RunnableClass<T>): ClassTask<T>
  <T extends RunnableTask>(options: ClassTaskOptions, taskClass: RunnableClass<T>): ClassTask<T>
}

/** A class task, as its callers see it. */
export type ClassTask<T extends RunnableTask> = Task<Parameters<T['run']>, ReturnType<T['run']>>

/** Options of a class task; they win over those of the class. */
export type ClassTaskOptions = Omit<DefinedOptions, 'bind' | 'base'>

/** The arguments of `task()` in any of their forms. */
export type DefinitionArguments = readonly (string | DefinedOptions | TaskFunction)[]

/** `task(name?, options?, fn)` -> its parts. Throws TaskNameError for an empty name, TypeError without a function. */
export function readDefinition(given: DefinitionArguments): {
  readonly name: string | undefined
  readonly options: DefinedOptions
  readonly fn: TaskFunction
} {
  let name: string | undefined
  let options: DefinedOptions = {}
  let fn: TaskFunction | undefined
  for (const part of given) {
    if (typeof part === 'string') name = part
    else if (typeof part === 'function') fn = part
    else options = part
  }
  if (name === '') throw new TaskNameError("A task's name cannot be empty.")
  if (!fn) throw new TypeError(`expected task(${name ? `'${name}', ` : ''}…) to end in a function`)
  return { name, options, fn }
}
