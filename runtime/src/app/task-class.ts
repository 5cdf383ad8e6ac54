import type { SignatureData } from '../core/signature.ts'
import { BoundTask } from './context.ts'
import type { Returned, TaskOptions } from './task-options.ts'

/**
 * Base of class tasks and of bases that several tasks share: `class Send extends Task { run(to: string) { … } }`, exported by the package
 * as `Task`. One instance per task serves all its runs in a process; it is made at the first of them, so what its constructor opens is
 * not opened where tasks are only sent. Inside a run `this.request`, `this.retry()` and the rest are those of that run, whatever else
 * runs at the same time. Override the hooks that are wanted; they are the task options of the same names.
 */
export class TaskBase extends BoundTask {
  /** Options of the tasks of this class and of those that extend it. */
  static readonly options?: ClassOptions | undefined

  constructor() {
    super()
  }

  beforeStart(): unknown {
    return undefined
  }

  onSuccess(_value: unknown): unknown {
    return undefined
  }

  onFailure(_error: unknown): unknown {
    return undefined
  }

  onRetry(_error: unknown): unknown {
    return undefined
  }

  afterReturn(_returned: Returned): unknown {
    return undefined
  }

  onReplace(_replacement: SignatureData): unknown {
    return undefined
  }
}

/** Options that a class may state: what concerns the form of one function is not among them. */
export type ClassOptions = Omit<TaskOptions, 'bind' | 'base' | 'params'>

/** A class of tasks. */
export interface TaskClass<T extends TaskBase = TaskBase> {
  new (): T
  readonly prototype: T
  readonly options?: ClassOptions | undefined
}

/** A class that can be registered as a task: it has a `run`. */
export type RunnableClass<T extends RunnableTask = RunnableTask> = TaskClass<T>

export type RunnableTask = TaskBase & { run(...args: never[]): unknown }

/** Whether a base is a class rather than options. */
export function isTaskClass(base: unknown): base is TaskClass {
  return typeof base === 'function'
}

const hooks = ['beforeStart', 'onSuccess', 'onFailure', 'onRetry', 'afterReturn', 'onReplace'] as const

/**
 * The options that a class stands for: those of its ancestors under its own, and the hooks that it overrides. `instance` gives the object
 * they are called on.
 */
export function optionsOfClass(base: TaskClass, instance: () => TaskBase): TaskOptions {
  const stated: ClassOptions[] = []
  for (let at: unknown = base; typeof at === 'function'; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, 'options')) stated.unshift((at as unknown as TaskClass).options ?? {}) // it has them
  }
  const overridden = hooks.filter((hook) => base.prototype[hook] !== TaskBase.prototype[hook])
  const called = overridden.map((hook) => [hook, (_self: BoundTask, given: never) => instance()[hook](given)] as const)
  let options: TaskOptions = {}
  for (const one of stated) options = { ...options, ...one }
  return { ...options, ...Object.fromEntries(called) }
}
