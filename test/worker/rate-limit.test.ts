import { expect, test } from 'vitest'
import { tasksPerSecond } from '../../runtime/src/core/rate.ts'
import { bench } from '../helpers/app.ts'

/** A task with a rate limit, and the seconds at which it ran. */
function limited(rateLimit?: string | number, settings: object = {}) {
  const one = bench(settings)
  const begin = one.clock.now()
  const ranAt: number[] = []
  const note = (): void => void ranAt.push((one.clock.now() - begin) / 1000)
  const task = one.app.task('t.limited', { rateLimit }, note)
  const free = one.app.task('t.free', note)
  const send = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) await task.delay()
    await one.rest()
  }
  return { ...one, task, free, send, ranAt }
}

test.each([
  ['10/s', 10],
  ['90/m', 1.5],
  ['36/h', 0.01],
  [3, 3],
  ['0.5/s', 0.5],
  [0, undefined],
  [null, undefined],
  [undefined, undefined],
])('%j is %j tasks per second', (rate, perSecond) => {
  expect(tasksPerSecond(rate)).toBe(perSecond)
})

test.each(['fast', '10/d', '-1', '1/'])('%j is no rate', (rate) => {
  expect(() => tasksPerSecond(rate)).toThrow('expected a rate limit to be a number or like 10/s')
})

test('tasks start at their rate, the first at once', async () => {
  const { worker, send, clock, ranAt } = limited('2/s')
  await worker()

  await send(3)
  await clock.advance(2000)

  expect(ranAt).toEqual([0, 0.5, 1])
})

test('a limited task holds up no other', async () => {
  const { worker, send, free, rest, ranAt } = limited('1/h')
  await worker()

  await send(2)
  await free.delay()
  await rest()

  expect(ranAt).toEqual([0, 0])
})

test('taskDefaultRateLimit is for tasks that say nothing', async () => {
  const { worker, send, clock, ranAt } = limited(undefined, { taskDefaultRateLimit: '1/s' })
  await worker()

  await send(2)
  await clock.advance(1000)

  expect(ranAt).toEqual([0, 1])
})

test('workerDisableRateLimits leaves them out', async () => {
  const { worker, send, ranAt } = limited('1/h', { workerDisableRateLimits: true })
  await worker()

  await send(3)

  expect(ranAt).toEqual([0, 0, 0])
})

test('a new rate holds for those that wait already', async () => {
  const { worker, send, clock, ranAt, app, pass } = limited('1/h')
  await worker()
  await send(3)

  const answer = await pass(app.control.rateLimit('t.limited', '1/s'))
  await clock.advance(1000)

  expect(answer).toEqual({ 'w1@test': { ok: 'new rate limit set successfully' } })
  expect(ranAt.map((at) => at - (ranAt[1] ?? 0)).slice(1)).toEqual([0, 1])
})

test('rate 0 lets all go that wait', async () => {
  const { worker, send, ranAt, app, pass, rest } = limited('1/h')
  await worker()
  await send(3)

  const answer = await pass(app.control.rateLimit('t.limited', 0))
  await rest()

  expect(answer).toEqual({ 'w1@test': { ok: 'rate limit disabled successfully' } })
  expect(ranAt).toHaveLength(3)
})

test('what waits for its rate counts as reserved, can be revoked and expires', async () => {
  const { worker, send, task, app, clock, ready, rest, pass, ranAt } = limited('1/m')
  await worker()
  await send(1)
  const unwanted = await task.delay()
  const late = await task.applyAsync([], { expires: 90 })
  await rest()

  const reserved = await pass(app.control.inspect('reserved'))
  await unwanted.revoke()
  await clock.advance(180_000)

  expect(reserved['w1@test']).toMatchObject([{ id: unwanted.id }, { id: late.id }])
  expect(await ready(unwanted)).toMatchObject({ state: 'REVOKED', error: { message: ['revoked'] } })
  expect(await ready(late)).toMatchObject({ state: 'REVOKED', error: { message: ['expired'] } })
  expect(ranAt).toEqual([0])
})

test('what waits for its rate goes back when the worker stops', async () => {
  const { worker, send, app, pass, rest } = limited('1/h')
  const one = await worker()
  await send(3)

  await pass(one.stop())
  await rest()

  expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 2, held: 0 })
})
