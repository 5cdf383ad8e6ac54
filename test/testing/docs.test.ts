import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const file = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('the example of the documentation is a test of the shop, word for word', () => {
  const [, example] = /```ts\n([\s\S]*?)```/.exec(file('runtime/docs/testing.md')) ?? []

  expect(example).toBe(file('test/examples/shop/test/orders.test.ts'))
})
