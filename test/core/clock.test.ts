import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
})
afterEach(() => {
  vi.useRealTimers()
})

const dayMs = 86_400_000

test('now is the epoch time', () => {
  expect(systemClock.now()).toBe(Date.UTC(2026, 0, 1))
})

test('a timer beyond the 24 days of Node fires at its time and not before', () => {
  const fired = vi.fn()
  systemClock.timer(60 * dayMs, fired)

  vi.advanceTimersByTime(60 * dayMs - 1)
  expect(fired).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)

  expect(fired).toHaveBeenCalledOnce()
})

test('a long timer is cancelled in any of its steps', () => {
  const fired = vi.fn()
  const timer = systemClock.timer(60 * dayMs, fired)
  vi.advanceTimersByTime(40 * dayMs)

  timer.cancel()
  vi.advanceTimersByTime(60 * dayMs)

  expect(fired).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})

test('a timer of the past fires at once', () => {
  const fired = vi.fn()
  systemClock.timer(-5, fired)

  vi.advanceTimersByTime(0)

  expect(fired).toHaveBeenCalledOnce()
})

test('an interval goes on until it is cancelled', () => {
  const fired = vi.fn()
  const interval = systemClock.interval(10, fired)

  vi.advanceTimersByTime(35)
  interval.cancel()
  vi.advanceTimersByTime(100)

  expect(fired).toHaveBeenCalledTimes(3)
})

test('an interval longer than the timers of Node is not cut short', () => {
  const fired = vi.fn()
  const interval = systemClock.interval(30 * dayMs, fired)

  vi.advanceTimersByTime(30 * dayMs - 1)
  const early = fired.mock.calls.length
  vi.advanceTimersByTime(30 * dayMs + 1)
  interval.cancel()
  vi.advanceTimersByTime(60 * dayMs)

  expect([early, fired.mock.calls.length]).toEqual([0, 2])
  expect(vi.getTimerCount()).toBe(0)
})

test('a sleep that is aborted rejects with the reason and leaves no timer', async () => {
  const stop = new AbortController()
  const slept = systemClock.sleep(dayMs, stop.signal)

  stop.abort(new Error('enough'))

  await expect(slept).rejects.toThrow('enough')
  expect(vi.getTimerCount()).toBe(0)
})

test('a sleep with a signal that has aborted already does not begin', async () => {
  await expect(systemClock.sleep(dayMs, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')

  expect(vi.getTimerCount()).toBe(0)
})
