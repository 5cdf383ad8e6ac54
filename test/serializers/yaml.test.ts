import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, EncodeError } from '../../runtime/src/core/errors.ts'
import { yamlSerializer } from '../../runtime/src/serializers/yaml.ts'
import { anyValue, withoutNegativeZero } from './values.ts'

const yaml = yamlSerializer()
const read = (text: string): unknown => yaml.decode(Buffer.from(text))
const written = (value: unknown): string => Buffer.from(yaml.encode(value)).toString()

test('is called as kombu calls it', () => {
  expect(yaml).toMatchObject({ name: 'yaml', contentType: 'application/x-yaml', contentEncoding: 'utf-8' })
})

describe('reading', () => {
  // Each as PyYAML 6.0 reads it with safe_load.
  test.each<[string, unknown]>([
    ['yes', true],
    ['Off', false],
    ['y', 'y'],
    ['~', null],
    ['', null],
    ['12', 12],
    ['012', 10],
    ['09', '09'],
    ['0x1f', 31],
    ['1_000', 1000],
    ['1:30', 90],
    ['0:30', '0:30'],
    ['1e5', '1e5'],
    ['1.0e5', '1.0e5'],
    ['1.0e+5', 100_000],
    ['.5', 0.5],
    ['-.5', '-.5'],
    ['.', '.'],
    ['-.inf', Number.NEGATIVE_INFINITY],
    ['.nan', Number.NaN],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['2020-01-02', new Date('2020-01-02T00:00:00Z')],
    ['2020-01-02 03:04:05.678000', new Date('2020-01-02T03:04:05.678Z')],
    ['2020-01-02 03:04:05+02:00', new Date('2020-01-02T01:04:05Z')],
    ['2020-1-2 3:4:5', '2020-1-2 3:4:5'],
    ['!!binary AP8=', Uint8Array.of(0, 255)],
    ['!!set {a: null, b: null}', ['a', 'b']],
    ['{a: 1, a: 2}', { a: 2 }],
    ['{1: a, true: b}', { 1: 'a', true: 'b' }],
    ['{a: &x {n: 1}, b: *x, c: {<<: *x, m: 2}}', { a: { n: 1 }, b: { n: 1 }, c: { n: 1, m: 2 } }],
    ['- [1, 2]\n- {}\n- {callbacks: null}\n', [[1, 2], {}, { callbacks: null }]],
  ])('%s', (text, value) => {
    expect(read(text)).toEqual(value)
  })

  test.each([
    ['no YAML', '{'],
    ['a Python object', '!!python/object/apply:os.system ["true"]'],
    ['a tag that nobody knows', '!mine 1'],
    ['two documents', '1\n---\n2'],
    ['an alias of nothing', '*a'],
    [
      'aliases that grow without end',
      `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]\n`).join('')}`,
    ],
    ['nesting deeper than the stack', '['.repeat(50_000)],
  ])('%s is a DecodeError', (_, text) => {
    expect(() => read(text)).toThrow(DecodeError)
  })

  test('bytes that are not UTF-8 are a DecodeError', () => {
    expect(() => yaml.decode(Uint8Array.of(0xff))).toThrow(DecodeError)
  })

  test('keys named __proto__ stay fields and reach no prototype', () => {
    const value = read('{__proto__: {polluted: 1}}')

    expect(Object.keys(value as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('writing', () => {
  test('numbers are written so that PyYAML reads numbers', () => {
    expect(written([1e300, 2 ** 53, 1e-7, 1.5, 10n ** 20n, Number.NaN, Number.NEGATIVE_INFINITY])).toBe(
      '- 1.0e+300\n- 9.007199254740992e+15\n- 1.0e-7\n- 1.5\n- 100000000000000000000\n- .nan\n- -.inf\n',
    )
  })

  test('texts are quoted, whatever they look like', () => {
    expect(written({ '<<': 'yes', a: '=', 'b\u2028': '\u0085' })).toBe('"<<": "yes"\n"a": "="\n"b\\u2028": "\\u0085"\n')
  })

  test.each<[string, unknown, string]>([
    ['a function', [{ when: () => 1 }], '[0].when'],
    ['a Map', [{ 'a b': new Map() }], '[0]["a b"]'],
    ['a class instance', new (class Point {})(), ''],
    ['an invalid Date', [new Date(Number.NaN)], '[0]'],
  ])('%s is refused with its place', (_, value, path) => {
    expect(() => yaml.encode(value)).toThrow(EncodeError)
    expect(() => yaml.encode(value)).toThrow(expect.objectContaining({ path }))
  })
})

test('what can be sent comes back as it was', () => {
  fc.assert(
    fc.property(anyValue, (sent) => {
      expect(yaml.decode(yaml.encode(sent))).toEqual(withoutNegativeZero(sent))
    }),
    { numRuns: 300 },
  )
})

test('whatever the bytes, it throws nothing but DecodeError', () => {
  const fragments = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '- ',
    '"',
    "'",
    '|',
    '>',
    '&a ',
    '*a',
    '!!',
    '!<x> ',
    '?',
    '\n',
    '  ',
    '%YAML',
    '---',
    '<<',
    '1',
    '\t',
    '#',
    '!!set',
    '!!omap',
    '!!binary ',
    'a',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.array(fragments, { maxLength: 15 }).map((parts) => Buffer.from(parts.join(''))),
      ),
      (bytes) => {
        try {
          yaml.decode(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      },
    ),
    { numRuns: 2000 },
  )
})
