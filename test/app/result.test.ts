import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { chain, currentTask, type TaskMeta } from '../../runtime/src/index.ts'
import { createMemoryServer, memoryApp } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'

function ready() {
  const one = bench()
  const add = one.app.task('t.add', (x: number, y: number) => x + y)
  const fail = one.app.task('t.fail', (): number => {
    throw new RangeError('too far')
  })
  return { ...one, add, fail }
}

test('nothing stored is PENDING', async () => {
  const { app } = ready()
  const result = app.result('nobody-sent-me')

  expect(await result.state()).toBe('PENDING')
  expect([await result.ready(), await result.successful(), await result.failed()]).toEqual([false, false, false])
  expect([await result.meta(), await result.info(), await result.traceback()]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(await result.children()).toEqual([])
})

test('a success and a failure answer every question', async () => {
  const { add, fail, worker, ready: until } = ready()
  await worker()
  const [good, bad] = [await add.delay(2, 2), await fail.delay()]
  await until(good)
  await until(bad)

  expect([await good.ready(), await good.successful(), await good.failed(), await good.info()]).toEqual([
    true,
    true,
    false,
    4,
  ])
  expect([await bad.ready(), await bad.successful(), await bad.failed()]).toEqual([true, false, true])
  expect(await bad.info()).toMatchObject({ code: 'TQ_TASK_FAILED', taskId: bad.id, type: 'RangeError' })
  expect(await bad.traceback()).toContain('RangeError: too far')
})

test('get() rejects with what the worker stored', async () => {
  const { fail, worker, pass } = ready()
  await worker()
  const result = await fail.delay()

  await expect(pass(result.get())).rejects.toMatchObject({
    code: 'TQ_TASK_FAILED',
    message: 'RangeError: too far',
    taskId: result.id,
    type: 'RangeError',
    module: 'ecmascript',
    args: ['too far'],
    remoteTraceback: expect.stringContaining('result.test.ts'),
  })
})

test('propagate: false gives the error instead', async () => {
  const { fail, worker, pass } = ready()
  await worker()

  expect(await pass((await fail.delay()).get({ propagate: false }))).toMatchObject({ code: 'TQ_TASK_FAILED' })
})

test('get() gives up after its timeout, and the task may still be awaited', async () => {
  const { add, worker, pass, clock } = ready()
  const begin = clock.now()
  const result = await add.delay(2, 2)

  await expect(pass(result.get({ timeout: 5 }))).rejects.toMatchObject({
    code: 'TQ_TIMEOUT',
    message: expect.stringContaining(`Task ${result.id} was not ready within 5 s`),
  })
  expect(clock.now()).toBe(begin + 5000)
  await worker()
  expect(await pass(result.get({ timeout: 5 }))).toBe(4)
})

test('the signal ends the waiting with its reason', async () => {
  const { add, rest } = ready()
  const stop = new AbortController()
  const result = await add.delay(2, 2)

  const waiting = expect(result.get({ signal: stop.signal })).rejects.toThrow('enough')
  await rest()
  stop.abort(new Error('enough'))

  await waiting
  await expect(result.get({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
})

test('waiting leaves no timer behind', async () => {
  const { add, worker, pass, clock } = ready()
  await worker()
  const armed = clock.pending

  await pass((await add.delay(2, 2)).get({ timeout: 3600 }))

  expect(clock.pending).toBe(armed)
})

test('after three seconds without a worker the reason is told', async () => {
  const { add, pass, logged } = ready()
  const result = await add.delay(2, 2)

  await expect(pass(result.get({ timeout: 4 }))).rejects.toThrow()

  expect(logged).toEqual([
    expect.stringMatching(/^WARN Waiting for task .* no worker consumes queue 'celery' .*tq worker/),
  ])
})

test('onMessage and updates() see every change, the stored one first', async () => {
  const { app, worker, pass } = ready()
  const task = app.task('t.progress', { bind: true, trackStarted: true }, (self) => self.updateState({ state: 'HALF' }))
  const heard: TaskMeta[] = []
  const seen: TaskMeta[] = []
  const result = await task.delay()
  const both = Promise.all([
    result.get({ onMessage: (meta) => heard.push(meta) }),
    (async () => {
      for await (const meta of result.updates()) seen.push(meta)
    })(),
  ])

  await worker()
  await pass(both)
  const late: TaskMeta[] = []
  for await (const meta of app.result(result.id).updates()) late.push(meta)

  expect(heard.map(({ state }) => state)).toEqual(['STARTED', 'HALF', 'SUCCESS'])
  expect(seen).toEqual(heard)
  expect(late).toEqual(heard.slice(-1))
})

test('a handle by id reads the same result', async () => {
  const { app, add, worker, pass } = ready()
  await worker()
  const { id } = await add.delay(2, 2)

  expect(await pass(app.result<number>(id).get())).toBe(4)
  expect(await pass(add.result(id).get())).toBe(4)
})

test('another app on the same server reads it, too', async () => {
  const memory = await createMemoryServer()
  const { app, worker, pass } = bench({ memory })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const other = memoryApp('other', { memory })
  await worker()
  const { id } = await add.delay(2, 2)

  expect(await pass(other.result(id).get())).toBe(4)
  await other.close()
})

test('forget deletes the result', async () => {
  const { add, worker, pass } = ready()
  await worker()
  const result = await add.delay(2, 2)
  await pass(result.get())

  await result.forget()

  expect(await result.state()).toBe('PENDING')
})

test('a result is deleted when its time is over', async () => {
  const { app, worker, pass, clock } = bench({ resultExpires: 60 })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await worker()
  const result = await add.delay(2, 2)
  await pass(result.get())

  await clock.advance(59_000)
  expect(await result.state()).toBe('SUCCESS')
  await clock.advance(1001)
  expect(await result.state()).toBe('PENDING')
})

test('awaiting a result does not wait for its task', async () => {
  const { add } = ready()
  const result = await add.delay(2, 2)

  expect(result).not.toHaveProperty('then')
  expect(await Promise.resolve(result)).toBe(result)
  expect(inspect(result)).toBe(`AsyncResult { id: '${result.id}' }`)
})

test('get() inside a task is refused, unless the task insists', async () => {
  const { app, add, worker, pass } = ready()
  const careless = app.task('t.careless', async () => (await add.delay(1, 1)).get())
  const insisting = app.task('t.insisting', async () => (await add.delay(1, 1)).get({ disableSyncSubtasks: false }))
  await worker()

  await expect(pass((await careless.delay()).get())).rejects.toMatchObject({ type: 'JoinInTaskError' })
  expect(await pass((await insisting.delay()).get())).toBe(2)
})

test('currentTask() outside a task is an error that says so', () => {
  expect(() => currentTask()).toThrowError(expect.objectContaining({ code: 'TQ_NOT_IN_TASK' }))
})

test('a result of a chain that is never run stays pending, its parents too', async () => {
  const { add } = ready()

  const result = await chain(add.s(1, 1), add.s(2)).delay()

  const { parent } = result
  expect([await result.state(), parent && 'state' in parent && (await parent.state())]).toEqual(['PENDING', 'PENDING'])
})

test('a backend that is disabled has no results', async () => {
  const { app, worker, rest, eventsOf } = bench({ backend: 'disabled' })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await worker()

  const result = await add.delay(1, 1)
  await rest()

  expect(eventsOf(result.id).at(-1)).toMatchObject({ type: 'task-succeeded' })
  expect(await result.state().catch((error: unknown) => error)).not.toBe('SUCCESS')
})
