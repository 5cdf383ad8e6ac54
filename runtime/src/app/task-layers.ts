import type { TaskAnnotations } from '../core/task-annotations.ts'
import { annotationsFor } from './annotations.ts'
import { BoundTask, type TaskContext } from './context.ts'
import type { TaskDefinition } from './task.ts'
import { isTaskClass, optionsOfClass, type TaskBase, type TaskClass } from './task-class.ts'
import type { DefinedOptions, TaskOptions } from './task-options.ts'
import type { TqApp } from './tq.ts'
import { type TaskValidation, validationOf } from './validation.ts'

/** What a task is once its layers are laid over each other: base, own options, annotations. */
export interface ResolvedTask {
  readonly options: TaskOptions
  readonly validation: TaskValidation | undefined
  /** The one instance of the task's class in this process, made at the first call; undefined without a class. */
  readonly instance: (() => TaskBase) | undefined
}

/**
 * The options of a task of which definitions, bases and settings each know a part: the app's `taskCls`, the option `base`, its own,
 * `taskAnnotations`, each over the one before. Gives the same object until the app or its annotations change.
 */
export class TaskLayers {
  readonly #name: string
  readonly #own: DefinedOptions
  readonly #appOf: () => TqApp | undefined
  readonly #instances = new Map<TaskClass, TaskBase>()
  #app: TqApp | undefined
  #annotations: TaskAnnotations | undefined
  #resolved: ResolvedTask | undefined

  constructor(name: string, own: DefinedOptions, appOf: () => TqApp | undefined) {
    this.#name = name
    this.#own = own
    this.#appOf = appOf
  }

  get resolved(): ResolvedTask {
    const app = this.#appOf()
    const annotations = app?.settings.taskAnnotations
    if (this.#resolved === undefined || app !== this.#app || annotations !== this.#annotations) {
      this.#app = app
      this.#annotations = annotations
      this.#resolved = this.#resolve(app, annotations)
    }
    return this.#resolved
  }

  #resolve(app: TqApp | undefined, annotations: TaskAnnotations | undefined): ResolvedTask {
    const { layers, taskClass = app?.taskCls } = basesOf(this.#own)
    const instance = taskClass && (() => this.#instance(taskClass))
    const classOptions = taskClass && instance ? optionsOfClass(taskClass, instance) : {}
    const own = merged([classOptions, ...layers])
    const options = merged([own, ...annotationsFor(annotations, this.#name, own)])
    return { options, validation: validationOf(this.#own.validate), instance }
  }

  #instance(taskClass: TaskClass): TaskBase {
    const made = this.#instances.get(taskClass) ?? new taskClass()
    this.#instances.set(taskClass, made)
    return made
  }
}

/** The running task as its functions and hooks get it: the instance of its class, or a handle on this run. */
export function selfOf(definition: TaskDefinition, context: TaskContext): BoundTask {
  return definition.instance?.() ?? new BoundTask(context)
}

/** The options of the bases, outermost first, then the task's own; and the class among them. */
function basesOf({ base, ...own }: TaskOptions): {
  readonly layers: readonly TaskOptions[]
  readonly taskClass?: TaskClass | undefined
} {
  if (base === undefined) return { layers: [own] }
  if (isTaskClass(base)) return { layers: [own], taskClass: base }
  const { layers, taskClass } = basesOf(base)
  return { layers: [...layers, own], taskClass }
}

function merged(layers: readonly TaskOptions[]): TaskOptions {
  let all: TaskOptions = {}
  for (const layer of layers) {
    const stated = Object.entries(layer).filter(([, value]) => value !== undefined)
    const redact = [...new Set([...(all.redact ?? []), ...(layer.redact ?? [])])] // what one of them hides stays hidden
    all = { ...all, ...Object.fromEntries(stated), ...(redact.length > 0 && { redact }) }
  }
  return all
}
