import { TaskNameError } from '../core/errors.ts'
import { callerSite, type Site } from './call-site.ts'
import { type DefinitionArguments, readDefinition } from './definition.ts'
import { type AnyTask, makeTask, type TaskFunction, type TaskOptions } from './task.ts'
import type { RunnableClass, RunnableTask } from './task-class.ts'
import type { DefinedOptions } from './task-options.ts'
import { autoName } from '../core/task-name.ts'
import type { TqApp } from './tq.ts'

/** Makes and registers the task of an `app.task(...)`; `appFile` is the file that made the app. */
export function defineTask(app: TqApp, given: DefinitionArguments, appFile: string | undefined): AnyTask {
  const site = callerSite()
  const { name, options, fn } = readDefinition(given)
  const task = makeTask(
    { name: name ?? automaticName(app, site, fn, appFile), fn, options, site, external: false },
    () => app,
  )
  app.registry.register(task)
  return task
}

function automaticName(
  app: TqApp,
  site: Site | undefined,
  fn: { readonly name: string },
  appFile: string | undefined,
): string {
  if (app.settings.taskNames === 'explicit') {
    throw new TaskNameError(
      `App '${app.main}' allows explicit task names only (taskNames: 'explicit'): write app.task('${app.main}.${fn.name || 'name'}', ...).`,
    )
  }
  return autoName(app.main, appFile, site?.file, fn.name)
}

/** Makes and registers the task of an `app.registerTask(...)`. */
export function defineClass(
  app: TqApp,
  given: readonly (string | DefinedOptions | RunnableClass)[],
  appFile: string | undefined,
): AnyTask {
  const site = callerSite()
  const { name, options, fn } = readDefinition(given as DefinitionArguments) // a class is a function, too
  const taskClass = fn as unknown as RunnableClass
  const run: unknown = Reflect.get(taskClass.prototype, 'run')
  if (typeof run !== 'function') throw new TypeError(`expected class ${taskClass.name} to have a method run()`)
  const task: AnyTask = makeTask(
    {
      name: name ?? automaticName(app, site, taskClass, appFile),
      fn: (self: RunnableTask, ...args: never[]) => self.run(...args),
      options: { ...options, bind: true, base: taskClass },
      site,
      external: false,
      source: run as TaskFunction, // only its text is read
    },
    () => app,
  )
  app.registry.register(task)
  return task
}

/** Makes the task of an `app.external(...)`: it is called from here and runs elsewhere. */
export function defineExternal(app: TqApp, name: string, options: TaskOptions): AnyTask {
  const fn = (): never => {
    throw new TypeError(`Task '${name}' is implemented elsewhere and cannot be called here; use delay().`)
  }
  return makeTask({ name, fn, options, site: callerSite(), external: true }, () => app)
}
