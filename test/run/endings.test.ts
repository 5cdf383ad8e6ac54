import { expect, test } from 'vitest'
import { currentContext } from '../../runtime/src/app/context.ts'
import { currentTask, Ignore, type AsyncResult, Reject, type WorkerOptions } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

class PaymentRefused extends Error {}

test('a success stores its value and when it was ready', async () => {
  const { app, worker, ready, clock } = bench({ resultExtended: false })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await worker()

  const result = await add.delay(2, 2)

  expect(await ready(result)).toEqual({
    id: result.id,
    state: 'SUCCESS',
    result: 4,
    children: [],
    parentId: undefined,
    groupId: undefined,
    doneAtMs: clock.now(),
  })
})

test.each([
  ['an error of JavaScript', new RangeError('too far'), 'RangeError', ['too far'], 'ecmascript'],
  ['an error that Python has too', new TypeError('no'), 'TypeError', ['no'], 'builtins'],
  ['a class of the user', new PaymentRefused('card'), 'PaymentRefused', ['card'], 'tests'],
  ['an error without a message', new Error(), 'Error', [], 'ecmascript'],
  ['a text', 'just so', 'Error', ['just so'], 'ecmascript'],
  ['an object', { status: 404 }, 'Error', ['{"status":404}'], 'ecmascript'],
  ['undefined', undefined, 'Error', ['undefined'], 'ecmascript'],
])('%s that is thrown is stored with type, message and module', async (_, thrown, type, message, module) => {
  const { app, worker, ready } = bench()
  const fail = app.task('t.fail', (): number => {
    throw thrown
  })
  await worker()

  const meta = await ready(await fail.delay())

  expect(meta).toMatchObject({ state: 'FAILURE', error: { type, message, module } })
  expect(meta.traceback?.split('\n').at(-1)).toBe(message.length === 0 ? type : `${type}: ${message.join()}`)
})

test('the traceback tells the place, the causes, and ends with the error', async () => {
  const { app, worker, ready } = bench()
  const fail = app.task('t.fail', async (): Promise<number> => {
    throw new Error('outer', { cause: new TypeError('inner', { cause: 'text' }) })
  })
  await worker()

  const { traceback = '' } = await ready(await fail.delay())

  expect(traceback).toMatch(/^Error: outer\n\s+at .*endings\.test\.ts/)
  expect(traceback).toContain('Caused by: TypeError: inner\n')
  expect(traceback.split('\n').at(-1)).toBe('Error: outer')
})

test('causes that go in a circle end', async () => {
  const { app, worker, ready } = bench()
  const fail = app.task('t.fail', (): number => {
    const error = new Error('round')
    error.cause = error
    throw error
  })
  await worker()

  const { traceback = '' } = await ready(await fail.delay())

  expect(traceback).not.toContain('Caused by')
})

test('a very long traceback is cut', async () => {
  const { app, worker, ready } = bench()
  const fail = app.task('t.fail', (): number => {
    throw Object.assign(new Error('deep'), { stack: 'x'.repeat(100_000) })
  })
  await worker()

  const { traceback = '' } = await ready(await fail.delay())

  expect(traceback.length).toBeLessThan(17_000)
  expect(traceback.split('\n').at(-1)).toBe('Error: deep')
})

test('errors listed in throws are told as information, without a traceback', async () => {
  const { app, worker, ready, logged } = bench()
  const byClass = app.task('t.class', { throws: [PaymentRefused] }, (): number => {
    throw new PaymentRefused('card')
  })
  const byName = app.task('t.name', { throws: ['TypeError'] }, (): number => {
    throw new TypeError('odd')
  })
  const other = app.task('t.other', { throws: [PaymentRefused] }, (): number => {
    throw new Error('boom')
  })
  await worker()

  for (const task of [byClass, byName, other]) await ready(await task.delay())

  const about = (name: string): readonly string[] =>
    logged.filter((line) => line.includes(name) && line.includes('fail'))
  expect(about('t.class')).toEqual([expect.stringMatching(/^INFO .* failed as expected: PaymentRefused: card$/)])
  expect(about('t.name')).toEqual([expect.stringMatching(/^INFO .* failed as expected: TypeError: odd$/)])
  expect(about('t.other')).toEqual([expect.stringMatching(/^ERROR .* failed: Error: boom\nError: boom\n\s+at /)])
})

test('a value that cannot be serialised fails the task, and its callback does not run', async () => {
  const { app, worker, ready, rest, eventsOf } = bench()
  let called = false
  const odd = app.task('t.odd', (): unknown => ({ rows: [1, { when: () => 1 }] }))
  const after = app.task('t.after', (_: unknown) => {
    called = true
  })
  await worker()

  const result = await odd.applyAsync([], { link: after.s() })
  const meta = await ready(result)
  await rest()

  expect(meta).toMatchObject({ state: 'FAILURE', error: { type: 'EncodeError' } })
  expect(meta.error?.message[0]).toContain('rows[1].when')
  expect(eventsOf(result.id).at(-1)).toMatchObject({ type: 'task-failed' })
  expect(called).toBe(false)
})

test('the tasks that a task sends are its children, and have it as their parent', async () => {
  const { app, worker, ready } = bench()
  const add = app.task('t.add', (x: number) => currentTask().request.parentId ?? x)
  const outer = app.task('t.outer', async () => {
    await add.delay(1)
    await app.sendTask('t.add', [2])
  })
  const untrailed = app.task('t.untrailed', { trail: false }, async () => {
    await add.delay(1)
  })
  await worker()

  const result = await outer.delay()
  const meta = await ready(result)
  const children = await result.children()

  expect(meta.children).toHaveLength(2)
  expect(children.map(({ id }) => ({ id }))).toEqual(meta.children)
  for (const child of children) {
    expect('meta' in child && (await ready(child))).toMatchObject({ result: result.id, parentId: result.id })
  }
  expect((await ready(await untrailed.delay())).children).toEqual([])
})

test('the children of a task that fails are told too', async () => {
  const { app, worker, ready } = bench()
  const add = app.task('t.add', (x: number) => x)
  const outer = app.task('t.outer', async (bad: unknown) => {
    await add.delay(1)
    if (bad === 'value') return new Map()
    throw new Error('boom')
  })
  await worker()

  expect((await ready(await outer.delay('throw'))).children).toHaveLength(1)
  expect((await ready(await outer.delay('value'))).children).toHaveLength(1)
})

test('Ignore stores nothing and acknowledges', async () => {
  const { app, worker, rest, eventsOf } = bench({ taskAcksLate: true })
  const task = app.task('t.ignore', () => {
    throw new Ignore()
  })
  await worker()

  const result = await task.delay()
  await rest()

  expect(await result.state()).toBe('PENDING')
  expect(eventsOf(result.id).map(({ type }) => type)).toEqual(['task-sent', 'task-received', 'task-started'])
  expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
})

test('Ignore keeps a state that the task has set itself', async () => {
  const { app, worker, rest } = bench()
  const task = app.task('t.ignore', { bind: true }, async (self) => {
    await self.updateState({ state: 'HANDED_OVER', meta: { to: 'somebody' } })
    throw new Ignore()
  })
  await worker()

  const result = await task.delay()
  await rest()

  expect(await result.meta()).toMatchObject({ state: 'HANDED_OVER', result: { to: 'somebody' } })
})

test('Reject with requeue gives a late-ack message back to the queue', async () => {
  const { app, worker, ready, eventsOf } = bench({ taskAcksLate: true })
  const runs: boolean[] = []
  const task = app.task('t.reject', { bind: true }, (self) => {
    runs.push(self.request.deliveryInfo.redelivered)
    if (runs.length < 3) throw new Reject('later', { requeue: true })
    return 'done'
  })
  await worker()

  const result = await task.delay()

  expect(await ready(result)).toMatchObject({ state: 'SUCCESS', result: 'done' })
  expect(runs).toEqual([false, true, true])
  expect(eventsOf(result.id).filter(({ type }) => type === 'task-rejected')).toMatchObject([
    { requeue: true },
    { requeue: true },
  ])
})

test('Reject without requeue drops the message and fails the task', async () => {
  const { app, worker, ready, eventsOf } = bench({ taskAcksLate: true })
  const task = app.task('t.reject', (): number => {
    throw new Reject('never')
  })
  await worker()

  const result = await task.delay()

  expect(await ready(result)).toMatchObject({ state: 'FAILURE', error: { type: 'Reject', message: ['never'] } })
  expect(eventsOf(result.id).slice(-2)).toMatchObject([
    { type: 'task-failed' },
    { type: 'task-rejected', requeue: false },
  ])
  expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
})

/** Every change of a task's record. */
async function changes(result: AsyncResult<unknown>, pass: <T>(promise: Promise<T>) => Promise<T>) {
  const seen: unknown[] = []
  const reading = (async () => {
    for await (const { state, result: value } of result.updates()) seen.push([state, value])
  })()
  await pass(reading)
  return seen
}

test('states of the task come in their order, before the final one', async () => {
  const { app, worker, pass } = bench()
  const task = app.task('t.progress', { bind: true }, async (self) => {
    await self.updateState({ state: 'PROGRESS', meta: { done: 1 } })
    await self.updateState({ state: 'PROGRESS', meta: { done: 2 } })
    await self.updateState({ state: 'CLOSING' })
    return 'done'
  })
  const result = await task.delay()
  const seen = changes(result, pass)

  await worker()

  expect(await seen).toEqual([
    ['PROGRESS', { done: 1 }],
    ['PROGRESS', { done: 2 }],
    ['CLOSING', null],
    ['SUCCESS', 'done'],
  ])
})

test('STARTED is stored where it is tracked', async () => {
  const { app, worker, pass } = bench()
  const tracked = app.task('t.tracked', { trackStarted: true }, () => 1)
  const plain = app.task('t.plain', () => 1)
  const results = [await tracked.delay(), await plain.delay()] as const
  const seen = Promise.all(results.map((result) => changes(result, (reading) => reading)))

  await worker()

  expect(await pass(seen)).toEqual([
    [
      ['STARTED', { pid: process.pid, hostname: 'w1@test' }],
      ['SUCCESS', 1],
    ],
    [['SUCCESS', 1]],
  ])
})

test('resultExtended stores what was called and where it ran', async () => {
  const { app, worker, ready } = bench({ resultExtended: true })
  app.task('t.add', (x: number, y: number) => x + y)
  await worker()

  expect(await ready(await app.sendTask('t.add', [1], { y: 2 }))).toMatchObject({
    name: 't.add',
    args: [1],
    kwargs: { y: 2 },
    worker: 'w1@test',
    retries: 0,
    queue: 'celery',
  })
})

test('an early acknowledgement comes before the run, a late one after it', async () => {
  const { app, worker, rest } = bench()
  const release = Promise.withResolvers<void>()
  const early = app.task('t.early', { acksLate: false }, () => release.promise)
  const late = app.task('t.late', { acksLate: true }, () => release.promise)
  const transport = await app.connections.transport()
  const options: WorkerOptions = { prefetchMultiplier: 1 }
  await worker(options)

  await early.delay()
  await rest()
  const heldEarly = (await transport.queueInfo('celery')).held
  await late.delay()
  await rest()
  const heldLate = (await transport.queueInfo('celery')).held
  release.resolve()
  await rest()

  expect([heldEarly, heldLate]).toEqual([0, 1])
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
})

test('a failure of a late-ack task is acknowledged, or dropped by its option: it is gone in any case', async () => {
  const { app, worker, ready } = bench({ taskAcksLate: true })
  const acked = app.task('t.acked', (): number => {
    throw new Error('boom')
  })
  const dropped = app.task('t.dropped', { acksOnFailure: false }, (): number => {
    throw new Error('boom')
  })
  await worker()

  for (const task of [acked, dropped]) expect(await ready(await task.delay())).toMatchObject({ state: 'FAILURE' })

  expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
})

test('an error that the function can no longer throw fails its task, and no other', async () => {
  const { app, worker, ready } = bench()
  const hanging = app.task('t.hanging', () => {
    const running = currentContext()
    queueMicrotask(() => running?.fail(new Error('nobody handled me')))
    return new Promise<string>(() => {})
  })
  const other = app.task('t.other', async () => 'fine')
  await worker()

  const results = [await hanging.delay(), await other.delay()] as const

  expect(await ready(results[0])).toMatchObject({ state: 'FAILURE', error: { message: ['nobody handled me'] } })
  expect(await ready(results[1])).toMatchObject({ state: 'SUCCESS' })
})
