import { expect, test } from 'vitest'
import type { TaskOptions } from '../../runtime/src/app/task.ts'
import { autoRetry } from '../../runtime/src/run/auto-retry.ts'
import { bench } from '../helpers/app.ts'

class Unreachable extends Error {}
class Refused extends Unreachable {}

/** The seconds at which a task ran that always throws `error`, and how it ended. */
async function runsOf(options: Omit<TaskOptions, 'bind'>, error: unknown = new Unreachable('no route')) {
  const { app, clock, worker, ready } = bench()
  const begin = clock.now()
  const seconds: number[] = []
  const task = app.task('t.reach', { retryJitter: false, ...options }, () => {
    seconds.push((clock.now() - begin) / 1000)
    throw error
  })
  await worker()
  const meta = await ready(await task.delay())
  return { seconds, meta }
}

test('an error of autoretryFor is tried again after defaultRetryDelay, and then it is how the task ended', async () => {
  const { seconds, meta } = await runsOf({ autoretryFor: [Unreachable] })

  expect(seconds).toEqual([0, 180, 360, 540])
  expect(meta).toMatchObject({ state: 'FAILURE', error: { type: 'Unreachable', message: ['no route'] }, retries: 3 })
})

test.each<[string, TaskOptions, unknown]>([
  ['of another class', { autoretryFor: [RangeError] }, new Unreachable()],
  ['of dontAutoretryFor', { autoretryFor: [Unreachable], dontAutoretryFor: [Refused] }, new Refused()],
  ['of no class', { autoretryFor: [Error] }, 'text'],
  ['of a task that says nothing', {}, new Unreachable()],
])('an error %s is not tried again', async (_, options, error) => {
  const { seconds } = await runsOf(options, error)

  expect(seconds).toEqual([0])
})

test.each<[string, TaskOptions]>([
  ['a class above it', { autoretryFor: [Unreachable] }],
  ['its name', { autoretryFor: ['Refused'] }],
  ['the name of a class above it', { autoretryFor: ['Unreachable'] }],
])('an error is known by %s', async (_, options) => {
  const { seconds } = await runsOf({ ...options, maxRetries: 1 }, new Refused())

  expect(seconds).toHaveLength(2)
})

test('retryKwargs say how often and when', async () => {
  const { seconds } = await runsOf({ autoretryFor: [Error], retryKwargs: { maxRetries: 2, countdown: 7 } })

  expect(seconds).toEqual([0, 7, 14])
})

test.each<[TaskOptions, readonly number[]]>([
  [{ retryBackoff: true }, [0, 1, 3, 7]],
  [{ retryBackoff: 5 }, [0, 5, 15, 35]],
  [{ retryBackoff: 5, retryBackoffMax: 8 }, [0, 5, 13, 21]],
  [{ retryBackoff: 2, retryKwargs: { countdown: 100 } }, [0, 2, 6, 14]],
])('%j doubles the pause', async (options, expected) => {
  const { seconds } = await runsOf({ autoretryFor: [Error], ...options })

  expect(seconds).toEqual(expected)
})

test('the pause is 600 seconds at most where nothing says so', () => {
  expect(autoRetry({ autoretryFor: [Error], retryBackoff: true, retryJitter: false }, new Error(), 20)).toMatchObject({
    countdown: 600,
  })
})

test.each([
  [0, 0],
  [0.5, 4],
  [0.999, 8],
])('jitter at %d of eight seconds is %d', (random, countdown) => {
  const options = { autoretryFor: [Error], retryBackoff: 8 }

  expect(autoRetry(options, new Error(), 0, () => random)).toMatchObject({ countdown })
})

test('a retry, a rejection and an ignored task are what they are', async () => {
  const { app, worker, ready, rest } = bench()
  const runs: string[] = []
  const asked = app.task('t.asked', { bind: true, autoretryFor: [Error], retryBackoff: true }, (self) => {
    runs.push(`run ${self.retries}`)
    if (self.retries === 0) self.retry({ countdown: 3 })
    return 'done'
  })
  await worker()

  const meta = await ready(await asked.delay())
  await rest()

  expect(runs).toEqual(['run 0', 'run 1'])
  expect(meta).toMatchObject({ state: 'SUCCESS', result: 'done' })
})
