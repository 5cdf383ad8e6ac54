import { describe, expect, test } from 'vitest'
import { argumentText, readArgument, readRest } from '../../extension/src/argument.ts'
import { createMessages, plainWords } from '../../extension/src/messages.ts'
import { allowsUndefined, choicesOf, readType, typeText } from '../../extension/src/parameter-type.ts'
import type { ArgumentValue } from '../../extension/src/sidecar/protocol.ts'

const messages = createMessages(plainWords)
const nowMs = Date.UTC(2026, 0, 31, 12)

/** The argument, or the problem's text. */
function read(text: string, type: string | undefined): ArgumentValue | string {
  const parsed = readArgument(text, readType(type), messages, nowMs)
  return 'value' in parsed ? parsed.value : parsed.problem
}

const json = (value: unknown): ArgumentValue => ({ kind: 'json', value })

describe('an argument that is typed', () => {
  test.each<[string, string | undefined, ArgumentValue]>([
    ['2', 'number', json(2)],
    [' -2.5e3 ', 'number', json(-2500)],
    ['0x10', 'number', json(16)],
    ['1_000', 'number', json(1000)],
    ['a b', 'string', json('a b')],
    ["'a b '", 'string', json('a b ')],
    ['"it\'s"', 'string', json("it's")],
    ["'a' and 'b'", 'string', json("'a' and 'b'")],
    ['', 'string', json('')],
    ['5', 'string', json('5')],
    ['true', 'boolean', json(true)],
    ['12345678901234567890', 'bigint', { kind: 'bigint', digits: '12345678901234567890' }],
    ['-5n', 'bigint', { kind: 'bigint', digits: '-5' }],
    ['2026-01-31', 'Date', { kind: 'date', iso: '2026-01-31T00:00:00.000Z' }],
    ["'2026-01-31T12:00Z'", 'Date', { kind: 'date', iso: '2026-01-31T12:00:00.000Z' }],
    ['now', 'Date', { kind: 'date', iso: '2026-01-31T12:00:00.000Z' }],
    ['now', 'string | Date', { kind: 'date', iso: '2026-01-31T12:00:00.000Z' }],
    ['[1, 2]', 'number[]', json([1, 2])],
    ['1, 2', 'readonly number[]', json([1, 2])],
    ['a, b', 'string[]', json(['a', 'b'])],
    ["['a', 'b']", 'ReadonlyArray<string>', json(['a', 'b'])],
    ['[[1], []]', 'number[][]', json([[1], []])],
    ["['a', 1]", '(string | number)[]', json(['a', 1])],
    ["{ to: 'a@b', subject: 'x' }", 'Mail', json({ to: 'a@b', subject: 'x' })],
    ['5', 'string | number', json(5)],
    ["'5'", 'string | number', json('5')],
    ['null', 'string | null', json(null)],
    ['small', "'small' | 'large'", json('small')],
    ['2', '1 | 2', json(2)],
    ['{ a: 1 }', undefined, json({ a: 1 })],
    ['3', 'number | undefined', json(3)],
  ])('%s for %s', (text, type, expected) => {
    const argument = read(text, type)

    expect(argument).toEqual(expected)
  })

  test.each<[string, string | undefined, RegExp]>([
    ['abc', 'number', /Not a number: 'abc'/],
    ['NaN', 'number', /cannot be sent/],
    ['-Infinity', 'number', /cannot be sent/],
    ['', 'number', /needed/],
    ['yes', 'boolean', /true or false/],
    ['1.5', 'bigint', /whole number/],
    ['tomorrow', 'Date', /Not a date/],
    ['2026-13-45', 'Date', /Not a date/],
    ['12', 'Date', /Not a date/],
    ["[1, 'a']", 'number[]', /\[1\]: expected number, got string/],
    ['[[1], 2]', 'number[][]', /\[1\]: expected number\[\], got number/],
    ['{}', 'string[]', /\[0\]: expected string, got object/],
    ['[NaN]', 'Mail', /cannot be sent/],
    ['{ a: { b: Infinity } }', 'Mail', /cannot be sent/],
    ['hello', 'Mail', /Not JSON: .*quotes/],
    ['medium', "'small' | 'large'", /one of 'small', 'large', got 'medium'/],
    ['abc', 'number | null', /Expected number \| null, got 'abc'/],
    ['{', undefined, /Not JSON/],
  ])('%s for %s is refused', (text, type, problem) => {
    const said = read(text, type)

    expect(said).toMatch(problem)
  })

  test('a rest parameter takes as many as there are', () => {
    expect(readRest('1, 2, 3', readType('number[]'), messages)).toEqual({ values: [json(1), json(2), json(3)] })
    expect(readRest(' ', readType('number[]'), messages)).toEqual({ values: [] })
    expect(readRest('1, a', readType('number[]'), messages)).toHaveProperty('problem')
  })

  test('is written as it would be typed', () => {
    const written = [json({ a: "it's" }), json('x'), json(null)].map(argumentText)

    expect(written).toEqual(['{a:"it\'s"}', "'x'", 'null'])
    expect(argumentText({ kind: 'bigint', digits: '5' })).toBe('5n')
  })
})

describe("a parameter's type", () => {
  test.each<[string, string]>([
    ['number', 'number'],
    ['(number)', 'number'],
    ['Array<Date>', 'Date[]'],
    ['(string | number)[]', '(string | number)[]'],
    ["'a|b' | 'c'", "'a|b' | 'c'"],
    ['{ a: string | number }', 'JSON'],
    ['Map<string, number> | null', 'JSON | null'],
    ['{ a: 1 } | { b: number[] }', 'JSON | JSON'],
    ['(x: number) => string | null', 'JSON'],
    ['[number, string]', 'JSON'],
    ['[number, string][]', 'JSON[]'],
    ['Record<string, number>[]', 'JSON[]'],
    ['constructor', 'JSON'],
    ['', 'JSON'],
  ])('%s is understood as %s', (text, expected) => {
    expect(typeText(readType(text))).toBe(expected)
  })

  test('offers choices where all of it is known', () => {
    expect(choicesOf(readType("'a' | 'b' | null"))).toEqual(['a', 'b', null])
    expect(choicesOf(readType('boolean'))).toEqual([true, false])
    expect(choicesOf(readType("'a' | string"))).toBeUndefined()
  })

  test('says whether it may be left out', () => {
    expect(allowsUndefined('number | undefined')).toBe(true)
    expect(allowsUndefined('{ a: number | undefined }')).toBe(false)
    expect(allowsUndefined(undefined)).toBe(false)
  })
})
