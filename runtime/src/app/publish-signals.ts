import type { Message } from '../core/message.ts'
import { compressionOf, encodeTask, markCompressed } from '../wire/task-protocol.ts'
import type { Prepared } from './send.ts'
import type { PublishedOptions } from './signals.ts'
import type { TqApp } from './tq.ts'

/**
 * Tells the listeners of `beforeTaskPublish` of each message, and has the messages say what they changed. Undefined where there are none.
 * Source: celery/app/amqp.py, send_task_message.
 */
export function beforePublish(app: TqApp, prepared: readonly Prepared[]): Promise<void> | undefined {
  return app.signals.has('beforeTaskPublish') ? tellAll(app, prepared) : undefined
}

/** Tells the listeners of `afterTaskPublish`. Undefined where there are none. */
export function afterPublish(app: TqApp, prepared: readonly Prepared[]): Promise<void> | undefined {
  return app.signals.has('afterTaskPublish') ? tellSent(app, prepared) : undefined
}

async function tellAll(app: TqApp, prepared: readonly Prepared[]): Promise<void> {
  for (const one of prepared) {
    const { message } = one
    const { task: sender, id: taskId, args, kwargs } = message
    const headers = { ...message.extraHeaders }
    const options = optionsOf(one)
    await app.signals.emit('beforeTaskPublish', () => ({ sender, taskId, args, kwargs, headers, options, message }))
    // Whoever holds the message on its way, for the event of its sending for one, holds what is sent.
    Object.assign(one, changed(app, one, headers, options))
  }
}

async function tellSent(app: TqApp, prepared: readonly Prepared[]): Promise<void> {
  for (const { message, route } of prepared) {
    const { task: sender, id: taskId, args, kwargs, extraHeaders: headers } = message
    const { queue, exchange, routingKey } = route
    await app.signals.emit('afterTaskPublish', () => ({
      ...{ sender, taskId, args, kwargs, headers, message },
      ...{ queue, exchange, routingKey },
    }))
  }
}

function optionsOf({ message, route }: Prepared): PublishedOptions {
  const { limits, properties } = message
  return {
    queue: route.queue,
    exchange: route.exchange,
    routingKey: route.routingKey,
    priority: properties.priority,
    eta: dateOf(message.etaMs),
    expires: dateOf(message.expiresMs),
    timeLimit: limits.hardSeconds,
    softTimeLimit: limits.softSeconds,
    ignoreResult: message.ignoreResult,
    shadow: message.shadow,
    deliveryMode: properties.deliveryMode === 1 ? 'transient' : 'persistent',
  }
}

/** The message as its listeners left it; its body is the one that was encoded. */
function changed(
  app: TqApp,
  prepared: Prepared,
  headers: Readonly<Record<string, unknown>>,
  options: PublishedOptions,
): Prepared {
  const { raw } = prepared
  const message: Message = {
    ...prepared.message,
    extraHeaders: headers,
    etaMs: options.eta?.getTime(),
    expiresMs: options.expires?.getTime(),
    limits: { hardSeconds: options.timeLimit, softSeconds: options.softTimeLimit },
    ignoreResult: options.ignoreResult,
    shadow: options.shadow,
    properties: {
      ...prepared.message.properties,
      priority: options.priority ?? 0,
      deliveryMode: options.deliveryMode === 'transient' ? 1 : 2,
    },
  }
  const encoded = encodeTask(message, app.clock.now(), app.zone)
  const compression = compressionOf(raw.headers)
  if (compression !== undefined) markCompressed(encoded.headers, compression)
  const { headers: own, properties } = encoded
  return { message, raw: { ...raw, headers: own, properties }, route: routeOf(app, prepared, options) }
}

function routeOf(app: TqApp, { message, route }: Prepared, options: PublishedOptions): Prepared['route'] {
  const { queue, exchange, routingKey, priority } = options
  if (queue === route.queue) return { ...route, exchange, routingKey, priority }
  const { task, args, kwargs } = message
  return { ...app.router.route({ task, args, kwargs, options: { queue }, taskOptions: {} }).route, priority }
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms)
}
