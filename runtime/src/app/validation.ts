import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ArgumentError, ValidationError, type ValidationIssue } from '../core/errors.ts'
import { holdsName } from '../core/redact.ts'
import type { TqApp } from './tq.ts'
import type { AnyTask } from './task.ts'
import type { ParameterList } from './task-source.ts'

/** What the option `validate` takes; see there. */
export type Validation = StandardSchemaV1 | ParameterSchemas | ValidationParts

/** A schema per parameter. */
export type ParameterSchemas = readonly StandardSchemaV1[]

/** Schemas of the arguments and of the result. */
export interface ValidationParts {
  /** A schema per parameter, or one of the list of all arguments. */
  readonly args?: ParameterSchemas | StandardSchemaV1 | undefined
  /** Of what the task returns, after it was awaited; what the schema makes of it is stored. */
  readonly result?: StandardSchemaV1 | undefined
}

/** The option `validate` in one form. */
export interface TaskValidation {
  readonly parameters?: ParameterSchemas | undefined
  readonly args?: StandardSchemaV1 | undefined
  readonly result?: StandardSchemaV1 | undefined
}

export function validationOf(given: Validation | undefined): TaskValidation | undefined {
  if (given === undefined) return undefined
  if (isSchema(given)) return { parameters: [given] }
  if (isList(given)) return { parameters: given }
  const { args, result } = given
  return args !== undefined && isList(args) ? { parameters: args, result } : { args, result }
}

/** The parameters of a function as its schemas let them be given: they say which may be left out, and how many there are. */
export function validatedList(validation: TaskValidation | undefined, list: ParameterList): ParameterList {
  if (validation?.args) return { ...list, required: 0, most: Infinity }
  if (!validation?.parameters) return list
  return { ...list, required: 0, most: Math.max(list.most, validation.parameters.length) }
}

/** At once where that can be. */
export type MaybePromise<T> = T | Promise<T>

/**
 * What the task's schemas make of its arguments, keywords in their places: a promise where one of the schemas is asynchronous. Throws (or
 * rejects with) ValidationError, and ArgumentError where the number of arguments is wrong.
 */
export function parseArguments(
  app: TqApp | undefined,
  task: AnyTask,
  given: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): MaybePromise<readonly unknown[]> {
  const bound = task.bindArguments(given, kwargs)
  const { parameters, args } = task.definition.validation ?? {}
  const names = (): readonly string[] => task.describe().params
  if (args) {
    return then(args['~standard'].validate(bound), (result) => {
      if (result.issues) throw refused(app, task, 'arguments', found(result.issues, bound, names()))
      return result.value as readonly unknown[] // the option's type says that it is a list
    })
  }
  if (!parameters) return bound
  if (bound.length > parameters.length) {
    throw new ArgumentError(
      `${task.taskName} takes at most ${parameters.length} arguments, as many as it has schemas, got ${bound.length}.`,
    )
  }
  const results = parameters.map((schema, index) => schema['~standard'].validate(bound[index]))
  return then(all(results), (every) => {
    const issues = every.flatMap(({ issues: these }, index) =>
      (these ?? []).map((issue) => ({ ...issue, path: [index, ...(issue.path ?? [])] })),
    )
    if (issues.length > 0) throw refused(app, task, 'arguments', found(issues, bound, names()))
    const values = every.map((result) => (result.issues ? undefined : result.value))
    // A parameter that was not given and has no value by its schema is left to the function's own default.
    return values.slice(0, Math.max(bound.length, values.findLastIndex((value) => value !== undefined) + 1))
  })
}

/** What the task's result schema makes of the value that its function gave; as `parseArguments` otherwise. */
export function parseResult(app: TqApp | undefined, task: AnyTask, value: unknown): MaybePromise<unknown> {
  const schema = task.definition.validation?.result
  if (!schema) return value
  return then(schema['~standard'].validate(value), (result) => {
    if (result.issues) throw refused(app, task, 'result', found(result.issues, value, []))
    return result.value
  })
}

interface Found {
  readonly issue: StandardSchemaV1.Issue
  readonly names: readonly string[]
  /** What the issue is about. */
  readonly value: unknown
  readonly path: string
}

/** Issues with their paths in words: the first step of arguments is the name of a parameter. */
function found(
  issues: readonly StandardSchemaV1.Issue[],
  root: unknown,
  parameters: readonly string[],
): readonly Found[] {
  return issues.map((issue) => {
    const keys = (issue.path ?? []).map((segment) => (typeof segment === 'object' ? segment.key : segment))
    // What is said of all arguments may be said of each parameter.
    let value =
      keys.length > 0 ? root : parameters.length > 0 ? Object.fromEntries(parameters.map((name) => [name, 0])) : root
    for (const key of keys) value = memberOf(value, key)
    const [first] = keys
    const parameter = typeof first === 'symbol' || first === undefined ? undefined : parameters[Number(first)]
    const names = keys.map((key, depth) => (depth === 0 && parameter) || String(key))
    return { issue, names, value, path: pathOf(keys, names) }
  })
}

// A parameter that is destructured has no name.
function pathOf(keys: readonly PropertyKey[], names: readonly string[]): string {
  const parts = keys.map((key, depth) => {
    const name = names[depth] ?? ''
    const isIndex = typeof key === 'number' && name === String(key)
    if (isIndex || !/^[\p{L}_$]/u.test(name)) return typeof key === 'number' ? `[${key}]` : `[${JSON.stringify(name)}]`
    return `.${name}`
  })
  return parts.join('').replace(/^\./, '')
}

// Schema libraries quote the value that they refuse.
function refused(
  app: TqApp | undefined,
  task: AnyTask,
  what: 'arguments' | 'result',
  all: readonly Found[],
): ValidationError {
  const hidden = new Set([...(task.definition.options.redact ?? []), ...(app?.settings.taskRedact ?? [])])
  const issues = all.map(({ issue, names, value, path }): ValidationIssue => {
    const isHidden = names.some((name) => hidden.has(name)) || holdsName(value, hidden)
    return { path, message: isHidden ? hiddenMessage : issue.message || 'is not valid' }
  })
  return new ValidationError(task.taskName, what, issues)
}

const hiddenMessage = 'is not valid (what it says is hidden by redact)'

function memberOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? (Reflect.get(value, key) as unknown) : undefined
}

function all<T>(values: readonly MaybePromise<T>[]): MaybePromise<readonly T[]> {
  return values.some(isPromise) ? Promise.all(values) : (values as readonly T[]) // none is a promise
}

function then<T, R>(value: MaybePromise<T>, read: (value: T) => R): MaybePromise<R> {
  return isPromise(value) ? value.then(read) : read(value)
}

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return value instanceof Promise
}

function isSchema(given: Validation): given is StandardSchemaV1 {
  return '~standard' in given
}

function isList(given: ValidationParts | ParameterSchemas | StandardSchemaV1): given is ParameterSchemas {
  return Array.isArray(given)
}
