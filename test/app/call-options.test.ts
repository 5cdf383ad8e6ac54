import { expect, test } from 'vitest'
import { currentTask, type CallOptions } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'
import { freePort } from '../helpers/services.ts'

/** A bench with a task that gives its own request, and the means to see when and how it ran. */
function asking() {
  const one = bench()
  const { app } = one
  const ask = app.task('t.ask', { bind: true }, (self, _word: string) => {
    const { id, parentId, rootId, headers, eta, expires, deliveryInfo, retries, hostname, isEager, task, origin } =
      self.request
    const { queue, priority, routingKey } = deliveryInfo
    return {
      id,
      parentId,
      rootId,
      headers,
      retries,
      hostname,
      isEager,
      task,
      origin,
      queue,
      priority,
      routingKey,
      eta: eta?.getTime(),
      expires: expires?.getTime(),
      ranAt: app.clock.now(),
    }
  })
  const answer = async (options: CallOptions = {}) => one.pass((await ask.applyAsync(['x'], options)).get())
  return { ...one, ask, answer }
}

test('a plain call has an id of its own, which is its root, and the default queue', async () => {
  const { app, worker, answer, clock } = asking()
  await worker()

  const request = await answer()

  expect(request).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    rootId: request.id,
    headers: {},
    retries: 0,
    hostname: 'w1@test',
    isEager: false,
    task: 't.ask',
    origin: app.origin,
    queue: 'celery',
    routingKey: 'celery',
    priority: 0,
    ranAt: clock.now(),
  })
})

test('countdown holds the task back for so many seconds', async () => {
  const { worker, answer, clock } = asking()
  const sentAt = clock.now()
  await worker()

  expect(await answer({ countdown: 90 })).toMatchObject({ ranAt: sentAt + 90_000, eta: sentAt + 90_000 })
})

test('eta holds the task back until then', async () => {
  const { worker, answer, clock } = asking()
  const eta = new Date(clock.now() + 5000)
  await worker()

  expect(await answer({ eta })).toMatchObject({ ranAt: eta.getTime() })
})

test('an eta of the past runs at once', async () => {
  const { worker, answer, clock } = asking()
  const sentAt = clock.now()
  await worker()

  expect(await answer({ eta: new Date(1000) })).toMatchObject({ ranAt: sentAt })
})

test('expires is a number of seconds or a point in time', async () => {
  const { worker, answer, clock } = asking()
  const sentAt = clock.now()
  await worker()

  expect(await answer({ expires: 60 })).toMatchObject({ expires: sentAt + 60_000 })
  expect(await answer({ expires: new Date(sentAt + 70_000) })).toMatchObject({ expires: sentAt + 70_000 })
})

test('queue, taskId, priority and headers reach the task', async () => {
  const { worker, answer } = asking()
  await worker({ queues: ['fast'] })

  const request = await answer({ queue: 'fast', taskId: 'my-own-id', priority: 7, headers: { tenant: 'blue', n: [1] } })

  expect(request).toMatchObject({
    queue: 'fast',
    routingKey: 'fast',
    id: 'my-own-id',
    priority: 7,
    headers: { tenant: 'blue', n: [1] },
  })
})

test('the queue and priority of a task stand below those of the call and above the settings', async () => {
  const { app, pass, worker } = bench({ taskDefaultQueue: 'dull', taskDefaultPriority: 3 })
  const where = (): string => {
    const { queue, priority } = currentTask().request.deliveryInfo
    return `${queue} ${priority}`
  }
  const plain = app.task('t.plain', () => where())
  const own = app.task('t.own', { queue: 'own', priority: 5 }, () => where())
  await worker({ queues: ['dull', 'own', 'call'] })

  expect(await pass((await plain.delay()).get())).toBe('dull 3')
  expect(await pass((await own.delay()).get())).toBe('own 5')
  expect(await pass((await own.applyAsync([], { queue: 'call', priority: 9 })).get())).toBe('call 9')
})

test('an ignored result is not stored', async () => {
  const { app, worker, rest, eventsOf } = bench()
  const quiet = app.task('t.quiet', { ignoreResult: true }, () => 4)
  const loud = app.task('t.loud', () => 4)
  await worker()

  const results = [await quiet.delay(), await loud.applyAsync([], { ignoreResult: true })]
  await rest()

  for (const result of results) {
    expect(eventsOf(result.id).map(({ type }) => type)).toContain('task-succeeded')
    expect(await result.meta()).toBeUndefined()
    expect(await result.state()).toBe('PENDING')
  }
})

test('the failure of an ignored result is stored where that is wanted', async () => {
  const { app, worker, ready } = bench()
  const quiet = app.task('t.quiet', { ignoreResult: true, storeErrorsEvenIfIgnored: true }, () => {
    throw new Error('boom')
  })
  await worker()

  expect(await ready(await quiet.delay())).toMatchObject({ state: 'FAILURE', error: { message: ['boom'] } })
})

test('argsRepr hides the arguments in events and logs, and nowhere else', async () => {
  const { app, worker, pass, rest, events, logged } = bench()
  const pay = app.task('t.pay', { params: ['card', 'pin'] }, (card: string, pin: string) => card.length + pin.length)
  await worker()

  const result = await pay.applyAsync(['4111-secret'] as never, {
    kwargs: { pin: 'secret' },
    argsRepr: "('4***',)",
    kwargsRepr: "{'pin': '***'}",
  })

  expect(await pass(result.get())).toBe(17)
  await rest()
  expect(events.filter(({ type }) => type === 'task-sent' || type === 'task-received')).toMatchObject([
    { args: "('4***',)", kwargs: "{'pin': '***'}" },
    { args: "('4***',)", kwargs: "{'pin': '***'}" },
  ])
  expect(JSON.stringify([events, logged])).not.toContain('secret')
})

test('shadow is the name in events; the task is still the task', async () => {
  const { app, worker, pass, rest, eventsOf } = bench()
  const add = app.task('math.add', (x: number, y: number) => x + y)
  await worker()

  const result = await add.applyAsync([1, 2], { shadow: 'billing.sum' })

  expect(await pass(result.get())).toBe(3)
  await rest()
  expect(eventsOf(result.id)).toMatchObject([{ name: 'billing.sum' }, { name: 'billing.sum' }, {}, {}])
})

test('properties for other programs and the delivery mode are in the message', async () => {
  const { app } = bench({ taskDefaultDeliveryMode: 'transient' })
  const sent = new Date(1_700_000_000_500)
  const options = { messageId: 'm-1', userId: 'guest', appId: 'shop', timestamp: sent, replyTo: 'inbox' }

  await app.sendTask('t.any', [], {}, options)
  await app.sendTask('t.any', [], {}, { deliveryMode: 'persistent' })

  const [first, second] = await (await app.connections.transport()).peek('celery', { limit: 2, state: 'ready' })
  expect(first?.properties).toMatchObject({
    deliveryMode: 1,
    replyTo: 'inbox',
    extra: { message_id: 'm-1', user_id: 'guest', app_id: 'shop', timestamp: 1_700_000_000 },
  })
  expect(second?.properties).toMatchObject({ deliveryMode: 2 })
  expect(second?.properties.extra).toBeUndefined()
})

test('a task finds the properties of its message, also when it is retried', async () => {
  const { app, pass, worker } = bench()
  const told = app.task('t.told', { bind: true }, (self) => {
    if (self.retries === 0) self.retry({ countdown: 1 })
    return self.request.properties
  })
  await worker()

  const result = await told.applyAsync([], {
    messageId: 'm-1',
    appId: 'shop',
    userId: 'guest',
    timestamp: new Date(5000),
  })

  const properties = await pass(result.get())
  expect(properties).toMatchObject({ messageId: 'm-1', appId: 'shop', timestampMs: 5000, correlationId: result.id })
  // Whoever retries it may be another user, and RabbitMQ refuses a message with a user that is not its sender's.
  expect(properties).not.toHaveProperty('userId')
})

test.each([
  [{ expiration: 1.5 }, 1500],
  [{ expiration: 1.5, expires: 60 }, 1500],
  [{ expires: 60 }, 60_000],
  [{}, undefined],
])('with %j the message lives %s ms in the queue', async (options, expected) => {
  const { app } = bench()

  await app.sendTask('t.any', [], {}, options)

  const [message] = await (await app.connections.transport()).peek('celery', { limit: 1, state: 'ready' })
  expect(message?.properties.expirationMs).toBe(expected)
})

test('routeName routes the call as another task', async () => {
  const { app } = bench({ taskRoutes: { 'mail.*': 'mail' } })

  await app.sendTask('t.any', [], {}, { routeName: 'mail.send' })

  expect(await (await app.connections.transport()).queueInfo('mail')).toMatchObject({ ready: 1 })
})

test.each([
  [true, undefined, 6],
  [true, 2, 2],
  [false, undefined, 1],
])('with taskInheritParentPriority %s and %s at the call the priority is %i', async (inherit, priority, expected) => {
  const { app, pass, worker } = bench({ taskInheritParentPriority: inherit, taskDefaultPriority: 1 })
  const child = app.task('t.child', () => currentTask().request.deliveryInfo.priority)
  const parent = app.task('t.parent', async () => (await child.applyAsync([], { priority })).id)
  await worker()

  const id = await pass((await parent.applyAsync([], { priority: 6 })).get())

  expect(await pass(app.result(id).get())).toBe(expected)
})

test('addToParent: false keeps a call out of the children of its task', async () => {
  const { app, pass, worker, ready } = bench()
  const child = app.task('t.child', () => 1)
  const parent = app.task('t.parent', async () => {
    await child.applyAsync([], { addToParent: false })
    return (await child.delay()).id
  })
  await worker()
  const result = await parent.delay()

  const id = await pass(result.get())

  expect((await ready(result)).children).toEqual([{ id }])
})

test('a task knows the error of a call that could not be sent', async () => {
  const { app } = bench({ broker: `redis://127.0.0.1:${await freePort()}/0`, backend: 'memory://' })
  const add = app.task('t.add', (x: number, y: number) => x + y)

  const error = await add.applyAsync([1, 2], { retry: false }).catch((caught: unknown) => caught)

  expect(error).toBeInstanceOf(add.OperationalError)
})

test.each([
  [{}, '+00:00'],
  [{ timezone: 'UTC' }, '+00:00'],
  [{ timezone: 'Europe/Berlin' }, '+01:00'],
  [{ timezone: 'Asia/Kolkata' }, '+05:30'],
  [{ timezone: 'America/St_Johns', enableUtc: false }, '-03:30'],
])('with %j times are written with the offset %s, and mean the same', async (settings, offset) => {
  const { app, clock, pass, worker } = bench(settings)
  const when = app.task('t.when', () => currentTask().request.eta?.getTime())
  const eta = new Date(clock.now() + 60_000)

  const result = await when.applyAsync([], { eta, expires: new Date(eta.getTime() + 1000) })
  const [message] = await (await app.connections.transport()).peek('celery', { limit: 1, state: 'parked' })
  await worker()

  expect(message?.headers['eta']).toMatch(new RegExp(`\\${offset}$`))
  expect(message?.headers['expires']).toMatch(new RegExp(`\\${offset}$`))
  expect(new Date(String(message?.headers['eta']).replace(/\d{3}(?=[+-]\d\d:)/, '')).getTime()).toBe(eta.getTime())
  expect(await pass(result.get())).toBe(eta.getTime())
})
