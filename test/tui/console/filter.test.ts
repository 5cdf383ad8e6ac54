import { describe, expect, test } from 'vitest'
import { matches, parseFilter, type Searchable } from '../../../tui/src/filter.ts'

const now = 1_000_000_000
const row: Searchable = {
  fields: { state: 'FAILURE', name: 'mail.send', id: 'abc-123', queue: 'mail', error: 'Error: SMTP 421' },
  text: ['mail.send', 'abc-123', 'Error: SMTP 421'],
  atMs: now - 60_000,
}

describe('a filter', () => {
  test.each([
    ['', true],
    ['smtp', true],
    ['MAIL 421', true],
    ['mail nothing', false],
    ['state:FAILURE', true],
    ['state:fail', true],
    ['state:SUCCESS', false],
    ['state:ailure', false],
    ['name:mail.*', true],
    ['name:*.send', true],
    ['name:m*l.*d', true],
    ['name:mail', true],
    ['name:*.sen', false],
    ['-state:FAILURE', false],
    ['-name:img.*', true],
    ['error:"SMTP 421"', true],
    ['worker:w1', false],
    ['age:<5m', true],
    ['age:<30s', false],
    ['age:>30', true],
    ['state:', true],
    ['unknown:word', false],
  ])('%j', (text, expected) => {
    expect(matches(parseFilter(text), row, now)).toBe(expected)
  })

  test('a pattern of many stars takes no time', () => {
    const long: Searchable = { fields: { name: 'a'.repeat(5000) }, text: [] }

    expect(matches(parseFilter(`name:${'a*'.repeat(500)}b`), long, now)).toBe(false)
  })
})
