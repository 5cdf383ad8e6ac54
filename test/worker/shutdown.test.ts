import { describe, expect, test } from 'vitest'
import type { Logger } from '../../runtime/src/core/logger.ts'
import { bench } from '../helpers/app.ts'

/** Where a worker is told to stop: the places that a task passes on its way, in their order. */
const places = ['received', 'beforeStart', 'body', 'updated', 'onSuccess', 'afterReturn', 'succeeded'] as const
type Place = (typeof places)[number]

/** Two tasks and one slot; the worker is told to stop when the first of them comes to `place`. */
async function stoppedAt(place: Place, how: 'warm' | 'cold', taskAcksLate: boolean) {
  const runs: number[] = []
  let wasThere = false
  let atPlace = (_: Place): void => {}
  const logger: Logger = {
    debug: () => {},
    info: (text) => places.forEach((one) => text.includes(` ${one}`) && atPlace(one)),
    warn: () => {},
    error: () => {},
  }
  const one = bench({ taskAcksLate, logger })
  const task = one.app.task(
    't.step',
    {
      bind: true,
      beforeStart: () => atPlace('beforeStart'),
      onSuccess: () => atPlace('onSuccess'),
      afterReturn: () => atPlace('afterReturn'),
    },
    async (self, n: number) => {
      runs.push(n)
      atPlace('body')
      await self.updateState({ state: 'PROGRESS' })
      atPlace('updated')
      return n
    },
  )
  const first = await one.worker({ concurrency: 1, prefetchMultiplier: 1 })
  atPlace = (reached) => {
    if (reached !== place) return
    wasThere = true
    void first.stop(how === 'warm' ? Infinity : 0)
  }
  const results = [await task.delay(1), await task.delay(2)] as const
  await one.pass(first.finished)
  atPlace = () => {}
  if (!wasThere) throw new Error(`Nothing came to ${place}.`)
  return { ...one, runs, results, state: first.state }
}

describe.each(places)('told to stop at `%s`', (place) => {
  test.each([true, false])('in a warm stop every task runs once (late acknowledgement: %s)', async (acksLate) => {
    const { worker, pass, runs, results, state } = await stoppedAt(place, 'warm', acksLate)
    await worker({ hostname: 'w2@test' })

    const values = [await pass(results[0].get()), await pass(results[1].get())]

    expect(state).toBe('stopped')
    expect(values).toEqual([1, 2])
    expect(runs.toSorted((a, b) => a - b)).toEqual([1, 2])
  })

  test('in a cold stop a task that is acknowledged late runs again or has its result', async () => {
    const { worker, pass, runs, results, rest } = await stoppedAt(place, 'cold', true)
    await worker({ hostname: 'w2@test' })

    const values = [await pass(results[0].get()), await pass(results[1].get())]
    await rest()

    expect(values).toEqual([1, 2])
    expect(runs.filter((n) => n === 1).length).toBeLessThanOrEqual(2)
    expect(runs.filter((n) => n === 2)).toEqual([2])
  })

  test('in a cold stop a task that is acknowledged early runs once, and the next one is not lost', async () => {
    const { worker, pass, runs, results, rest } = await stoppedAt(place, 'cold', false)
    await worker({ hostname: 'w2@test' })

    const value = await pass(results[1].get())
    await rest()

    expect(value).toBe(2)
    expect(runs.toSorted((a, b) => a - b)).toEqual([1, 2])
  })
})

/** A worker whose one task runs for so many seconds, with 10 s for a soft shutdown. */
async function soft(seconds: number, settings: Parameters<typeof bench>[0] = {}) {
  const one = bench({ taskAcksLate: true, workerSoftShutdownTimeout: 10, ...settings })
  const task = one.app.task('t.sleep', { bind: true }, (self) => self.sleep(seconds * 1000))
  const worker = await one.worker()
  if (seconds > 0) await task.delay()
  await one.rest()
  const queue = async () => (await one.app.connections.transport()).queueInfo('celery')
  const begin = one.clock.monotonic()
  return { ...one, started: worker, queue, passed: () => one.clock.monotonic() - begin }
}

test('a soft shutdown waits for what ends in its time', async () => {
  const { started, pass, queue, passed } = await soft(4)

  await pass(started.stopCold())

  expect(passed()).toBe(4000)
  expect(await queue()).toMatchObject({ ready: 0, held: 0 })
})

test('a soft shutdown gives back what does not end in its time', async () => {
  const { started, pass, queue, passed } = await soft(60)

  await pass(started.stopCold())

  expect(passed()).toBe(10_000)
  expect(await queue()).toMatchObject({ ready: 1, held: 0 })
})

test('a warm shutdown becomes a soft one, and a second cold one waits for nothing', async () => {
  const { started, pass, rest, clock, queue, passed } = await soft(60)
  const stopping = started.stop()
  await rest()

  void started.stopCold()
  await clock.advance(3000)
  const waiting = [started.state, started.hasGivenUp]
  void started.stopCold()
  await pass(stopping)

  expect(waiting).toEqual(['stopping', false])
  expect(started.hasGivenUp).toBe(true)
  expect(passed()).toBe(3000)
  expect(await queue()).toMatchObject({ ready: 1, held: 0 })
})

test('an idle worker does not wait, unless workerEnableSoftShutdownOnIdle says so', async () => {
  const idle = await soft(0)
  const patient = await soft(0, { workerEnableSoftShutdownOnIdle: true })

  await idle.pass(idle.started.stopCold())
  await patient.pass(patient.started.stopCold())

  expect([idle.passed(), patient.passed()]).toEqual([0, 10_000])
})

test('a worker that is told to stop while it starts ends without having consumed', async () => {
  const { app, rest, pass } = bench()
  const task = app.task('t.add', (n: number) => n)
  await task.delay(1)
  const { Worker } = await import('../../runtime/src/worker/worker.ts')
  const worker = new Worker(app, { hostname: 'w1@test' })

  const started = worker.start()
  const stopping = worker.stop()
  await expect(pass(started)).rejects.toThrow()
  await pass(stopping)
  await rest()

  expect([worker.state, worker.wasTold]).toEqual(['stopped', true])
  expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 1 })
})
