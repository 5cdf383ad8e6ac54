import { SettingError } from '../core/errors.ts'
import { globRegex } from '../core/glob.ts'
import type { Route } from '../core/message.ts'
import type {
  ExchangeKind,
  RouteFunction,
  RouteOptions,
  RoutePair,
  RouteTarget,
  TaskRouter,
  TaskRoutes,
} from '../core/routing.ts'
import type { Settings } from '../core/settings.ts'
import { QueueTable } from './queue-table.ts'

/** What a call is routed by. */
export interface RoutedCall {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** What the call itself says. */
  readonly options: RouteOptions
  /** What its task says, below the call. */
  readonly taskOptions: RouteOptions
}

/** Where a call goes, and what a route said besides. */
export interface Routed {
  readonly route: Route
  /** The priority was said by the call, its task or a route; else it is the default one. */
  readonly hasPriority: boolean
  readonly serializer: string | undefined
  readonly compression: string | undefined
}

/**
 * Where calls go: by the call, else by its task, else by the first router of `taskRoutes` that knows it, else to the default queue.
 * Each option is decided for itself, so a route may give the queue and the call the routing key. A message for a queue on a
 * direct exchange is published to the anonymous exchange with the queue's name as its key, unless the call names both an exchange
 * and a key. Source: celery/app/routes.py, Router.route; celery/app/task.py, extract_exec_options; celery/app/amqp.py, send_task_message.
 */
export class Router {
  readonly queues: QueueTable
  readonly #settings: Settings
  readonly #routers: readonly RouteFunction[]
  /** Routes of tasks by name, for calls that say nothing themselves; of no use where a function looks at each call. */
  readonly #plain: Map<string, { readonly taskOptions: RouteOptions; readonly routed: Routed }> | undefined

  /** Throws SettingError for queues and routes that make no sense. */
  constructor(settings: Settings) {
    this.#settings = settings
    this.queues = new QueueTable(settings)
    const functions: RouteFunction[] = []
    this.#routers = routersOf(settings.taskRoutes, functions)
    this.#plain = functions.length === 0 ? new Map() : undefined
  }

  /** Throws QueueNotFoundError. */
  route(call: RoutedCall): Routed {
    const { task, options, taskOptions } = call
    if (!this.#plain || saysAnything(options)) return this.#route(call)
    const known = this.#plain.get(task)
    if (known?.taskOptions === taskOptions) return known.routed
    const routed = this.#route(call)
    this.#plain.set(task, { taskOptions, routed })
    return routed
  }

  #route({ task, args, kwargs, options, taskOptions }: RoutedCall): Routed {
    const said = { ...given(taskOptions), ...given(options) }
    const merged: RouteOptions = { ...this.#lookUp(task, args, kwargs, said), ...said }
    const { exchange, routingKey } = merged
    const queue = this.queues.get(merged.queue ?? this.#settings.taskDefaultQueue)
    const priority = merged.priority ?? this.#settings.taskDefaultPriority
    const type: ExchangeKind = merged.exchangeType ?? queue.exchange.type
    const { serializer, compression } = merged
    const rest = { hasPriority: merged.priority !== undefined, serializer, compression }
    if (type === 'direct' && !(exchange && routingKey)) {
      return { route: { queue: queue.name, exchange: '', routingKey: queue.name, priority }, ...rest }
    }
    const own = exchange === undefined || exchange === queue.exchange.name ? queue.routingKey : ''
    const route = {
      queue: queue.name,
      exchange: exchange ?? queue.exchange.name,
      routingKey: routingKey ?? own,
      priority,
    }
    return { route, ...rest }
  }

  /** Name of the queue that a task is sent to if its call says no more than `options`, whether there is such a queue or not. */
  queueOf(task: string, taskOptions: RouteOptions = {}, options: RouteOptions = {}): string {
    const said = { ...given(taskOptions), ...given(options) }
    return said.queue ?? this.#lookUp(task, [], {}, said).queue ?? this.#settings.taskDefaultQueue
  }

  #lookUp(
    task: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
    said: RouteOptions,
  ): RouteOptions {
    for (const router of this.#routers) {
      const target = router(task, args, kwargs, { ...said })
      if (target === undefined || target === null) continue
      return checked(target, `the route of task '${task}'`)
    }
    return {}
  }
}

const routeNames: Readonly<Record<keyof RouteOptions, true>> = {
  queue: true,
  exchange: true,
  exchangeType: true,
  routingKey: true,
  priority: true,
  serializer: true,
  compression: true,
}

function saysAnything(options: RouteOptions): boolean {
  const { queue, exchange, exchangeType, routingKey, priority, serializer, compression } = options
  return (queue ?? exchange ?? exchangeType ?? routingKey ?? priority ?? serializer ?? compression) !== undefined
}

/** Only what says something, and only what routes. */
function given(options: RouteOptions): RouteOptions {
  const { queue, exchange, exchangeType, routingKey, priority, serializer, compression } = options
  const all = { queue, exchange, exchangeType, routingKey, priority, serializer, compression }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function checked(target: RouteTarget, what: string): RouteOptions {
  if (typeof target === 'string') return { queue: target }
  if (typeof target !== 'object') {
    throw new SettingError(`expected ${what} to be a queue's name or an object, got ${String(target)}`)
  }
  const stranger = Object.keys(target).find((key) => !Object.hasOwn(routeNames, key))
  if (stranger === undefined) return given(target)
  throw new SettingError(`expected ${what} to have ${Object.keys(routeNames).join(', ')} only, got '${stranger}'`)
}

function routersOf(routes: TaskRoutes | undefined, functions: RouteFunction[]): readonly RouteFunction[] {
  if (routes === undefined) return []
  if (!isList(routes)) return [routerOf(routes, functions)]
  // Pairs that stand in the list itself are one router: their order counts.
  const pairs = routes.flatMap((one) => (isPair(one) ? [one] : []))
  if (pairs.length === routes.length) return [pairRouter(pairs)]
  return routes.map((router) => (isPair(router) ? pairRouter([router]) : routerOf(router, functions)))
}

function routerOf(router: TaskRouter, functions: RouteFunction[]): RouteFunction {
  if (typeof router === 'function') {
    functions.push(router)
    return router
  }
  if (!isList(router)) return pairRouter(Object.entries(router))
  const pairs = router.flatMap((one) => (isPair(one) ? [one] : []))
  if (pairs.length === router.length) return pairRouter(pairs)
  throw new SettingError('expected each list in taskRoutes to hold pairs of a task name, glob or RegExp and a route')
}

/** Names before patterns, patterns in their order. */
function pairRouter(pairs: readonly RoutePair[]): RouteFunction {
  const names = new Map<string, RouteTarget>()
  const patterns: (readonly [RegExp, RouteTarget])[] = []
  for (const [pattern, target] of pairs) {
    checked(target, `the route for ${String(pattern)} in taskRoutes`)
    if (pattern instanceof RegExp)
      patterns.push([new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')), target])
    else if (pattern.includes('*')) patterns.push([globRegex(pattern), target])
    else names.set(pattern, target)
  }
  return (task) => names.get(task) ?? patterns.find(([regex]) => regex.test(task))?.[1]
}

function isPair(value: TaskRouter | RoutePair | undefined): value is RoutePair {
  if (value === undefined || !isList(value) || value.length !== 2) return false
  const [pattern] = value
  return typeof pattern === 'string' || pattern instanceof RegExp
}

// Array.isArray does not know readonly arrays.
function isList<T>(value: readonly T[] | object): value is readonly T[] {
  return Array.isArray(value)
}
