import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanInput, cleanOutput } from '../../../tui/src/repl/clean.ts'

describe('output of others', () => {
  test.each([
    ['\u001b[31mred\u001b[0m', '\u001b[31mred\u001b[0m'],
    ['\u001b[2Jcleared', 'cleared'],
    ['\u001b[8mhidden', 'hidden'],
    ['\u001b]0;title\u0007x', 'x'],
    ['\u001b]8;;http://e\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['\u001b]52;c;aGk=\u0007x', 'x'],
    ['\u001bPq#0\u001b\\x', 'x'],
    ['\u009b2Jx', 'x'],
    ['real\rFAKE', 'real\\rFAKE'],
    ['a\r\nb', 'a\nb'],
    ['a\u202eb', 'a\\u202eb'],
    ['a\u200bb', 'a\\u200bb'],
    ['\ud800', '\\ud800'],
    ['👨‍👩‍👧 é 日本', '👨‍👩‍👧 é 日本'],
  ])('%j is shown as %j', (text, expected) => {
    expect(cleanOutput(text)).toBe(expected)
  })

  test('leaves no control character but newline, tab and the escape of a style', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('\u001b', '[', ']', '8', ';', 'm', 'J', '\u0007', '\u009b', '\r', '\u202e', 'a', '\\', 'P'),
    })

    fc.assert(
      fc.property(hostile, (text) => {
        const rest = cleanOutput(text).replaceAll(/\u001b\[[\d;]*m/gu, '')
        expect(rest).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u)
      }),
    )
  })
})

test('what is pasted has spaces for tabs, one kind of newline and no control characters', () => {
  expect(cleanInput('a\tb\r\nc\rd\u001b[31me\u0000')).toBe('a  b\nc\nd[31me')
})
