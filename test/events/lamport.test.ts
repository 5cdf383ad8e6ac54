import { expect, test } from 'vitest'
import { LamportClock } from '../../runtime/src/events/lamport.ts'

test('sending moves the clock one further', () => {
  const clock = new LamportClock()

  expect([clock.forward(), clock.forward(), clock.value]).toEqual([1, 2, 2])
})

test('receiving moves the clock past both', () => {
  const clock = new LamportClock(5)

  expect(clock.adjust(9)).toBe(10)
  expect(clock.adjust(3)).toBe(11)
})

test.each([Number.NaN, Infinity, -4, 1.5, Number.MAX_SAFE_INTEGER])(
  'a remote clock of %s cannot break it',
  (remote) => {
    const clock = new LamportClock(5)

    expect(clock.adjust(remote)).toBe(6)
  },
)
