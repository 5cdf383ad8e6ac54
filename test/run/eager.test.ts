import { expect, test } from 'vitest'
import { chain, currentTask, Reject } from '../../runtime/src/index.ts'
import { memoryApp, VirtualClock } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'

test('an eager call has ended when its promise resolves', async () => {
  const { app } = bench()
  const add = app.task('t.add', (x: number, y: number) => x + y)
  app.eager = true

  const result = await add.delay(2, 2)

  expect(await result.state()).toBe('SUCCESS')
  expect(await result.get()).toBe(4)
})

test('taskAlwaysEager is the setting for it, and nothing reaches the broker', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const add = app.task('t.add', (x: number, y: number) => x + y)

  const result = await add.delay(2, 2)

  expect(await result.get()).toBe(4)
  const [stored] = await (await app.connections.backend()).fetch([result.id])
  expect(stored).toBeUndefined()
  expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
})

test('the task sees that it is eager', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const ask = app.task('t.ask', () => [currentTask().request.isEager, currentTask().request.hostname])

  expect(await (await ask.delay()).get()).toEqual([true, app.origin])
})

test('a failure is in the result, as a worker would store it', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const fail = app.task('t.fail', (): number => {
    throw new RangeError('too far')
  })

  const result = await fail.delay()

  await expect(result.get()).rejects.toMatchObject({ code: 'TQ_TASK_FAILED', type: 'RangeError', args: ['too far'] })
  expect(await result.meta()).toMatchObject({ state: 'FAILURE', error: { type: 'RangeError', module: 'ecmascript' } })
  expect(await result.traceback()).toMatch(/^RangeError: too far\n[\s\S]*eager\.test\.ts[\s\S]*\nRangeError: too far$/)
})

test('with taskEagerPropagates the call rejects with the very error', async () => {
  const { app } = bench({ taskAlwaysEager: true, taskEagerPropagates: true })
  const error = new RangeError('too far')
  const fail = app.task('t.fail', (): number => {
    throw error
  })

  await expect(fail.delay()).rejects.toBe(error)
})

test('taskStoreEagerResult writes to the backend and the broker of the app', async () => {
  const { app, hear, rest, eventsOf } = bench({ taskAlwaysEager: true, taskStoreEagerResult: true, taskAcksLate: true })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await hear()

  const result = await add.delay(2, 2)
  await rest()

  const [stored] = await (await app.connections.backend()).fetch([result.id])
  expect(stored).toMatchObject({ state: 'SUCCESS', result: 4 })
  expect(eventsOf(result.id).map(({ type }) => type)).toEqual([
    'task-sent',
    'task-received',
    'task-started',
    'task-succeeded',
  ])
})

test('retries take no time, and the task sees theirs', async () => {
  const app = memoryApp('tests', { clock: new VirtualClock(), taskAlwaysEager: true })
  const seen: (number | undefined)[] = []
  const again = app.task('t.again', { bind: true }, (self) => {
    seen.push(self.request.eta?.getTime())
    if (self.retries < 3) self.retry()
    return self.retries
  })
  const begin = app.clock.now()

  const result = await again.delay()

  expect(await result.get()).toBe(3)
  expect(seen).toEqual([undefined, begin + 180_000, begin + 360_000, begin + 540_000])
  expect(app.clock.now()).toBe(begin)
  await app.close()
})

test('an ETA is over at once', async () => {
  const { app, clock } = bench({ taskAlwaysEager: true })
  const begin = clock.now()
  const add = app.task('t.add', (x: number, y: number) => x + y)

  const result = await add.applyAsync([1, 1], { countdown: 86_400 })

  expect(await result.meta()).toMatchObject({ state: 'SUCCESS', doneAtMs: begin + 86_400_000 })
  expect(clock.now()).toBe(begin)
})

test('an ETA behind the expiry revokes, as a worker would', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const add = app.task('t.add', (x: number, y: number) => x + y)

  const result = await add.applyAsync([1, 1], { countdown: 60, expires: 30 })

  await expect(result.get()).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'expired' })
})

test('a chain runs to its end, and its failure fails what is left', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const fail = app.task('t.fail', (_: number): number => {
    throw new Error('boom')
  })

  const good = await chain(add.s(1, 1), add.s(2), add.s(3)).delay()
  const bad = await chain(add.s(1, 1), fail.s(), add.s(3)).delay()

  expect(await good.get()).toBe(7)
  expect(await good.parent?.get()).toBe(4)
  await expect(bad.get()).rejects.toMatchObject({ type: 'Error', args: ['boom'] })
})

test('callbacks and error callbacks have run when the call resolves', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const said: unknown[] = []
  const say = app.task('t.say', (what: unknown) => {
    said.push(what)
  })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const fail = app.task('t.fail', (): number => {
    throw new Error('boom')
  })

  await add.applyAsync([1, 1], { link: say.s() })
  const failed = await fail.applyAsync([], { linkError: say.s() })

  expect(said).toEqual([2, failed.id])
})

test('what a task sends runs too, and is its child', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const inner = app.task('t.inner', (n: number) => `${n} for ${currentTask().request.parentId}`)
  const outer = app.task('t.outer', async () => {
    const sent = await inner.delay(1)
    return sent.id
  })

  const result = await outer.delay()

  const [child] = await result.children()
  expect(child?.id).toBe(await result.get())
  expect(await child?.get()).toBe(`1 for ${result.id}`)
})

test('get() inside an eager task is refused as on a worker', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const inner = app.task('t.inner', () => 1)
  const outer = app.task('t.outer', async () => (await inner.delay()).get())

  await expect((await outer.delay()).get()).rejects.toMatchObject({ type: 'JoinInTaskError' })
})

test('arguments and results go through the serializer', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const echo = app.task('t.echo', (value: unknown) => value)
  const date = new Date(Date.UTC(2026, 0, 31))
  const given = { date, list: [1, undefined], gone: undefined, bytes: new Uint8Array([1, 2]) }

  const got = await (await echo.delay(given)).get()

  expect(got).toEqual({ date, list: [1, null], bytes: expect.anything() })
  expect(got).not.toHaveProperty('gone')
  expect(got).not.toBe(given)
  await expect(echo.delay(new Map())).rejects.toMatchObject({ code: 'TQ_ENCODE', path: 'args[0]' })
})

test('a result that cannot be serialised fails the task', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const odd = app.task('t.odd', (): unknown => new Map())

  await expect((await odd.delay()).get()).rejects.toMatchObject({ type: 'EncodeError' })
})

test('a task that is not registered fails, and the next call runs', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const add = app.task('t.add', (x: number, y: number) => x + y)

  const unknown = await app.sendTask('t.nowhere')

  await expect(unknown.get()).rejects.toMatchObject({ type: 'NotRegistered', args: ['t.nowhere'] })
  expect(await (await add.delay(1, 1)).get()).toBe(2)
})

test('calls side by side do not disturb each other', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const again = app.task('t.again', { bind: true }, async (self, n: number) => {
    if (self.retries < n) self.retry({ countdown: 10 * n })
    await Promise.resolve()
    return n
  })

  const results = await Promise.all([3, 1, 2, 0].map((n) => again.delay(n)))

  expect(await Promise.all(results.map((result) => result.get()))).toEqual([3, 1, 2, 0])
})

test('a requeued message runs again before the call resolves, and may retry', async () => {
  const { app } = bench({ taskAlwaysEager: true, taskAcksLate: true })
  let runs = 0
  const task = app.task('t.reject', { bind: true }, async (self) => {
    runs++
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
    if (runs === 1) throw new Reject('later', { requeue: true })
    if (self.retries === 0) self.retry({ countdown: 60 })
    return runs
  })

  const result = await task.delay()

  expect(await result.state()).toBe('SUCCESS')
  expect(await result.get()).toBe(3)
})

test('queues of their own are consumed too', async () => {
  const { app } = bench({ taskAlwaysEager: true })
  const where = app.task('t.where', { queue: 'mail' }, () => currentTask().request.deliveryInfo.queue)

  expect(await (await where.delay()).get()).toBe('mail')
  expect(await (await where.applyAsync([], { queue: 'other' })).get()).toBe('other')
})
