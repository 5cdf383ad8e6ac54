import { expect, test } from 'vitest'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'

test('it stands still until it is moved', async () => {
  const clock = new VirtualClock(1000)

  await clock.advance(0)
  expect([clock.now(), clock.monotonic()]).toEqual([1000, 0])
  await clock.advance(250)

  expect([clock.now(), clock.monotonic()]).toEqual([1250, 250])
})

test('timers fire in the order of their time, each at its own', async () => {
  const clock = new VirtualClock(0)
  const fired: string[] = []
  for (const ms of [30, 10, 20, 10]) clock.timer(ms, () => fired.push(`${ms} at ${clock.now()}`))

  await clock.advance(25)

  expect(fired).toEqual(['10 at 10', '10 at 10', '20 at 20'])
  expect([clock.pending, clock.untilNext]).toEqual([1, 5])
})

test('what a timer sets off runs before the next one fires', async () => {
  const clock = new VirtualClock(0)
  const said: string[] = []
  clock.timer(10, () => {
    setImmediate(() => {
      said.push(`immediate at ${clock.now()}`)
      clock.timer(5, () => said.push(`armed later, at ${clock.now()}`))
    })
  })
  clock.timer(20, () => said.push('second timer'))

  await clock.advance(20)

  expect(said).toEqual(['immediate at 10', 'armed later, at 15', 'second timer'])
})

test('a timer armed for now or the past fires with the next move', async () => {
  const clock = new VirtualClock()
  let fired = 0
  clock.timer(0, () => fired++)
  clock.timer(-10, () => fired++)

  await clock.advance(0)

  expect(fired).toBe(2)
})

test('a cancelled timer does not fire', async () => {
  const clock = new VirtualClock()
  let fired = false
  const timer = clock.timer(1, () => {
    fired = true
  })

  timer.cancel()
  timer.cancel()
  await clock.advance(10)

  expect([fired, clock.pending]).toEqual([false, 0])
})

test('an interval fires until it cancels itself', async () => {
  const clock = new VirtualClock(0)
  const at: number[] = []
  const interval = clock.interval(10, () => {
    at.push(clock.now())
    if (at.length === 3) interval.cancel()
  })

  await clock.advance(100)

  expect(at).toEqual([10, 20, 30])
})

test('a sleep ends at its time, or with the reason of its signal', async () => {
  const clock = new VirtualClock(0)
  const stop = new AbortController()
  const slept = clock.sleep(10).then(() => clock.now())
  const stopped = expect(clock.sleep(10, stop.signal)).rejects.toThrow('enough')

  stop.abort(new Error('enough'))
  await clock.advance(50)

  expect(await slept).toBe(10)
  await stopped
  await expect(clock.sleep(10, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  expect(clock.pending).toBe(0)
})

test('what a timer throws rejects the move', async () => {
  const clock = new VirtualClock()
  clock.timer(1, () => {
    throw new Error('boom')
  })

  await expect(clock.advance(1)).rejects.toThrow('boom')
})
