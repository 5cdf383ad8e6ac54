import { expect, test } from 'vitest'
import { bench } from '../helpers/app.ts'

test('a call whose time is over is revoked as expired and does not run', async () => {
  const { app, worker, ready, clock, pass, eventsOf } = bench()
  let ran = false
  const task = app.task('t.late', () => {
    ran = true
  })
  const result = await task.applyAsync([], { expires: 10 })

  await clock.advance(10_001)
  await worker()
  const meta = await ready(result)

  expect(ran).toBe(false)
  expect(meta).toMatchObject({
    state: 'REVOKED',
    error: { type: 'TaskRevokedError', message: ['expired'], module: 'celery.exceptions' },
  })
  await expect(pass(result.get())).rejects.toMatchObject({
    code: 'TQ_TASK_REVOKED',
    reason: 'expired',
    taskId: result.id,
  })
  expect(eventsOf(result.id).at(-1)).toMatchObject({ type: 'task-revoked', expired: true, terminated: false })
})

test('a call runs at the very moment of its expiry', async () => {
  const { app, worker, ready, clock } = bench()
  const task = app.task('t.just', { expires: 10 }, () => 'in time')
  const result = await task.delay()

  await clock.advance(10_000)
  await worker()

  expect(await ready(result)).toMatchObject({ state: 'SUCCESS' })
})

test('the soft limit ends a sleep', async () => {
  const { app, worker, ready, clock } = bench()
  const begin = clock.now()
  const slow = app.task('t.slow', { bind: true, softTimeLimit: 3 }, (self) => self.sleep(60_000))
  await worker()

  const meta = await ready(await slow.delay())

  expect(meta).toMatchObject({
    state: 'FAILURE',
    error: { type: 'SoftTimeLimitExceeded', module: 'billiard.exceptions' },
  })
  expect(meta.doneAtMs).toBe(begin + 3000)
})

test('the soft limit is thrown by the next checkpoint', async () => {
  const { app, worker, ready } = bench({ taskSoftTimeLimit: 2 })
  let rounds = 0
  const loop = app.task('t.loop', { bind: true }, async (self) => {
    for (;;) {
      self.checkpoint()
      rounds++
      await app.clock.sleep(1500)
    }
  })
  await worker()

  expect(await ready(await loop.delay())).toMatchObject({ error: { type: 'SoftTimeLimitExceeded' } })
  expect(rounds).toBe(2)
})

test('a task may take the soft limit as a hint and end well', async () => {
  const { app, worker, ready } = bench()
  const careful = app.task('t.careful', { bind: true }, async (self) => {
    try {
      await self.sleep(60_000)
      return 'all'
    } catch {
      return `half, ${(self.signal.reason as Error).name}`
    }
  })
  await worker()

  const meta = await ready(await careful.applyAsync([], { softTimeLimit: 1 }))

  expect(meta).toMatchObject({ state: 'SUCCESS', result: 'half, SoftTimeLimitExceeded' })
})

test('what takes the signal rejects with its AbortError, and the limit is told all the same', async () => {
  const { app, worker, ready } = bench()
  const fetching = app.task(
    't.fetching',
    { bind: true, softTimeLimit: 1 },
    (self) =>
      new Promise((_, reject) => {
        self.signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')))
      }),
  )
  await worker()

  expect(await ready(await fetching.delay())).toMatchObject({ error: { type: 'SoftTimeLimitExceeded' } })
})

test('the limit of a call wins over that of the task, that of the task over the setting', async () => {
  const { app, worker, ready, clock } = bench({ taskSoftTimeLimit: 30 })
  const seconds = async (limit: number | undefined, called: number | undefined): Promise<number> => {
    const task = app.task(`t.limit${limit}-${called}`, { bind: true, softTimeLimit: limit }, (self) =>
      self.sleep(60_000),
    )
    const begin = clock.now()
    await ready(await task.applyAsync([], { softTimeLimit: called }))
    return (clock.now() - begin) / 1000
  }
  await worker()

  expect([await seconds(undefined, undefined), await seconds(20, undefined), await seconds(20, 10)]).toEqual([
    30, 20, 10,
  ])
})

test('a task that is over leaves no limit armed', async () => {
  const { app, worker, ready, clock } = bench()
  const quick = app.task('t.quick', { softTimeLimit: 3600 }, () => 1)
  await worker()
  const armed = clock.pending

  await ready(await quick.delay())

  expect(clock.pending).toBe(armed)
})

test('a task that was revoked before it came is not run', async () => {
  const { app, worker, ready, rest, pass, eventsOf } = bench()
  let ran = false
  const task = app.task('t.unwanted', () => {
    ran = true
  })
  await worker()

  await app.result('unwanted-1').revoke()
  await rest()
  const result = await task.applyAsync([], { taskId: 'unwanted-1' })
  const meta = await ready(result)

  expect(ran).toBe(false)
  expect(meta).toMatchObject({ state: 'REVOKED', error: { type: 'TaskRevokedError', message: ['revoked'] } })
  await expect(pass(result.get())).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'revoked' })
  expect(eventsOf(result.id).map(({ type }) => type)).toEqual(['task-sent', 'task-received', 'task-revoked'])
})

test('a task that is revoked while it waits for its slot is not run', async () => {
  const { app, worker, ready, rest } = bench()
  const release = Promise.withResolvers<void>()
  const block = app.task('t.block', () => release.promise)
  let ran = false
  const task = app.task('t.unwanted', () => {
    ran = true
  })
  await worker({ concurrency: 1, prefetchMultiplier: 4 })
  await block.delay()
  const result = await task.delay()
  await rest()

  await result.revoke()
  await rest()
  release.resolve()

  expect(await ready(result)).toMatchObject({ state: 'REVOKED' })
  expect(ran).toBe(false)
})

test('a revoked task that runs already goes on', async () => {
  const { app, worker, ready, rest } = bench()
  const task = app.task('t.slow', { bind: true }, async (self) => {
    await self.sleep(1000)
    return 'done'
  })
  await worker()
  const result = await task.delay()
  await rest()

  await result.revoke()

  expect(await ready(result)).toMatchObject({ state: 'SUCCESS', result: 'done' })
})

test('terminate ends a running task through its signal', async () => {
  const { app, worker, ready, rest, clock, eventsOf } = bench()
  const begin = clock.now()
  const task = app.task('t.slow', { bind: true }, (self) => self.sleep(600_000))
  await worker()
  const result = await task.delay()
  await rest()

  await result.revoke({ terminate: true, signal: 'SIGINT' })
  const meta = await ready(result)

  expect(meta).toMatchObject({ state: 'REVOKED', error: { message: ['terminated'] }, doneAtMs: begin })
  expect(eventsOf(result.id).at(-1)).toMatchObject({ type: 'task-revoked', terminated: true, signum: 'SIGINT' })
})
