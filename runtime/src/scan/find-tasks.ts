import { join } from 'node:path'
import { TaskNameError } from '../core/errors.ts'
import { autoName } from '../core/task-name.ts'
import type { AppValue, Evaluator, Value } from './evaluate.ts'
import {
  type DefinitionDraft,
  type Docs,
  type Expr,
  type FileSummary,
  type FunctionInfo,
  rangeOf,
} from './file-summary.ts'
import type { AppInfo, CallSite, Diagnostic, DiagnosticCode, Naming, Parameter, TaskInfo } from './task-info.ts'

/** What one file holds once its names are known, and the files that this rests on. */
export interface LinkedFile {
  readonly tasks: readonly TaskInfo[]
  readonly calls: readonly CallSite[]
  readonly apps: readonly AppInfo[]
  /** Of single definitions; what needs the others comes later. */
  readonly diagnostics: readonly Diagnostic[]
  readonly files: ReadonlySet<string>
}

/** What linking a file needs. */
export interface Linking {
  readonly folder: string
  readonly evaluator: Evaluator
  /** Looks only at files that can hold an alias of `task`. */
  readonly aliases: Evaluator
  summary(file: string): FileSummary | undefined
  /** Definitions that calls have asked for; empty at the start of each pass. */
  readonly targets: Map<string, Target>
  isTest(file: string): boolean
}

/** What a call leads to, and what that rests on. */
export interface Target {
  definition: { readonly id: string; readonly name: string | undefined } | undefined
  readonly files: Set<string>
}

/** Decides which drafts of a file are definitions and calls, and works out what they say. */
export function linkFile(linking: Linking, file: string, summary: FileSummary, stale: boolean): LinkedFile {
  const files = new Set([file])
  const tasks: TaskInfo[] = []
  const diagnostics: Diagnostic[] = []
  summary.definitions.forEach((draft, index) => {
    const definition = defined(linking, file, index, files)
    if (!definition) return
    const task = describe(linking, file, draft, definition, files, stale)
    tasks.push(task)
    diagnostics.push(...faultsOf(task, definition))
  })
  const calls = summary.calls.flatMap((draft) => {
    const call = callOf(linking, file, draft, files)
    return call ? [{ ...call, ...(stale && { stale: true as const }) }] : []
  })
  const apps = summary.apps.flatMap(({ expr, range }) => {
    const value = linking.evaluator.run(file, expr, files)
    if (value.t !== 'app') return []
    return [
      { id: value.app.id, ...(value.app.main !== undefined && { main: value.app.main }), file, range: rangeOf(range) },
    ]
  })
  return { tasks, calls, apps, diagnostics, files }
}

interface Definition {
  readonly id: string
  readonly kind: TaskInfo['kind']
  readonly app: AppValue | undefined
  readonly naming: Naming
  readonly name: string | undefined
  /** Index of the name among the arguments. */
  readonly nameAt: number | undefined
  readonly options: Value
  readonly fn: FunctionInfo | undefined
  readonly fault?:
    | { readonly code: DiagnosticCode; readonly message: string; readonly suggestion?: string | undefined }
    | undefined
}

/** The definition that a draft is; undefined where its callee is no task maker. */
function defined(linking: Linking, file: string, index: number, files: Set<string>): Definition | undefined {
  const summary = linking.summary(file)
  const draft = summary?.definitions[index]
  if (!summary || !draft) return undefined
  const evaluator = draft.alias ? linking.aliases : linking.evaluator
  const callee = evaluator.run(file, draft.callee, files)
  const kind = kindOf(callee)
  if (!kind) return undefined
  const app = callee.t === 'method' ? callee.app : undefined
  const value = (at: number): Value => {
    const expr = draft.args[at]
    return expr ? linking.evaluator.run(file, expr, files) : { t: 'unknown' }
  }
  const { nameAt, optionsAt, fnAt } = argumentPlaces(kind, draft.args, value)
  const fn = fnAt === undefined ? undefined : value(fnAt)
  const own = {
    id: idOf(summary, file, index),
    kind,
    app,
    nameAt,
    options: optionsAt === undefined ? ({ t: 'object', file, entries: [] } as const) : value(optionsAt),
    fn: fn?.t === 'function' ? fn.fn : fn?.t === 'class' ? runOf(linking, fn, files) : undefined,
  }
  if (nameAt === undefined) return { ...own, ...derivedName(linking.folder, file, draft, kind, app, own.fn) }
  const name = value(nameAt)
  if (name.t !== 'constant') return { ...own, naming: 'dynamic', name: undefined }
  const naming = name.mutable ? 'mutable' : draft.args[nameAt]?.k === 'literal' ? 'literal' : 'constant'
  return { ...own, naming, name: String(name.v) }
}

function kindOf(callee: Value): TaskInfo['kind'] | undefined {
  if (callee.t === 'library') return callee.name === 'sharedTask' ? 'shared' : undefined
  if (callee.t !== 'method') return undefined
  return callee.name === 'task' || callee.name === 'registerTask'
    ? 'task'
    : callee.name === 'external'
      ? 'external'
      : undefined
}

/** The method of a class task, its own or inherited; the task is named after the class. */
function runOf(linking: Linking, given: Extract<Value, { t: 'class' }>, files: Set<string>): FunctionInfo | undefined {
  let at: Value = given
  for (let depth = 0; at.t === 'class' && depth < mostAncestors; depth++) {
    const { run, base } = at.expr
    if (run) return { ...run, name: given.expr.name }
    if (!base) return undefined
    at = linking.evaluator.run(at.file, base, files)
  }
  return undefined
}

const mostAncestors = 20

/** Which argument is what, by the rules of `task()`: a string is the name, a function the function, else options. */
function argumentPlaces(
  kind: TaskInfo['kind'],
  args: readonly Expr[],
  value: (at: number) => Value,
): { readonly nameAt?: number; readonly optionsAt?: number; readonly fnAt?: number } {
  if (kind === 'external') return { nameAt: 0, ...(args.length > 1 && { optionsAt: 1 }) }
  if (args.length >= 3) return { nameAt: 0, optionsAt: 1, fnAt: 2 }
  const first = value(0)
  if (args.length === 2) {
    return first.t === 'object' ? { optionsAt: 0, fnAt: 1 } : { nameAt: 0, fnAt: 1 }
  }
  // A name alone is a definition that is being typed.
  return first.t === 'constant' ? { nameAt: 0 } : args.length === 1 ? { fnAt: 0 } : {}
}

function derivedName(
  folder: string,
  file: string,
  draft: DefinitionDraft,
  kind: TaskInfo['kind'],
  app: AppValue | undefined,
  fn: FunctionInfo | undefined,
): Pick<Definition, 'naming' | 'name' | 'fault'> {
  if (kind === 'shared') {
    const message = 'A shared task needs a name: there is no app to derive one from.'
    return { naming: 'missing', name: undefined, fault: { code: 'anonymous-task', message } }
  }
  if (!app || app.main === undefined || !fn) return { naming: 'dynamic', name: undefined }
  if (app.explicitNames) {
    const wanted = wantedName(folder, file, draft, app, fn)
    const message = `App '${app.main}' allows explicit task names only (taskNames: 'explicit'): write app.task('${wanted}', ...).`
    return { naming: 'missing', name: undefined, fault: { code: 'explicit-names', message, suggestion: wanted } }
  }
  try {
    return { naming: 'automatic', name: autoName(app.main, join(folder, app.file), join(folder, file), fn.name) }
  } catch (error) {
    if (!(error instanceof TaskNameError)) throw error
    const wanted = wantedName(folder, file, draft, app, fn)
    const code = fn.name === '' ? 'anonymous-task' : 'outside-app'
    const message =
      code === 'anonymous-task'
        ? `This task has no name: an arrow function passed straight into task() is anonymous. Write the name: app.task('${wanted}', ...).`
        : `This file lies outside the folder of ${app.file}, so the task gets no automatic name. Write one: app.task('${wanted}', ...).`
    return { naming: 'missing', name: undefined, fault: { code, message, suggestion: wanted } }
  }
}

/** The literal to write where none can be derived: what the name would be after the binding. */
function wantedName(folder: string, file: string, draft: DefinitionDraft, app: AppValue, fn: FunctionInfo): string {
  const last = fn.name || draft.binding?.split('.').at(-1) || 'name'
  try {
    return autoName(app.main ?? '', join(folder, app.file), join(folder, file), last)
  } catch {
    return `${app.main ?? ''}.${last}`
  }
}

/** Stable while the binding keeps its name. */
function idOf(summary: FileSummary, file: string, index: number): string {
  const binding = summary.definitions[index]?.binding
  const earlier = summary.definitions.slice(0, index).filter((one) => one.binding === binding).length
  return `${file}#${binding ?? ''}${binding === undefined || earlier > 0 ? `~${earlier + 1}` : ''}`
}

function describe(
  linking: Linking,
  file: string,
  draft: DefinitionDraft,
  definition: Definition,
  files: Set<string>,
  stale: boolean,
): TaskInfo {
  const { id, kind, app, naming, name, nameAt, fn } = definition
  const { options, openOptions } = readOptions(linking, definition.options, files)
  const bound = options.bind === true
  const all = (fn?.parameters ?? []).map((one) => withDocs(one, draft.docs))
  const parameters = bound ? all.slice(1) : all
  const nameText = nameAt === undefined || naming === 'literal' ? undefined : draft.firstText
  const shown = name ?? nameText ?? draft.binding ?? '?'
  const doc = draft.docs?.text ?? fn?.doc
  const returns = fn ? (fn.returns ?? draft.docs?.returns) : undefined
  const nameRange = nameAt === undefined ? undefined : draft.first
  return {
    id,
    kind,
    ...(name !== undefined && { name }),
    naming,
    ...(nameText !== undefined && { nameText }),
    ...(app && { app: app.id }),
    ...(draft.binding !== undefined && { binding: draft.binding }),
    parameters,
    ...(!fn && { opaque: true as const }),
    ...(bound && { bound: true as const }),
    ...(returns !== undefined && { returns }),
    signature: `${shown}(${fn ? parameters.map(parameterText).join(', ') : '…'})${returns === undefined ? '' : `: ${returns}`}`,
    ...(doc !== undefined && { doc }),
    options,
    ...(openOptions.length > 0 && { openOptions }),
    ...(draft.conditional && { conditional: true as const }),
    ...(linking.isTest(file) && { inTest: true as const }),
    ...(stale && { stale: true as const }),
    file,
    range: rangeOf(draft.range),
    site: rangeOf(draft.site),
    ...(nameRange && { nameRange: rangeOf(nameRange) }),
  }
}

function withDocs(parameter: Parameter, docs: Docs | undefined): Parameter {
  const said = docs && Object.hasOwn(docs.parameters, parameter.name) ? docs.parameters[parameter.name] : undefined
  if (!said) return parameter
  const { text, type, optional } = said
  return {
    ...parameter,
    ...(parameter.type === undefined && type !== undefined && { type }),
    ...(optional && { optional }),
    ...(text !== undefined && { doc: text }),
  }
}

/** `to: string`, `n?: number`, `...rest: string[]`, `x = 1`. */
function parameterText({ name, type, optional, rest, default: value }: Parameter): string {
  const mark = rest ? '...' : ''
  const may = optional && value === undefined ? '?' : ''
  return `${mark}${name}${may}${type === undefined ? '' : `: ${type}`}${value === undefined ? '' : ` = ${value}`}`
}

function readOptions(
  linking: Linking,
  value: Value,
  files: Set<string>,
): { readonly options: Readonly<Record<string, unknown>>; readonly openOptions: readonly string[] } {
  const options: Record<string, unknown> = {}
  const openOptions: string[] = []
  if (value.t !== 'object') return { options, openOptions: ['*'] }
  for (const key of keysOf(linking, value, files, openOptions)) {
    const plain = plainOf(linking, linking.evaluator.property(value, key, files), files, 0)
    if (plain === undefined) openOptions.push(key)
    else options[key] = plain.value
  }
  return { options, openOptions }
}

function keysOf(
  linking: Linking,
  value: Extract<Value, { t: 'object' }>,
  files: Set<string>,
  open: string[],
): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const [key, expr] of value.entries) {
    if (key !== null) {
      if (key !== '__proto__') keys.add(key)
      continue
    }
    const spread = linking.evaluator.run(value.file, expr, files)
    if (spread.t !== 'object') open.push('*')
    else for (const one of keysOf(linking, spread, files, open)) keys.add(one)
  }
  return keys
}

function plainOf(
  linking: Linking,
  value: Value,
  files: Set<string>,
  depth: number,
): { readonly value: unknown } | undefined {
  if (value.t === 'constant') return { value: value.v }
  if (depth > 4) return undefined
  if (value.t === 'array') {
    const items = value.items.map((one) =>
      plainOf(linking, linking.evaluator.run(value.file, one, files), files, depth + 1),
    )
    return items.every((one) => one !== undefined) ? { value: items.map((one) => one.value) } : undefined
  }
  if (value.t !== 'object') return undefined
  const plain: Record<string, unknown> = {}
  for (const key of keysOf(linking, value, files, [])) {
    const inner = plainOf(linking, linking.evaluator.property(value, key, files), files, depth + 1)
    if (!inner) return undefined
    plain[key] = inner.value
  }
  return { value: plain }
}

function faultsOf(task: TaskInfo, { fault, fn }: Definition): readonly Diagnostic[] {
  const found: Diagnostic[] = []
  const add = (severity: Diagnostic['severity'], one: NonNullable<Definition['fault']>): void => {
    found.push({
      severity,
      ...one,
      file: task.file,
      range: task.nameRange ?? task.site,
      ...(task.name !== undefined && { task: task.name }),
      related: [],
    })
  }
  // In a test it may be the very thing that is tested.
  if (fault) add(task.inTest ? 'info' : 'error', fault)
  if (task.naming === 'dynamic') {
    const text = task.nameText ?? 'the function'
    const message = `The name of this task is known at run time only (${text}), so its collisions and calls by name are not checked.`
    add('info', { code: 'dynamic-name', message })
  }
  const { params } = task.options
  if (fn && isTexts(params)) {
    const written = params.map((one) => one.replace(/\?$/, ''))
    const real = task.parameters.map((one) => one.name)
    if (written.join() !== real.join()) {
      const message = `params says (${written.join(', ')}), the function has (${real.join(', ')}): keyword calls go by what params says.`
      const suggestion = JSON.stringify(task.parameters.map((one) => (one.optional ? `${one.name}?` : one.name)))
      add('warn', { code: 'params-mismatch', message, suggestion })
    }
  }
  return found
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** A definition is worked out once for all its calls. */
function targetOf(
  linking: Linking,
  { file, index }: Extract<Value, { t: 'task' }>,
  files: Set<string>,
): Target['definition'] {
  const key = `${file}#${index}`
  const known = linking.targets.get(key)
  const target = known ?? { definition: undefined, files: new Set<string>() }
  if (!known) {
    target.definition = defined(linking, file, index, target.files)
    linking.targets.set(key, target)
  }
  for (const one of target.files) files.add(one)
  return target.definition
}

function callOf(
  linking: Linking,
  file: string,
  draft: FileSummary['calls'][number],
  files: Set<string>,
): CallSite | undefined {
  const { of, name, args, range, nameRange, ...own } = draft
  const value = linking.evaluator.run(file, of, files)
  const call = {
    ...own,
    ...(args && { args: args.map(([span, type]) => ({ range: rangeOf(span), ...(type !== undefined && { type }) })) }),
    file,
    range: rangeOf(range),
    nameRange: rangeOf(nameRange),
  }
  if (own.method === 'sendTask' || own.method === 'signature') {
    const isApp = value.t === 'app' || (value.t === 'some' && value.what === 'app')
    if (!isApp || !name) return undefined
    const said = linking.evaluator.run(file, name, files)
    if (said.t !== 'constant' || said.mutable) return { ...call, dynamic: true }
    return { ...call, task: String(said.v) }
  }
  if (value.t === 'some' && value.what === 'task') return { ...call, dynamic: true }
  if (value.t !== 'task') return undefined
  const target = targetOf(linking, value, files)
  if (!target) return undefined
  return { ...call, target: target.id, ...(target.name === undefined ? { dynamic: true } : { task: target.name }) }
}
