import { expect, test } from 'vitest'
import { price, total } from '../src/lib/price.ts'
import { add } from '../src/tasks/math.ts'

test('a price is cents times count', () => {
  expect(price({ name: 'pen', cents: 250, count: 2 })).toBe(500)
})

test('a total is the sum of all lines', () => {
  expect(
    total([
      { name: 'pen', cents: 250, count: 2 },
      { name: 'ink', cents: 900, count: 1 },
    ]),
  ).toBe(1400)
})

test('a task is still a function', () => {
  expect(add(2, 2)).toBe(4)
})
