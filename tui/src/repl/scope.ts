import { isAbsolute, relative } from 'node:path'
import type { TaskLine } from './protocol.ts'

/** A task as the engine sees it: callable, with a name and a description. */
export interface ReplTask {
  readonly taskName: string
  describe(): {
    readonly name: string
    readonly params: readonly string[]
    readonly signature: string
    readonly file?: string | undefined
    readonly line?: number | undefined
    readonly queue?: string | undefined
  }
}

const taskBrand = Symbol.for('tq.Task')

export function isTask(value: unknown): value is ReplTask {
  return typeof value === 'function' && Reflect.get(value, taskBrand) === true
}

/** Makes names global, as a REPL's session variables are: readable and writable, and `const` of the same name shadows them. */
export function bindGlobals(values: Readonly<Record<string, unknown>>): readonly string[] {
  const bound: string[] = []
  for (const [name, value] of Object.entries(values)) {
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) || name === 'default') continue
    if (name in globalThis && !isTask(value)) continue
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false })
    bound.push(name)
  }
  return bound
}

/** The tasks of the app, each with the name it is in scope by. */
export function taskLines(
  tasks: readonly unknown[],
  exports: Readonly<Record<string, unknown>>,
  projectFolder: string,
): readonly TaskLine[] {
  const names = new Map(Object.entries(exports).map(([name, value]) => [value, name]))
  return tasks.filter(isTask).map((task) => taskLine(task, projectFolder, names.get(task)))
}

export function taskLine(task: ReplTask, projectFolder: string, binding?: string): TaskLine {
  const { name, signature, file, line, queue } = task.describe()
  const shown = file !== undefined && isAbsolute(file) ? relative(projectFolder, file) : file
  return {
    name,
    signature,
    queue,
    binding,
    file: shown,
    place: shown === undefined ? undefined : `${shown}${line === undefined ? '' : `:${line}`}`,
  }
}

/** `math.add(x: number, y: number): number        src/tasks/math.ts:7   queue celery` */
export function describeTask(line: TaskLine): string {
  const signature = line.signature.startsWith(line.name) ? line.signature : `${line.name}${line.signature}`
  const rest = [line.place, line.queue === undefined ? undefined : `queue ${line.queue}`].filter(
    (part) => part !== undefined,
  )
  return [signature, rest.join('   ')].join('        ').trimEnd()
}
