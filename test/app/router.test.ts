import { expect, test } from 'vitest'
import { Router } from '../../runtime/src/app/router.ts'
import { resolveSettings } from '../../runtime/src/core/resolve-settings.ts'
import type { SettingsInput } from '../../runtime/src/core/settings.ts'
import type { RouteOptions, TaskRoutes } from '../../runtime/src/index.ts'

interface Asked {
  readonly settings?: SettingsInput
  readonly task?: string
  readonly args?: readonly unknown[]
  readonly options?: RouteOptions
  readonly taskOptions?: RouteOptions
}

function routed({ settings = {}, task = 'mail.send', args = [], options = {}, taskOptions = {} }: Asked) {
  return new Router(resolveSettings(settings)).route({ task, args, kwargs: {}, options, taskOptions })
}

/** `exchange/routing key`, as it is published; `queue` besides where that is another. */
function whereTo(asked: Asked): string {
  const { queue, exchange, routingKey } = routed(asked).route
  return `${exchange}/${routingKey}${exchange === '' && queue === routingKey ? '' : ` (${queue})`}`
}

const problem = (message: string | RegExp, code = 'TQ_SETTING'): unknown =>
  expect.objectContaining({
    code,
    message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
  })

// Source: celery/app/task.py, apply_async (a task's own options are laid under the call's), celery/app/routes.py, Router.route.
test.each<[what: string, asked: Asked, where: string]>([
  ['nothing is said: the default queue', {}, '/celery'],
  ['the default queue has another name', { settings: { taskDefaultQueue: 'dull' } }, '/dull'],
  ['a route', { settings: { taskRoutes: { 'mail.send': 'mail' } } }, '/mail'],
  ['a task before a route', { settings: { taskRoutes: { 'mail.*': 'mail' } }, taskOptions: { queue: 'own' } }, '/own'],
  [
    'a call before its task and a route',
    { settings: { taskRoutes: { 'mail.*': 'mail' } }, taskOptions: { queue: 'own' }, options: { queue: 'call' } },
    '/call',
  ],
])('of all who may say where a call goes, %s', (_, asked, where) => {
  expect(whereTo(asked)).toBe(where)
})

test('each option is decided for itself', () => {
  const settings = {
    taskDefaultPriority: 1,
    taskRoutes: { 'mail.*': { queue: 'mail', priority: 2, serializer: 'yaml' } },
  }

  expect(routed({ settings })).toMatchObject({ route: { queue: 'mail', priority: 2 }, serializer: 'yaml' })
  expect(routed({ settings, taskOptions: { priority: 3 } }).route).toMatchObject({ queue: 'mail', priority: 3 })
  expect(routed({ settings, taskOptions: { priority: 3 }, options: { priority: 0 } }).route.priority).toBe(0)
  expect(routed({ settings, task: 'other' }).route).toMatchObject({ queue: 'celery', priority: 1 })
})

test.each<[what: string, routes: TaskRoutes, task: string, where: string]>([
  ['a name', { 'mail.send': 'a', 'mail.*': 'b' }, 'mail.send', '/a'],
  ['a name before a glob, wherever it stands', { 'mail.*': 'b', 'mail.send': 'a' }, 'mail.send', '/a'],
  ['a glob', { 'mail.*': 'b' }, 'mail.bulk.send', '/b'],
  ['a glob for the whole name', { 'mail.*': 'b' }, 'email.send', '/celery'],
  ['a star in the middle', { '*.send': 'b' }, 'mail.send', '/b'],
  ['a question mark beside a star', { '*.s?nd': 'b' }, 'mail.sand', '/b'],
  ['the dot of a glob is a dot', { 'mail.*': 'b' }, 'mailx.send', '/celery'],
  ['the first glob of several', { 'mail.*': 'a', '*': 'b' }, 'mail.send', '/a'],
  ['a regular expression', [[/(video|image)\./, 'media']], 'my.image.crop', '/media'],
  ['a regular expression that remembers where it was', [[/image/g, 'media']], 'image.crop', '/media'],
  [
    'pairs in their order',
    [
      ['mail.*', 'a'],
      [/send$/, 'b'],
    ],
    'mail.send',
    '/a',
  ],
  [
    'a name among pairs before patterns',
    [
      [/send$/, 'b'],
      ['mail.send', 'a'],
    ],
    'mail.send',
    '/a',
  ],
  ['a list of pairs as one router of several', [[['image.*', 'a']], { 'mail.*': 'b' }], 'mail.send', '/b'],
  ['the first of several routers that knows the task', [{ 'mail.*': 'a' }, { 'mail.send': 'b' }], 'mail.send', '/a'],
  ['a function', (name) => (name === 'mail.send' ? { queue: 'fn' } : undefined), 'mail.send', '/fn'],
  ['a function that says nothing', [() => undefined, () => null, { '*': 'next' }], 'mail.send', '/next'],
  ['a function that gives a name', () => 'fn', 'mail.send', '/fn'],
])('taskRoutes takes %s', (_, taskRoutes, task, where) => {
  expect(whereTo({ settings: { taskRoutes }, task })).toBe(where)
  expect(whereTo({ settings: { taskRoutes }, task })).toBe(where)
})

test.each<RouteOptions>([
  { queue: 'other' },
  { priority: 9 },
  { serializer: 'yaml' },
  { compression: 'gzip' },
  { exchange: 'media', routingKey: 'video' },
])('what a call says, %j, counts after a call that said nothing', (options) => {
  const router = new Router(resolveSettings({ taskRoutes: { 'mail.*': { queue: 'mail', compression: 'zstd' } } }))
  const call = { task: 'mail.send', args: [], kwargs: {}, taskOptions: {} }
  router.route({ ...call, options: {} })

  const { route, serializer, compression } = router.route({ ...call, options })

  expect({ ...route, serializer, compression }).toMatchObject(options)
  expect(router.route({ ...call, options: {} })).toMatchObject({ route: { queue: 'mail' }, compression: 'zstd' })
})

test('a function sees the whole call, every time', () => {
  const seen: unknown[] = []
  const taskRoutes: TaskRoutes = (...given) => {
    seen.push(given)
    return undefined
  }
  const router = new Router(resolveSettings({ taskRoutes }))

  for (const id of [1, 2]) {
    router.route({ task: 't', args: [id], kwargs: { a: 1 }, options: { priority: 4 }, taskOptions: { queue: 'own' } })
  }

  const options = { queue: 'own', priority: 4 }
  expect(seen).toEqual([
    ['t', [1], { a: 1 }, options],
    ['t', [2], { a: 1 }, options],
  ])
})

const topic: SettingsInput = {
  taskQueues: [
    { name: 'feeds', exchange: 'work', exchangeType: 'topic', routingKey: 'feed.#' },
    { name: 'videos', exchange: 'media', routingKey: 'video' },
    { name: 'config', broadcast: true },
    'plain',
  ],
}

// Source: celery/app/amqp.py, send_task_message: "convert to anon-exchange, when exchange not set and direct ex."
test.each<[what: string, options: RouteOptions, where: string]>([
  ['a queue on a direct exchange', { queue: 'videos' }, '/videos'],
  ['a routing key alone on a direct exchange', { queue: 'videos', routingKey: 'x' }, '/videos'],
  ['an exchange alone that is direct', { queue: 'videos', exchange: 'other' }, '/videos'],
  ['an exchange and a key', { exchange: 'media', routingKey: 'video', queue: 'plain' }, 'media/video (plain)'],
  ['a queue on a topic exchange', { queue: 'feeds' }, 'work/feed.# (feeds)'],
  ['a queue on a topic exchange and a key', { queue: 'feeds', routingKey: 'feed.import' }, 'work/feed.import (feeds)'],
  ['a broadcast queue', { queue: 'config' }, 'config/celery (config)'],
  ['a broadcast queue with a key', { queue: 'config', routingKey: 'x' }, 'config/x (config)'],
  ['an exchange of another type', { queue: 'plain', exchange: 'e', exchangeType: 'topic' }, 'e/ (plain)'],
  ['one worker’s own queue', { queue: 'w1@host.dq2' }, '/w1@host.dq2'],
])('%s is published to where Celery publishes it', (_, options, where) => {
  expect(whereTo({ settings: topic, options })).toBe(where)
})

test('a queue that is not configured gets an exchange of its own', () => {
  const { queues } = new Router(
    resolveSettings({ taskCreateMissingQueueType: 'quorum', taskCreateMissingQueueExchangeType: 'topic' }),
  )

  expect(queues.get('new').bindings).toMatchObject([
    {
      name: 'new',
      exchange: { name: 'new', type: 'topic' },
      routingKey: 'new',
      arguments: { 'x-queue-type': 'quorum' },
    },
  ])
})

test('a queue without an exchange is bound to the default one', () => {
  const { queues } = new Router(
    resolveSettings({
      taskDefaultExchange: 'tasks',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'task.default',
      taskQueues: { default: { routingKey: 'task.#' }, rest: {} },
      taskDefaultQueue: 'default',
    }),
  )

  const bound = queues.names.flatMap((name) => queues.get(name).bindings)
  expect(bound).toMatchObject([
    { name: 'default', exchange: { name: 'tasks', type: 'topic' }, routingKey: 'task.#' },
    { name: 'rest', exchange: { name: 'tasks', type: 'topic' }, routingKey: 'task.default' },
  ])
})

test('options of a queue become arguments of its declaration', () => {
  const { queues } = new Router(
    resolveSettings({
      taskQueueMaxPriority: 5,
      taskQueues: [
        'plain',
        {
          name: 'full',
          maxPriority: 10,
          expires: 1.5,
          messageTtl: 60,
          maxLength: 3,
          maxLengthBytes: 4,
          queueType: 'quorum',
          arguments: { 'x-dead-letter-exchange': 'dead' },
          bindings: [{ exchange: 'more', exchangeType: 'topic', routingKey: 'a.*' }],
        },
      ],
    }),
  )

  expect(queues.get('plain').bindings[0]?.arguments).toEqual({ 'x-max-priority': 5 })
  const [first, second] = queues.get('full').bindings
  expect(first?.arguments).toEqual({
    'x-max-priority': 10,
    'x-expires': 1500,
    'x-message-ttl': 60_000,
    'x-max-length': 3,
    'x-max-length-bytes': 4,
    'x-queue-type': 'quorum',
    'x-dead-letter-exchange': 'dead',
  })
  expect(second).toEqual({ ...first, exchange: { name: 'more', type: 'topic' }, routingKey: 'a.*' })
})

test('each consumer of a broadcast queue has a queue of its own, and senders declare the exchange alone', () => {
  const { queues } = new Router(resolveSettings(topic))

  expect(queues.consumed('config', 'id1')).toEqual([
    {
      name: 'bcast.id1',
      exchange: { name: 'config', type: 'fanout' },
      routingKey: 'celery',
      durable: true,
      autoDelete: true,
    },
  ])
  expect(queues.topology('config')).toEqual({ queues: [], exchanges: [{ name: 'config', type: 'fanout' }] })
})

test('without taskCreateMissingQueues an unknown queue is refused, with what was probably meant', () => {
  const settings: SettingsInput = { taskCreateMissingQueues: false, taskQueues: ['emails', 'images'] }

  expect(() => routed({ settings, options: { queue: 'emials' } })).toThrowError(
    problem(/^Queue 'emials' is not in taskQueues \(emails, images\)\. Did you mean 'emails'\?/, 'TQ_QUEUE_NOT_FOUND'),
  )
  expect(() => routed({ settings })).toThrowError(problem("Queue 'celery' is not in", 'TQ_QUEUE_NOT_FOUND'))
  expect(whereTo({ settings, options: { queue: 'images' } })).toBe('/images')
})

test.each<[settings: Record<string, unknown>, message: string]>([
  [{ taskQueues: ['a', 'a'] }, "taskQueues names 'a' twice"],
  [{ taskQueues: [{ exchange: 'x' }] }, 'expected each of taskQueues to be a name or to have one'],
  [
    { taskQueues: [{ name: 'a', routing_key: 'x' }] },
    "There is no option 'routing_key' of a queue ('a' in taskQueues). Did you mean 'routingKey'?",
  ],
  [
    { taskQueues: [{ name: 'a', exchangeType: 'header' }] },
    "to be 'direct', 'topic', 'fanout' or 'headers', got 'header'",
  ],
  [{ taskQueues: [{ name: 'a', maxPriority: 256 }] }, 'to be a whole number from 1 to 255, got 256'],
  [{ taskQueues: 'a' }, 'expected taskQueues to be a list of queues'],
  [{ taskRoutes: 'a' }, 'expected taskRoutes to be an object, a list or a function'],
  [{ taskRoutes: { a: { queu: 'x' } } }, 'expected the route for a in taskRoutes to have queue, exchange'],
  [{ taskRoutes: { a: 5 } }, "to be a queue's name or an object, got 5"],
  [{ taskRoutes: [[['mail.*', 'a'], 'b']] }, 'to hold pairs of a task name, glob or RegExp and a route'],
  [{ taskDefaultPriority: 256 }, 'expected taskDefaultPriority to be a whole number from 0 to 255'],
  [{ taskDefaultExchangeType: 'headers' }, "'direct' or 'topic' or 'fanout'"],
])('%j is refused where it is set', (settings, message) => {
  expect(() => new Router(resolveSettings(settings))).toThrowError(problem(message))
})
