import { randomId } from '../core/id.ts'
import type { TaskContext } from './context.ts'
import type { AnyTask } from './task.ts'
import type { TqApp } from './tq.ts'

/**
 * The context of `add(2, 2)` on a bound task: a request of its own, nothing stored, nothing sent again.
 * Source: celery/app/task.py, Context.called_directly.
 */
export function directContext(app: TqApp, task: AnyTask, args: readonly unknown[]): TaskContext {
  const id = randomId()
  const { options } = task.definition
  return {
    app,
    message: {
      id,
      task: task.taskName,
      args,
      kwargs: {},
      rootId: id,
      parentId: undefined,
      groupId: undefined,
      groupIndex: undefined,
      etaMs: undefined,
      expiresMs: undefined,
      retries: 0,
      limits: {},
      callbacks: [],
      errbacks: [],
      chain: [],
      chord: undefined,
      replyTo: '',
      origin: app.origin,
      ignoreResult: true,
      shadow: undefined,
      argsRepr: undefined,
      kwargsRepr: undefined,
      replacedTaskNesting: 0,
      stamps: {},
      stampedHeaders: [],
      extraHeaders: {},
      properties: { priority: 0, deliveryMode: 1, correlationId: id },
    },
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
