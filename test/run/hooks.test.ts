import { expect, test } from 'vitest'
import type { TaskOptions } from '../../runtime/src/app/task.ts'
import { Ignore, type BoundTask } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

/** Runs a task and gives the hooks that were called, in their order, with what they got. */
async function called(run: (self: BoundTask) => unknown, more: TaskOptions = {}) {
  const one = bench()
  const hooks: unknown[] = []
  const note =
    (name: string) =>
    (self: BoundTask, ...got: readonly unknown[]): void =>
      void hooks.push([name, self.retries, ...got])
  const options = {
    beforeStart: note('beforeStart'),
    onSuccess: note('onSuccess'),
    onFailure: note('onFailure'),
    onRetry: note('onRetry'),
    afterReturn: note('afterReturn'),
    ...more,
  }
  const task = one.app.task('t.hooked', { ...options, bind: true }, run)
  await one.worker()
  const result = await task.delay()
  await one.clock.advance(600_000)
  return { ...one, hooks, result }
}

test('a success calls beforeStart, onSuccess and afterReturn', async () => {
  const { hooks } = await called(() => 42)

  expect(hooks).toEqual([
    ['beforeStart', 0],
    ['onSuccess', 0, 42],
    ['afterReturn', 0, { state: 'SUCCESS', value: 42 }],
  ])
})

test('a failure calls onFailure with what was thrown', async () => {
  const error = new RangeError('too much')

  const { hooks } = await called(() => {
    throw error
  })

  expect(hooks).toEqual([
    ['beforeStart', 0],
    ['onFailure', 0, error],
    ['afterReturn', 0, { state: 'FAILURE', error }],
  ])
})

test('a retry calls onRetry and no afterReturn', async () => {
  const exc = new Error('not yet')

  const { hooks } = await called((self) => (self.retries === 0 ? self.retry({ countdown: 1, exc }) : 'well'))

  expect(hooks).toEqual([
    ['beforeStart', 0],
    ['onRetry', 0, exc],
    ['beforeStart', 1],
    ['onSuccess', 1, 'well'],
    ['afterReturn', 1, { state: 'SUCCESS', value: 'well' }],
  ])
})

test('an ignored task calls nothing after its run', async () => {
  const { hooks } = await called(() => {
    throw new Ignore()
  })

  expect(hooks).toEqual([['beforeStart', 0]])
})

test('the task fails with what beforeStart throws, and does not run', async () => {
  let ran = false
  const beforeStart = (): void => {
    throw new Error('no licence')
  }

  const { hooks, ready, result } = await called(
    () => {
      ran = true
    },
    { beforeStart },
  )

  expect(ran).toBe(false)
  expect(await ready(result)).toMatchObject({ state: 'FAILURE', error: { message: ['no licence'] } })
  expect(hooks[0]).toMatchObject(['onFailure', 0, { message: 'no licence' }])
})

test('a hook that throws is logged and changes nothing', async () => {
  const onSuccess = (): never => {
    throw new Error('hook broken')
  }

  const { hooks, ready, result, logged } = await called(() => 1, { onSuccess })

  expect(await ready(result)).toMatchObject({ state: 'SUCCESS', result: 1 })
  expect(logged).toContainEqual(expect.stringMatching(/^ERROR t\.hooked\[.*onSuccess threw/))
  expect(hooks.at(-1)).toMatchObject(['afterReturn', 0, { state: 'SUCCESS' }])
})

test('hooks are awaited before the task is settled', async () => {
  const onSuccess = (self: BoundTask): Promise<void> => self.sleep(5000)

  const { ready, result, clock } = await called(() => 1, { onSuccess })
  const begin = clock.now() - 600_000

  expect((await ready(result)).doneAtMs).toBe(begin + 5000)
})
