import type { CallSite, Diagnostic, TaskInfo } from './task-info.ts'

/**
 * Collisions among the definitions of one name, seen from each of them. Definitions collide within one app; a shared task
 * meets the tasks of every app. Only what is certain is an error: both always run, in one app, with names that cannot change.
 * `apps` is how many apps the workspace has.
 */
export function collisions(name: string, tasks: readonly TaskInfo[], apps: number): readonly Diagnostic[] {
  const real = tasks.filter((one) => one.kind !== 'external' && !one.inTest)
  if (real.length < 2) return []
  return real.flatMap((task) => {
    const rivals = real.filter((other) => other !== task && canMeet(task, other))
    if (rivals.length === 0) return []
    const certain = rivals.filter((other) => isCertain(task, other, apps))
    const isError = certain.length > 0
    const places = (isError ? certain : rivals).map((one) => `${one.file}:${one.site.line}`).join(', ')
    return [
      {
        code: isError ? 'duplicate-task' : 'possible-duplicate',
        severity: isError ? 'error' : 'warn',
        message: isError
          ? `Task '${name}' is defined twice: here and at ${places}. Give one of them another name.`
          : `Task '${name}' may be defined twice: here and at ${places}. ${reason(task, rivals)}`,
        file: task.file,
        range: task.nameRange ?? task.site,
        task: name,
        related: rivals.map((one) => ({
          file: one.file,
          range: one.nameRange ?? one.site,
          message: `'${name}' is defined here too`,
        })),
      } satisfies Diagnostic,
    ]
  })
}

function canMeet(a: TaskInfo, b: TaskInfo): boolean {
  if (a.kind === 'shared' || b.kind === 'shared') return true
  return a.app === undefined || b.app === undefined || a.app === b.app
}

function isCertain(a: TaskInfo, b: TaskInfo, apps: number): boolean {
  const fixed = (one: TaskInfo): boolean => one.naming !== 'mutable' && !one.conditional
  if (!fixed(a) || !fixed(b)) return false
  const shared = a.kind === 'shared' || b.kind === 'shared'
  // A shared task is adopted by the apps that import it: with several apps, who does is not known here.
  return shared ? apps <= 1 : a.app !== undefined && a.app === b.app
}

function reason(task: TaskInfo, rivals: readonly TaskInfo[]): string {
  const all = [task, ...rivals]
  if (all.some((one) => one.conditional))
    return 'One of them stands in a condition or a function; if both run, importing fails.'
  if (all.some((one) => one.naming === 'mutable')) return 'One of the names is a variable.'
  return 'It depends on which apps adopt them.'
}

/** What calls by name get wrong: names nobody defines, numbers and kinds of arguments. */
export function callFaults(
  call: CallSite,
  named: (name: string) => readonly TaskInfo[],
  nearest: (name: string) => string | undefined,
): readonly Diagnostic[] {
  const { task: name } = call
  if (name === undefined || (call.method !== 'sendTask' && call.method !== 'signature')) return []
  const tasks = named(name)
  if (tasks.length === 0) return [unknownTask(call, name, nearest(name))]
  const [task] = tasks
  if (!task || tasks.length > 1 || task.kind === 'external' || task.opaque || call.method === 'signature') return []
  // Which arguments may be left out is said by its schemas.
  if (task.openOptions?.includes('validate') === true) return []
  return argumentFaults(call, name, task)
}

function unknownTask(call: CallSite, name: string, near: string | undefined): Diagnostic {
  return {
    code: 'unknown-task',
    // Without anything like it here it is most likely another service's.
    severity: near === undefined ? 'info' : 'warn',
    message:
      near === undefined
        ? `No definition of task '${name}' in this folder. If another service has it, say app.external('${name}').`
        : `Unknown task '${name}'. Did you mean '${near}'?`,
    file: call.file,
    range: call.nameRange,
    task: name,
    ...(near !== undefined && { suggestion: near }),
    related: [],
  }
}

function argumentFaults(call: CallSite, name: string, task: TaskInfo): readonly Diagnostic[] {
  const { args } = call
  if (!args) return []
  const related = [{ file: task.file, range: task.site, message: task.signature }]
  const fault = (code: Diagnostic['code'], range: Diagnostic['range'], message: string): Diagnostic => ({
    code,
    severity: 'error',
    message,
    file: call.file,
    range,
    task: name,
    related,
  })
  const { parameters } = task
  const required = call.keywords ? 0 : parameters.filter((one) => !one.optional && !one.rest).length
  const most = parameters.some((one) => one.rest) ? Infinity : parameters.length
  if (args.length < required || args.length > most) {
    const wanted =
      required === most ? `${required}` : most === Infinity ? `at least ${required}` : `${required} to ${most}`
    return [fault('argument-count', call.range, `Expected ${wanted} arguments, got ${args.length}: ${task.signature}.`)]
  }
  return args.flatMap((arg, i) => {
    const parameter = parameters[i]
    const wanted = parameter?.rest ? undefined : parameter?.type
    if (!arg.type || !wanted || !plainTypes.has(wanted) || wanted === arg.type) return []
    return [
      fault(
        'argument-type',
        arg.range,
        `Expected ${parameter?.name ?? ''}: ${wanted}, got ${arg.type}: ${task.signature}.`,
      ),
    ]
  })
}

const plainTypes: ReadonlySet<string> = new Set(['string', 'number', 'boolean'])
