import type { Route } from '../core/message.ts'
import type { Settings } from '../core/settings.ts'
import type { TaskOptions } from './task.ts'

export interface RouteOptions {
  readonly queue?: string | undefined
  readonly exchange?: string | undefined
  readonly routingKey?: string | undefined
  readonly priority?: number | undefined
}

/**
 * Where a call goes: call options before task options before settings. A queue is reached through the anonymous exchange
 * with its name as routing key, as Celery does for direct exchanges.
 */
export function route(settings: Settings, task: TaskOptions, call: RouteOptions): Route {
  const queue = call.queue ?? task.queue ?? settings.taskDefaultQueue
  const priority = call.priority ?? task.priority ?? settings.taskDefaultPriority
  const exchange = call.exchange ?? ''
  return { queue, exchange, routingKey: exchange === '' ? queue : (call.routingKey ?? queue), priority }
}
