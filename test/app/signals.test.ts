import { expect, test } from 'vitest'
import type { Signals } from '../../runtime/src/app/signals.ts'
import { currentTask, Ignore, Reject, type Tq } from '../../runtime/src/index.ts'
import { isoTime } from '../../runtime/src/core/iso-time.ts'
import { bench } from '../helpers/app.ts'

type Heard = readonly [signal: keyof Signals, sender: string]

/** Everything that the app's signals tell, in its order. */
function listen(app: Tq, signals: readonly (keyof Signals)[]): Heard[] {
  const heard: Heard[] = []
  for (const signal of signals) app.on(signal, ({ sender }) => heard.push([signal, sender]))
  return heard
}

const aboutTasks = [
  'beforeTaskPublish',
  'afterTaskPublish',
  'taskReceived',
  'taskPrerun',
  'taskPostrun',
  'taskSuccess',
  'taskRetry',
  'taskFailure',
  'taskInternalError',
  'taskRevoked',
  'taskRejected',
  'taskUnknown',
] as const

test('a task that succeeds is told of by its sender, its worker and its run, in this order', async () => {
  const { app, worker, ready } = bench()
  const heard = listen(app, aboutTasks)
  const add = app.task('math.add', (x: number, y: number) => x + y)
  await worker()

  await ready(await add.delay(2, 2))

  expect(heard.map(([signal]) => signal)).toEqual([
    'beforeTaskPublish',
    'afterTaskPublish',
    'taskReceived',
    'taskPrerun',
    'taskSuccess',
    'taskPostrun',
  ])
  expect(new Set(heard.map(([, sender]) => sender))).toEqual(new Set(['math.add']))
})

test('hooks of a task come before the signals of the same thing', async () => {
  const { app, worker, ready } = bench()
  const order: string[] = []
  app.on('taskPrerun', () => order.push('taskPrerun'))
  app.on('taskSuccess', () => order.push('taskSuccess'))
  app.on('taskPostrun', () => order.push('taskPostrun'))
  const task = app.task(
    't.hooked',
    {
      beforeStart: () => order.push('beforeStart'),
      onSuccess: () => order.push('onSuccess'),
      afterReturn: () => order.push('afterReturn'),
    },
    () => order.push('run'),
  )
  await worker()

  await ready(await task.delay())

  expect(order).toEqual(['taskPrerun', 'beforeStart', 'run', 'onSuccess', 'taskSuccess', 'afterReturn', 'taskPostrun'])
})

test('a run tells what it got and what it gave', async () => {
  const { app, worker, ready } = bench()
  const told: unknown[] = []
  app.on('taskPrerun', ({ taskId, args, kwargs, task }) => told.push([taskId, args, kwargs, task.id]))
  app.on('taskSuccess', ({ result }) => told.push(result))
  app.on('taskPostrun', ({ retval, state }) => told.push([state, retval]))
  app.task('math.add', (x: number, y: number) => x + y)
  await worker()

  await ready(await app.sendTask('math.add', [2], { y: 3 }, { taskId: 'one' }))

  expect(told).toEqual([['one', [2], { y: 3 }, 'one'], 5, ['SUCCESS', 5]])
})

test('a failure is told with what was thrown and its traceback', async () => {
  const { app, worker, ready } = bench()
  const failures: Signals['taskFailure'][] = []
  app.on('taskFailure', (event) => failures.push(event))
  const error = new RangeError('too much')
  const fail = app.task('t.fail', () => {
    throw error
  })
  await worker()

  const { id } = await ready(await fail.delay())

  expect(failures).toMatchObject([{ sender: 't.fail', taskId: id, exception: error }])
  expect(failures[0]?.traceback).toContain('RangeError: too much')
  expect(failures[0]?.task).toBeDefined()
})

test('a retry is told with its reason and when it comes', async () => {
  const { app, worker, clock, rest } = bench()
  const heard = listen(app, aboutTasks)
  const retries: Signals['taskRetry'][] = []
  app.on('taskRetry', (event) => retries.push(event))
  const exc = new Error('not yet')
  const task = app.task('t.again', { bind: true }, (self) =>
    self.retries === 0 ? self.retry({ countdown: 60, exc }) : 1,
  )
  await worker()

  await task.delay()
  await rest()

  expect(retries).toMatchObject([{ reason: exc, eta: new Date(clock.now() + 60_000) }])
  expect(heard.map(([signal]) => signal).slice(-4)).toEqual([
    'taskRetry',
    'taskPostrun',
    'beforeTaskPublish',
    'afterTaskPublish',
  ])
})

test.each([
  ['IGNORED', () => new Ignore()],
  ['REJECTED', () => new Reject('no')],
] as const)('a run that ends as %s is told of by taskPostrun alone', async (state, thrown) => {
  const { app, worker, rest } = bench()
  const heard = listen(app, ['taskSuccess', 'taskFailure', 'taskRetry'])
  const states: string[] = []
  app.on('taskPostrun', (event) => states.push(event.state))
  const task = app.task('t.ends', { acksLate: true }, () => {
    throw thrown()
  })
  await worker()

  await task.delay()
  await rest()

  expect(states).toEqual([state])
  expect(heard).toEqual([])
})

test('a revoked task and one that has expired are told of without a run', async () => {
  const { app, worker, clock, rest } = bench()
  const revoked: Signals['taskRevoked'][] = []
  app.on('taskRevoked', (event) => revoked.push(event))
  const heard = listen(app, ['taskPrerun'])
  const task = app.task('t.never', () => 1)
  await task.applyAsync([], { expires: 1, taskId: 'late' })
  await clock.advance(2000)
  await worker()
  await app.control.revoke('unwanted')
  await rest()

  await task.applyAsync([], { taskId: 'unwanted' })
  await rest()

  expect(revoked).toMatchObject([
    { sender: 't.never', taskId: 'late', expired: true, terminated: false },
    { sender: 't.never', taskId: 'unwanted', expired: false, terminated: false },
  ])
  expect(heard).toEqual([])
})

test('a run that is ended from outside is revoked by a signal', async () => {
  const { app, worker, clock, rest } = bench()
  const revoked: Signals['taskRevoked'][] = []
  app.on('taskRevoked', (event) => revoked.push(event))
  const task = app.task('t.long', { bind: true }, (self) => self.sleep(60_000))
  await worker()
  const { id } = await task.delay()
  await rest()

  await app.control.revoke(id, { terminate: true, signal: 'SIGINT' })
  await clock.advance(0)

  expect(revoked).toMatchObject([{ taskId: id, terminated: true, signum: 'SIGINT' }])
})

test('a run whose hard limit is over is a failure that the worker tells of', async () => {
  const { app, worker, pass, rest } = bench()
  const failures: Signals['taskFailure'][] = []
  app.on('taskFailure', (event) => failures.push(event))
  const task = app.task('t.slow', { bind: true, timeLimit: 1 }, (self) => self.sleep(60_000))
  await worker()

  const result = await task.delay()
  await pass(result.whenReady(() => {}))
  await rest()

  expect(failures).toMatchObject([{ taskId: result.id, task: undefined, exception: { code: 'TQ_TIME_LIMIT' } }])
})

test('a message of a task that nobody knows, and one that is none, are told of by the worker', async () => {
  const { app, worker, rest } = bench()
  const heard = listen(app, aboutTasks.slice(2))
  const unknown: Signals['taskUnknown'][] = []
  const rejected: Signals['taskRejected'][] = []
  app.on('taskUnknown', (event) => unknown.push(event))
  app.on('taskRejected', (event) => rejected.push(event))
  await worker()
  const transport = await app.connections.transport()

  await app.sendTask('t.stranger', [], {}, { taskId: 'lost' })
  const message = {
    body: Buffer.from('{'),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: {},
    properties: {},
  }
  await transport.publish([{ exchange: '', routingKey: 'celery', message }])
  await rest()

  expect(unknown).toMatchObject([{ name: 't.stranger', taskId: 'lost' }])
  expect(rejected).toMatchObject([{ message: { contentType: 'application/json' } }])
  expect(heard.toSorted(([a], [b]) => a.localeCompare(b))).toEqual([
    ['taskRejected', 'w1@test'],
    ['taskUnknown', 'w1@test'],
  ])
})

test('what cannot be settled is an internal error', async () => {
  const { app, worker, rest } = bench()
  const errors: Signals['taskInternalError'][] = []
  app.on('taskInternalError', (event) => errors.push(event))
  const task = app.task('t.unsettled', () => 1)
  await worker()
  const backend = await app.connections.backend()
  const broken = new Error('the disk is gone')
  Object.assign(backend, { plan: () => undefined, store: () => Promise.reject(broken) })

  const { id } = await task.delay()
  await rest()

  expect(errors).toMatchObject([{ sender: 't.unsettled', taskId: id, exception: broken }])
})

test('a listener that throws is logged and changes nothing', async () => {
  const { app, worker, ready, logged } = bench()
  const others: string[] = []
  app.on('taskPrerun', () => {
    throw new Error('a bad listener')
  })
  app.on('taskPrerun', async () => Promise.reject(new Error('a bad listener')))
  app.on('taskPrerun', () => others.push('still told'))
  const task = app.task('t.fine', () => 1)
  await worker()

  const meta = await ready(await task.delay())

  expect(meta.state).toBe('SUCCESS')
  expect(others).toEqual(['still told'])
  expect(
    logged.filter((line) => line === 'ERROR A listener of taskPrerun threw; everything goes on without it.'),
  ).toHaveLength(2)
})

test.each(['taskReceived', 'taskPrerun'] as const)(
  'an asynchronous listener of %s is awaited before the task starts',
  async (signal) => {
    const { app, worker, clock, ready } = bench()
    const order: string[] = []
    app.on(signal, async () => {
      await clock.sleep(1000)
      order.push('listener')
    })
    const task = app.task('t.after', () => order.push('task'))
    await worker()

    await ready(await task.delay())

    expect(order).toEqual(['listener', 'task'])
  },
)

test('a listener hears only the sender that it names, a task or a glob of them', async () => {
  const { app, worker, ready } = bench()
  const heard: string[] = []
  app.on('taskSuccess', ({ sender }) => heard.push(`name ${sender}`), { sender: 'mail.send' })
  app.on('taskSuccess', ({ sender }) => heard.push(`glob ${sender}`), { sender: 'mail.*' })
  const send = app.task('mail.send', () => 1)
  const check = app.task('mail.check', () => 1)
  const add = app.task('math.add', () => 1)
  await worker()

  for (const task of [send, check, add]) await ready(await task.delay())

  expect(heard).toEqual(['name mail.send', 'glob mail.send', 'glob mail.check'])
})

test('what on() returns ends the listening', async () => {
  const { app } = bench()
  const heard: string[] = []
  const stop = app.on('afterTaskPublish', ({ taskId }) => heard.push(taskId))
  await app.sendTask('t.any', [], {}, { taskId: 'first' })

  stop()
  await app.sendTask('t.any', [], {}, { taskId: 'second' })

  expect(heard).toEqual(['first'])
})

test('a listener that is connected again under its id replaces the first', async () => {
  const { app } = bench()
  const heard: string[] = []
  for (const load of ['old', 'new']) app.on('afterTaskPublish', () => heard.push(load), { id: 'module/listener' })

  await app.sendTask('t.any')

  expect(heard).toEqual(['new'])
})

test('listeners of a run are inside it', async () => {
  const { app, worker, ready } = bench()
  const ids: string[] = []
  for (const signal of ['taskPrerun', 'taskSuccess', 'taskPostrun'] as const) {
    app.on(signal, () => ids.push(currentTask().id))
  }
  const task = app.task('t.inside', () => 1)
  await worker()

  await ready(await task.applyAsync([], { taskId: 'me' }))

  expect(ids).toEqual(['me', 'me', 'me'])
})

// --- what is sent -----------------------------------------------------------------------------------------------------

test('a listener of beforeTaskPublish gives a message headers that its task reads', async () => {
  const { app, worker, ready } = bench()
  app.on('beforeTaskPublish', async ({ headers, sender }) => {
    await Promise.resolve()
    headers['trace'] = `of ${sender}`
  })
  const task = app.task('t.traced', { bind: true }, (self) => self.request.headers['trace'])
  await worker()

  const meta = await ready(await task.applyAsync([], { headers: { own: 1 }, compression: 'gzip' }))

  expect(meta.result).toBe('of t.traced')
})

test('a listener of beforeTaskPublish may change where a message goes and how', async () => {
  const { app, clock } = bench({ taskSendSentEvent: true })
  const eta = new Date(clock.now() + 5000)
  app.on('beforeTaskPublish', ({ options }) => {
    options.queue = 'other'
    options.priority = 3
    options.expires = eta
    options.timeLimit = 7
    options.shadow = 'shown'
    options.ignoreResult = true
    options.deliveryMode = 'transient'
  })
  const sent: Signals['afterTaskPublish'][] = []
  app.on('afterTaskPublish', (event) => sent.push(event))
  await app.sendTask('t.rerouted', [1])

  const transport = await app.connections.transport()
  const [there] = await transport.peek('other', { limit: 1, state: 'ready' })

  expect(sent).toMatchObject([{ queue: 'other', routingKey: 'other' }])
  expect(there).toMatchObject({
    headers: { timelimit: [7, null], shadow: 'shown', ignore_result: true, expires: isoTime(eta.getTime()) },
    properties: { priority: 3, deliveryMode: 1 },
  })
})

test('every message of a canvas and of sendMany is told of before the first is sent', async () => {
  const { app } = bench()
  const heard = listen(app, ['beforeTaskPublish', 'afterTaskPublish'])

  await app.sendMany([
    { task: 't.one', args: [] },
    { task: 't.two', args: [] },
  ])

  expect(heard).toEqual([
    ['beforeTaskPublish', 't.one'],
    ['beforeTaskPublish', 't.two'],
    ['afterTaskPublish', 't.one'],
    ['afterTaskPublish', 't.two'],
  ])
})

// --- eagerly ------------------------------------------------------------------------------------------------------------

test('an eager call tells the same, and says that it is one', async () => {
  const { app, pass } = bench({ taskAlwaysEager: true })
  const heard = listen(app, aboutTasks)
  const eager: boolean[] = []
  app.on('taskReceived', ({ request }) => eager.push(request.isEager))
  app.on('taskPrerun', ({ request }) => eager.push(request.isEager))
  const add = app.task('math.add', (x: number, y: number) => x + y)

  await pass(add.delay(2, 2))

  expect(heard.map(([signal]) => signal)).toEqual([
    'beforeTaskPublish',
    'afterTaskPublish',
    'taskReceived',
    'taskPrerun',
    'taskSuccess',
    'taskPostrun',
  ])
  expect(eager).toEqual([true, true])
})
