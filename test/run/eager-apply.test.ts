import { expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { chain, currentTask, EagerResult, Ignore, TaskFailedError } from '../../runtime/src/index.ts'
import { memoryApp, sentMessages } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'

function app(options: Parameters<typeof memoryApp>[1] = {}) {
  const made = memoryApp('tests', options)
  onTestFinished(() => made.close())
  return made
}

test('apply runs the task here and tells how it ended', async () => {
  const add = app().task('t.add', (x: number, y: number) => x + y)

  const result = await add.apply([2, 2])

  expectTypeOf(result).toEqualTypeOf<EagerResult<number>>()
  expect(result).toBeInstanceOf(EagerResult)
  expect([result.name, result.value, await result.state(), await result.traceback(), await result.get()]).toEqual([
    't.add',
    4,
    'SUCCESS',
    undefined,
    4,
  ])
  expect(result.id).toMatch(/^[0-9a-f-]{36}$/)
})

test('a failure is told, not thrown', async () => {
  const fail = app().task('t.fail', (): number => {
    throw new RangeError('too far')
  })

  const result = await fail.apply([])

  expect(result.value).toBeInstanceOf(TaskFailedError)
  expect(result.value).toMatchObject({ type: 'RangeError', args: ['too far'] })
  expect([await result.state(), await result.traceback()]).toEqual([
    'FAILURE',
    expect.stringContaining('RangeError: too far'),
  ])
})

test.each([
  ['the option throw', {}, { throw: true }],
  ['taskEagerPropagates', { taskEagerPropagates: true }, {}],
])('with %s it rejects with the very error', async (_, settings, options) => {
  const error = new RangeError('too far')
  const fail = app(settings).task('t.fail', (): number => {
    throw error
  })

  await expect(fail.apply([], options)).rejects.toBe(error)
})

test('throw: false goes before taskEagerPropagates', async () => {
  const fail = app({ taskEagerPropagates: true }).task('t.fail', (): number => {
    throw new RangeError('too far')
  })

  expect(await (await fail.apply([], { throw: false })).state()).toBe('FAILURE')
})

test('the call has its options, as one that is sent', async () => {
  const ask = app().task('t.ask', (_x: number, y?: number) => {
    const { id, isEager, headers, kwargs } = currentTask().request
    return { id, isEager, headers, kwargs, y }
  })

  const result = await ask.apply([1], { kwargs: { y: 2 }, taskId: 'mine', headers: { tenant: 7 } })

  expect(result.value).toEqual({ id: 'mine', isEager: true, headers: { tenant: 7 }, kwargs: { y: 2 }, y: 2 })
})

test('retries pass on a virtual clock, and their number is told', async () => {
  const flaky = app().task('t.flaky', { bind: true, maxRetries: 3 }, (self) =>
    self.retries < 2 ? self.retry({ countdown: 3600 }) : 'done',
  )

  const { value, eager } = await flaky.apply([])

  expect([value, eager]).toEqual(['done', { attempts: 3, simulatedMs: 7_200_000 }])
})

test('arguments that do not fit are refused before anything runs', async () => {
  const add = app().task('t.add', (x: number, y: number) => x + y)

  // One too few, which the compiler would tell.
  await expect(add.apply([1] as never)).rejects.toThrow('Expected 2 arguments')
})

test('arguments and value go through the serializer, as on their way to a worker', async () => {
  const echo = app().task('t.echo', (given: object) => given)

  await expect(echo.apply([{ odd: () => 1 }])).rejects.toThrow('args[0].odd')
  expect((await echo.apply([{ at: new Date(0), none: undefined }])).value).toEqual({ at: new Date(0) })
})

test('an ignored task has no value', async () => {
  const ignore = app().task('t.ignore', (): never => {
    throw new Ignore()
  })

  const { value, stored } = await ignore.apply([])

  expect([value, stored]).toEqual([undefined, undefined])
})

test('what the task sends is sent: only it runs here', async () => {
  const one = app()
  const inner = one.task('t.inner', () => 1)
  const outer = one.task('t.outer', async () => (await inner.delay()).id)

  const { value } = await outer.apply([])

  expect(await sentMessages(one)).toMatchObject([{ id: value, task: 't.inner' }])
})

test('in an eager app it runs here, too', async () => {
  const one = app({ taskAlwaysEager: true })
  const inner = one.task('t.inner', () => 1)
  const outer = one.task('t.outer', async () => (await inner.delay()).id)

  const { value } = await outer.apply([])

  expect(await one.result(String(value)).state()).toBe('SUCCESS')
})

test('a task may apply another and use its value', async () => {
  const { app: one, worker, pass } = bench()
  const inner = one.task('t.inner', { bind: true, maxRetries: 1 }, (self, x: number): number =>
    self.retries === 0 ? self.retry({ countdown: 60 }) : 2 * x,
  )
  const outer = one.task('t.outer', async (x: number) => Number((await inner.apply([x])).value) + 1)
  await worker()

  const [onWorker, eagerly] = [await outer.delay(2), await outer.apply([3])]

  expect([await pass(onWorker.get()), eagerly.value]).toEqual([5, 7])
})

test('taskStoreEagerResult stores it where results of the app are', async () => {
  const one = app({ taskStoreEagerResult: true })
  const add = one.task('t.add', (x: number, y: number) => x + y)

  const { id } = await add.apply([2, 2])

  expect(await one.result(id).get({ timeout: 30 })).toBe(4)
})

test('a signature of an eager app is applied by its parts', async () => {
  const one = app({ taskAlwaysEager: true })
  const add = one.task('t.add', (x: number, y: number) => x + y)

  expect(await (await chain(add.s(1, 2), add.s(3)).delay()).get()).toBe(6)
})
