import { expect, test } from 'vitest'
import type { RetryOptions, TaskMeta } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

/** A task that retries with `options` until `goodAt` retries are behind it, and notes when each run was. */
function retrying(options: RetryOptions | (() => RetryOptions), goodAt = Infinity, task: object = {}) {
  const one = bench()
  const { app, clock } = one
  const begin = clock.now()
  const runs: {
    readonly atS: number
    readonly retries: number
    readonly args: readonly unknown[]
    readonly queue: string
    readonly priority: number
  }[] = []
  const again = app.task('t.again', { bind: true, ...task }, (self, word: string): string => {
    const { args, retries, deliveryInfo } = self.request
    const { queue, priority } = deliveryInfo
    runs.push({ atS: (clock.now() - begin) / 1000, retries, args, queue, priority })
    if (retries < goodAt) self.retry(typeof options === 'function' ? options() : options)
    return word
  })
  return { ...one, again, runs, secondsOf: () => runs.map(({ atS }) => atS) }
}

test('a retry is a new run of the same task after three minutes, three times at most', async () => {
  const { again, worker, ready, runs, secondsOf } = retrying({})
  await worker()

  const meta = await ready(await again.delay('x'))

  expect(runs.map(({ retries }) => retries)).toEqual([0, 1, 2, 3])
  expect(secondsOf()).toEqual([0, 180, 360, 540])
  expect(meta).toMatchObject({
    state: 'FAILURE',
    error: { type: 'MaxRetriesExceededError', module: 'celery.exceptions' },
  })
  expect(meta.error?.message[0]).toMatch(/^Can't retry t\.again\[[0-9a-f-]+\] after 3 retries\.$/)
})

test('a retry that succeeds gives its value under the same id', async () => {
  const { again, worker, pass } = retrying({ countdown: 1 }, 2)
  await worker()

  expect(await pass((await again.delay('x')).get())).toBe('x')
})

test('countdown and eta say when', async () => {
  const counted = retrying({ countdown: 5 }, 2)
  const dated = retrying(() => ({ eta: new Date(dated.clock.now() + 7000) }), 1)

  for (const { again, worker, ready } of [counted, dated]) {
    await worker()
    await ready(await again.delay('x'))
  }

  expect(counted.secondsOf()).toEqual([0, 5, 10])
  expect(dated.secondsOf()).toEqual([0, 7])
})

test('the task says how often and how far apart', async () => {
  const { again, worker, ready, secondsOf } = retrying({}, Infinity, { maxRetries: 1, defaultRetryDelay: 10 })
  await worker()

  await ready(await again.delay('x'))

  expect(secondsOf()).toEqual([0, 10])
})

test('maxRetries null is for ever, a number at the call wins', async () => {
  const endless = retrying({ countdown: 1 }, 20, { maxRetries: null })
  const called = retrying({ countdown: 1, maxRetries: 0 }, Infinity, { maxRetries: 9 })

  for (const { again, worker, ready } of [endless, called]) {
    await worker()
    await ready(await again.delay('x'))
  }

  expect(endless.runs).toHaveLength(21)
  expect(called.runs).toHaveLength(1)
})

test('the cause is thrown as it is once the retries are used up', async () => {
  const { again, worker, ready } = retrying({ countdown: 1, maxRetries: 1, exc: new RangeError('too far') })
  await worker()

  const meta = await ready(await again.delay('x'))

  expect(meta).toMatchObject({ state: 'FAILURE', error: { type: 'RangeError', message: ['too far'] } })
})

test('a retry may change arguments, queue and priority', async () => {
  const { again, worker, pass, runs } = retrying({ args: ['y'], queue: 'second', priority: 6, countdown: 1 }, 1)
  await worker({ queues: ['celery', 'second'] })

  expect(await pass((await again.delay('x')).get())).toBe('y')
  expect(runs).toMatchObject([
    { args: ['x'], queue: 'celery', priority: 0 },
    { args: ['y'], queue: 'second', priority: 6 },
  ])
})

test('changed arguments are the ones that events show', async () => {
  const { again, worker, ready, eventsOf } = retrying({ args: ['y'], countdown: 1 }, 1)
  await worker()

  const result = await again.delay('x')
  await ready(result)

  const received = eventsOf(result.id).filter(({ type }) => type === 'task-received')
  expect(received).toMatchObject([
    { args: "('x',)", retries: 0 },
    { args: "('y',)", retries: 1 },
  ])
})

test('between the runs the state is RETRY with the cause, and each run has its events', async () => {
  const { again, worker, pass, rest, eventsOf } = retrying({ countdown: 1, exc: new Error('busy') }, 1)
  await worker()
  const result = await again.delay('x')
  const metas: TaskMeta[] = []

  await pass(result.get({ onMessage: (meta) => metas.push(meta) }))
  await rest()

  expect(metas.map(({ state }) => state)).toEqual(['RETRY', 'SUCCESS'])
  expect(metas[0]).toMatchObject({
    error: { type: 'Error', message: ['busy'] },
    traceback: expect.stringContaining('busy'),
  })
  expect(eventsOf(result.id).map(({ type }) => type)).toEqual([
    'task-sent',
    'task-received',
    'task-started',
    'task-retried',
    'task-received',
    'task-started',
    'task-succeeded',
  ])
})

test('callbacks and the rest of a chain wait for the last run', async () => {
  const { app, again, worker, pass, runs } = retrying({ countdown: 1 }, 2)
  const upper = app.task('t.upper', (text: string) => `${text.toUpperCase()}${runs.length}`)
  await worker()

  expect(await pass((await again.s('x').pipe(upper.s()).delay()).get())).toBe('X3')
})

test('a retry outside a worker throws its cause, and nothing is sent', async () => {
  const { app, again } = retrying({ exc: new RangeError('called directly') })

  expect(() => again('x')).toThrow('called directly')
  expect((await (await app.connections.transport()).queueInfo('celery')).ready).toBe(0)
})
