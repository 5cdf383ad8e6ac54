import { callerSite } from './call-site.ts'
import { currentContext } from './context.ts'
import { type DefinitionArguments, type DefineNamed, readDefinition } from './definition.ts'
import { type AnyTask, makeTask } from './task.ts'
import { TaskNameError } from '../core/errors.ts'
import type { TqApp } from './tq.ts'

const sharedBrand: unique symbol = Symbol.for('tq.SharedTask')

/** A definition that belongs to no app until one adopts it. */
export interface SharedTask {
  readonly [sharedBrand]: true
  /** The app's own task for this definition. */
  adopt(app: TqApp): AnyTask
}

export function isSharedTask(value: unknown): value is SharedTask {
  return typeof value === 'function' && sharedBrand in value
}

/**
 * Defines a task for libraries: any number of apps adopt it, through the loader or `app.use(module)`. A call is sent by the
 * app whose task is running, else by the first that adopted it; before that `delay` rejects with NoAppError.
 */
export const sharedTask: DefineNamed = (...given: DefinitionArguments): never => {
  const { name, options, fn } = readDefinition(given)
  if (name === undefined) throw new TaskNameError('A shared task needs a name: there is no app to derive one from.')
  const definition = { name, fn, options, site: callerSite(), external: false }
  const adopted = new Map<TqApp, AnyTask>()
  const sender = (): TqApp | undefined => {
    const running = currentContext()?.app
    return running && adopted.has(running) ? running : adopted.keys().next().value
  }
  const shared: Pick<SharedTask, 'adopt'> & { [sharedBrand]: true } = {
    [sharedBrand]: true,
    adopt: (app) => {
      const known = adopted.get(app)
      if (known) return known
      const own = makeTask(definition, () => app)
      adopted.set(app, own)
      return own
    },
  }
  return Object.assign(makeTask(definition, sender), shared) as never // of the type that its definition has inferred
}
