import { TaskNameError } from '../core/errors.ts'
import type { TaskFunction, TaskOptions } from './task.ts'

/** The arguments of `task()` in any of their forms. */
export type DefinitionArguments = readonly (string | TaskOptions | TaskFunction)[]

/** `task(name?, options?, fn)` -> its parts. Throws TaskNameError for an empty name, TypeError without a function. */
export function readDefinition(given: DefinitionArguments): {
  readonly name: string | undefined
  readonly options: TaskOptions
  readonly fn: TaskFunction
} {
  let name: string | undefined
  let options: TaskOptions = {}
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
