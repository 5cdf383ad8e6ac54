import { describe, expect, test } from 'vitest'
import { inlineText, lensText } from '../../extension/src/inline-text.ts'
import { createMessages, plainWords } from '../../extension/src/messages.ts'
import type { TaskResult } from '../../extension/src/results.ts'
import { ageText, durationText, oneLine } from '../../extension/src/text.ts'

const messages = createMessages(plainWords)

function textOf(result: Partial<TaskResult>, nowMs = 0): string {
  const base = { folder: '/w', task: 'math.add', target: undefined, state: 'SUCCESS', text: '', atMs: 0 }
  return inlineText({ ...base, ...result }, messages, nowMs).text
}

describe('the text at the end of a line', () => {
  test.each<[Partial<TaskResult>, string]>([
    [{ text: '4', runtimeMs: 3.4 }, '=> 4  ✓ 3 ms'],
    [{ text: '4' }, '=> 4  ✓'],
    [{ state: 'FAILURE', text: 'TypeError: no', runtimeMs: 1234 }, '✗ FAIL TypeError: no  1.2 s'],
    [{ state: 'RETRY', text: 'Error: odd input', retries: 1 }, '↻ RETRY 2: Error: odd input'],
    [{ state: 'REVOKED', text: 'terminated' }, '⊘ REVOKED terminated'],
    [{ state: 'STARTING' }, '… starting'],
    [{ state: 'PENDING', notice: "no worker consumes queue 'mail'" }, "… waiting · no worker consumes queue 'mail'"],
    [{ state: 'STARTED' }, '… running'],
    [{ state: 'PROGRESS', text: '{ done: 2, total: 4 }' }, '… PROGRESS { done: 2, total: 4 }'],
    [{ state: 'ERROR', text: 'not sent' }, '✗ ERROR not sent'],
  ])('%o', (result, expected) => {
    expect(textOf(result)).toBe(expected)
  })

  test('tells the age of what has ended from the first minute on', () => {
    expect(textOf({ text: '4' }, 59_999)).toBe('=> 4  ✓')
    expect(textOf({ text: '4' }, 125_000)).toBe('=> 4  ✓ · 2 min ago')
    expect(textOf({ state: 'STARTED' }, 125_000)).toBe('… running')
  })

  test('a long value is cut at 60 characters', () => {
    const shown = textOf({ text: 'x'.repeat(200) })

    expect(shown).toBe(`=> ${'x'.repeat(59)}…  ✓`)
  })

  test('a failure is not told by its colour alone', () => {
    const { text, tone } = inlineText(
      { folder: '/w', task: 'a', target: undefined, state: 'FAILURE', text: 'Error', atMs: 0 },
      messages,
      0,
    )

    expect(tone).toBe('bad')
    expect(text).toContain('✗ FAIL')
  })
})

describe('the text of a lens', () => {
  test.each<[Partial<TaskResult>, string]>([
    [{ state: 'FAILURE', text: 'Error: odd input', runtimeMs: 3 }, '✗ FAIL Error: odd input · 3 ms'],
    [{ state: 'FAILURE', text: 'Error: odd input' }, '✗ FAIL Error: odd input'],
    [{ text: '4', runtimeMs: 3.4 }, '=> 4  ✓ 3 ms'],
    [{ text: "'$(bug) $(sync~spin) $(no icon)'" }, "=> '\\$(bug) \\$(sync~spin) $(no icon)'  ✓"],
  ])('%o', (result, expected) => {
    const base = { folder: '/w', task: 'math.add', target: undefined, state: 'SUCCESS', text: '', atMs: 0 }

    expect(lensText({ ...base, ...result }, messages)).toBe(expected)
  })
})

describe('text of others in one line', () => {
  test.each<[string, string]>([
    ['a\r\nb\tc', 'a b c'],
    ['\u001b[2J\u0007', '\\u001b[2J\\u0007'],
    ['abc\u202edcba', 'abc\\u202edcba'],
    ['a\u200bb\ufeffc', 'a\\u200bb\\ufeffc'],
    ['\ud800', '\\ud800'],
    ['世界 👩‍👩‍👧', '世界 👩‍👩‍👧'],
  ])('%j becomes %j', (text, expected) => {
    expect(oneLine(text, 60)).toBe(expected)
  })

  test('is counted and cut as a reader sees it', () => {
    const family = '👩‍👩‍👧'

    expect(oneLine(family.repeat(3), 3)).toBe(family.repeat(3))
    expect(oneLine(family.repeat(4), 3)).toBe(`${family.repeat(2)}…`)
  })

  test('a text of ten megabytes costs nothing', () => {
    expect(oneLine('x'.repeat(10_000_000), 5)).toBe('xxxx…')
  })
})

test('times are short', () => {
  expect([0.4, 3.4, 999, 1500, 12_345, 125_000].map(durationText)).toEqual([
    '<1 ms',
    '3 ms',
    '999 ms',
    '1.5 s',
    '12 s',
    '2 min',
  ])
  expect([3000, 34_000, 90_000, 7_200_000, 200_000_000].map(ageText)).toEqual(['0 s', '30 s', '1 min', '2 h', '2 d'])
})
