import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, EncodeError } from '../../runtime/src/core/errors.ts'
import { argsRepr, isoTime, kwargsRepr, parseIso, pythonRepr } from '../../runtime/src/wire/python-text.ts'

describe('pythonRepr', () => {
  const loop: unknown[] = [1]
  loop.push(loop)
  test.each<[unknown, string]>([
    [1, '1'],
    [-1.5, '-1.5'],
    [Number.NaN, 'nan'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [12345678901234567890n, '12345678901234567890'],
    [true, 'True'],
    [false, 'False'],
    [null, 'None'],
    [undefined, 'None'],
    ['plain', "'plain'"],
    ["it's", '"it\'s"'],
    ['"it\'s"', "'\"it\\'s\"'"],
    ['a\\b\n\r\t\0\x7f', "'a\\\\b\\n\\r\\t\\x00\\x7f'"],
    ['håå®ƒ 😀', "'håå®ƒ 😀'"],
    ['\u200b\u2028\ud800', "'\\u200b\\u2028\\ud800'"],
    ['a\u00a0b c', "'a\\xa0b c'"],
    [[1, [2, {}], []], '[1, [2, {}], []]'],
    [{ a: { 'b c': null } }, "{'a': {'b c': None}}"],
    [Uint8Array.of(0x61, 0x27, 0xff), "b'a\\x27\\xff'"],
    [new Date(0), "'1970-01-01T00:00:00.000000+00:00'"],
    [new Date(Number.NaN), '<invalid date>'],
    [new Map(), '<Map>'],
    [function named() {}, '<function named>'],
    [Symbol('s'), '<Symbol(s)>'],
    [loop, '[1, [...]]'],
  ])('writes %o as Python does', (value, text) => {
    expect(pythonRepr(value)).toBe(text)
  })

  test('cuts long texts to the length, with dots at the end', () => {
    expect(pythonRepr('x'.repeat(100), 10)).toBe("'xxxxxx...")
    expect(pythonRepr(Array.from({ length: 1000 }, (_, index) => index))).toHaveLength(1024)
    expect(pythonRepr('x'.repeat(8), 10)).toBe("'xxxxxxxx'")
    expect(pythonRepr([1, 2], 2)).toBe('..')
  })

  test('stops early in values that are large or deep', () => {
    let deep: unknown = []
    for (let level = 0; level < 100_000; level++) deep = [deep]

    expect(pythonRepr(deep)).toMatch(/^\[{1021}\.{3}$/)
  })

  test('never throws, not even for objects that do', () => {
    const throwing = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no')
        },
      },
    )

    expect(pythonRepr([1, throwing])).toBe('[1, {<unprintable>')
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        fc.nat(40),
        (value, max) => {
          expect(pythonRepr(value, max).length).toBeLessThanOrEqual(max)
        },
      ),
    )
  })
})

test('arguments are a tuple, with a comma when there is one', () => {
  expect(argsRepr([])).toBe('()')
  expect(argsRepr([1])).toBe('(1,)')
  expect(argsRepr([1, -2])).toBe('(1, -2)')
  expect(argsRepr([1.5, 'b'])).toBe("(1.5, 'b')")
  expect(argsRepr(['x'.repeat(2000)])).toHaveLength(1024)
})

test('keyword arguments are a dict', () => {
  expect(kwargsRepr({})).toBe('{}')
  expect(kwargsRepr({ k: [true] })).toBe("{'k': [True]}")
})

describe('times', () => {
  test('always have six digits and an offset', () => {
    expect(isoTime(0)).toBe('1970-01-01T00:00:00.000000+00:00')
    expect(isoTime(Date.UTC(2026, 0, 2, 3, 4, 5, 6))).toBe('2026-01-02T03:04:05.006000+00:00')
    expect(isoTime(1.2345)).toBe('1970-01-01T00:00:00.001234+00:00')
    expect(isoTime(-0.001)).toBe('1969-12-31T23:59:59.999999+00:00')
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 8.64e15, -8.64e15])('%d is no time', (epochMs) => {
    expect(() => isoTime(epochMs)).toThrow(EncodeError)
  })

  test.each<[string, number]>([
    ['1970-01-01T00:00:01Z', 1000],
    ['1970-01-01T00:00:01', 1000],
    ['1970-01-01 00:00:01+00:00', 1000],
    ['1970-01-01T05:30:00+05:30', 0],
    ['1970-01-01T05:30:00+0530', 0],
    ['1969-12-31T19:00:00-05', 0],
    ['1970-01-01T00:00:00.123Z', 123],
    ['1970-01-01T00:00:00.5', 500],
    ['1970-01-01T00:00:00.123456Z', 123.456],
    ['1970-01-01T00:00:00.123456789Z', 123.456],
    ['1970-01-01T00:00Z', 0],
    ['1970-01-02', 86_400_000],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ])('%s is read', (text, epochMs) => {
    expect(parseIso(text)).toBe(epochMs)
  })

  test.each([
    '',
    'now',
    '2026-13-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:00+99:00',
    '20260101',
    '2026-01-01T00:00:00Z\n2',
  ])('%j is no time', (text) => {
    expect(() => parseIso(text)).toThrow(DecodeError)
  })

  test('every microsecond comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_102_444_800 }),
        fc.integer({ min: 0, max: 999_999 }),
        (seconds, micros) => {
          const text = `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, '0')}+00:00`

          expect(isoTime(parseIso(text))).toBe(text)
        },
      ),
      { numRuns: 1000 },
    )
  })
})
