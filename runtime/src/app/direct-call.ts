import { randomId } from '../core/id.ts'
import { bareMessage } from '../core/message.ts'
import { runInContext, type TaskContext } from './context.ts'
import type { AnyTask } from './task.ts'
import { selfOf } from './task-layers.ts'
import type { TqApp } from './tq.ts'
import { parseArguments, parseResult } from './validation.ts'

/**
 * `add(2, 2)`: the function itself, here and now, with a context of its own where it gets `self`. What is validated is: then it gets what the
 * schemas make of the arguments, and gives what they make of the result, as a promise where a schema is asynchronous.
 */
export function callDirectly(app: TqApp, task: AnyTask, args: readonly never[]): unknown {
  const { definition } = task
  const { fn, options, validation, instance } = definition
  const call = (parsed: readonly unknown[]): unknown => {
    const given = parsed as readonly never[] // by the task's type, or by its schemas
    if (!options.bind && !instance) return fn(...given)
    const context = directContext(app, task, args)
    return runInContext(context, () =>
      // `self` is of the type that the definition's own overload gave it.
      options.bind ? fn(selfOf(definition, context) as never, ...given) : fn(...given),
    )
  }
  if (!validation) return call(args)
  const parsed = parseArguments(app, task, args, {})
  if (isPromise(parsed)) return parsed.then(async (all) => parseResult(app, task, await call(all)))
  const value = call(parsed)
  return isPromise(value) ? value.then((one) => parseResult(app, task, one)) : parseResult(app, task, value)
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise
}

/**
 * The context of `add(2, 2)` on a bound task: a request of its own, nothing stored, nothing sent again.
 * Source: celery/app/task.py, Context.called_directly.
 */
export function directContext(app: TqApp, task: AnyTask, args: readonly unknown[]): TaskContext {
  const id = randomId()
  const { options } = task.definition
  return {
    app,
    definition: task.definition,
    message: { ...bareMessage({ id, task: task.taskName, args, origin: app.origin }), ignoreResult: true },
    deliveryInfo: { queue: '', exchange: '', routingKey: '', priority: 0, redelivered: false, deliveries: 0 },
    hostname: app.origin,
    startedAtMs: app.clock.now(),
    signal: new AbortController().signal,
    isEager: false,
    calledDirectly: true,
    maxRetries: options.maxRetries === undefined ? 3 : options.maxRetries,
    defaultRetryDelay: options.defaultRetryDelay ?? 180,
    clock: app.clock,
    logger: app.logger,
    updateState: async () => {},
    fail: () => {},
    children: [],
  }
}
