import { expect, test } from 'vitest'
import { failoverStep } from '../../runtime/src/drivers/failover.ts'

test('round-robin goes to the next one', () => {
  expect([1, 2, 5].map((places) => failoverStep(places, 'round-robin'))).toEqual([1, 1, 1])
})

test('shuffle goes to any other one, never to the one that was lost', () => {
  const steps = Array.from({ length: 500 }, () => failoverStep(4, 'shuffle'))

  expect(new Set(steps)).toEqual(new Set([1, 2, 3]))
})

test('two places take turns, whatever the strategy', () => {
  expect(new Set(Array.from({ length: 50 }, () => failoverStep(2, 'shuffle')))).toEqual(new Set([1]))
})
