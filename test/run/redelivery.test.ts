import { describe, expect, test } from 'vitest'
import { Reject } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

describe('a message that is delivered again', () => {
  test.each([
    { deduplicates: true, state: 'SUCCESS', runs: 1, result: 'stored before' },
    { deduplicates: false, state: 'SUCCESS', runs: 2, result: 'stored before' },
    // A failure is not the end of a message that came again.
    { deduplicates: true, state: 'FAILURE', runs: 2, result: 'second run' },
  ])(
    'with $state stored runs $runs times in all where workerDeduplicateSuccessfulTasks is $deduplicates',
    async ({ deduplicates, state, runs, result: value }) => {
      const { app, worker, rest } = bench({ taskAcksLate: true, workerDeduplicateSuccessfulTasks: deduplicates })
      const backend = await app.connections.backend()
      let count = 0
      const task = app.task('t.again', { bind: true }, async (self) => {
        if (++count > 1) return 'second run'
        const end =
          state === 'SUCCESS' ? { result: 'stored before' } : { error: { type: 'E', module: 'm', message: [] } }
        await backend.store([{ id: self.request.id, state, ...end }], { ttlMs: 0 })
        throw new Reject('the worker dies before it acknowledges', { requeue: true })
      })
      await worker()

      const result = await task.delay()
      await rest()

      expect({ count, meta: await result.meta() }).toMatchObject({
        count: runs,
        meta: { state: 'SUCCESS', result: value },
      })
      expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
    },
  )

  test('runs where its result is SUCCESS and a first delivery brought it', async () => {
    const { app, worker, ready } = bench({ workerDeduplicateSuccessfulTasks: true })
    let count = 0
    const task = app.task('t.twice', () => ++count)
    await worker()

    await ready(await task.applyAsync([], { taskId: 'one id' }))
    await ready(await task.applyAsync([], { taskId: 'one id' }))

    expect(count).toBe(2)
  })

  test('because its task rejected it, is not taken for one that kills workers', async () => {
    const { app, worker, ready, logged } = bench({ taskAcksLate: true, taskWorkerLostLimit: 1 })
    let count = 0
    const task = app.task('t.patient', () => {
      if (++count < 6) throw new Reject('later', { requeue: true })
      return count
    })
    await worker()

    expect(await ready(await task.delay())).toMatchObject({ state: 'SUCCESS', result: 6 })
    expect(await (await app.connections.transport()).quarantine.list(10)).toEqual([])
    expect(logged.filter((line) => line.startsWith('ERROR'))).toEqual([])
  })
})

test('Reject with requeue of a message that was acknowledged early says that it is lost', async () => {
  const { app, worker, rest, logged } = bench()
  const task = app.task('t.early', { acksLate: false }, () => {
    throw new Reject('later', { requeue: true })
  })
  await worker()

  const result = await task.delay()
  await rest()

  expect(await result.state()).toBe('PENDING')
  expect(logged).toContainEqual(expect.stringMatching(/^WARN .*t\.early.* is lost: later Its message was acknowledged/))
})
