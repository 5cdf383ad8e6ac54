import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, EncodeError } from '../../runtime/src/core/errors.ts'
import { decodeJson, encodeJson, jsonSerializer } from '../../runtime/src/serializers/json.ts'
import { withoutNegativeZero } from './values.ts'

describe('encodeJson', () => {
  test('writes ordinary values as JSON does', () => {
    const value = [[1, 2.5, 'ä"\n'], { k: [true, null, { deep: [] }] }, {}]

    expect(encodeJson(value)).toBe(JSON.stringify(value))
  })

  test.each<[string, unknown, string]>([
    [
      'a Date, to the microsecond',
      new Date('2026-01-02T03:04:05.006Z'),
      '{"__type__":"datetime","__value__":"2026-01-02T03:04:05.006000+00:00"}',
    ],
    ['bytes as base64', Uint8Array.of(0, 255), '{"__type__":"base64","__value__":"AP8="}'],
    ['a Buffer as bytes, not by its toJSON', Buffer.from('hi'), '{"__type__":"base64","__value__":"aGk="}'],
    ['a number beyond 2^53 as a float', [2 ** 53, -1e20], '[9.007199254740992e+15,-1e+20]'],
    ['a BigInt as digits', 12345678901234567890n, '12345678901234567890'],
    [
      'numbers that JSON lacks as Python does',
      [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      '[NaN,Infinity,-Infinity]',
    ],
    ['undefined alone as null', undefined, 'null'],
    ['undefined in an array as null', [1, undefined], '[1,null]'],
    ['undefined in an object not at all', { a: undefined, b: 1 }, '{"b":1}'],
    ['a hole in an array as null', Object.assign([1n], { 2: 2 }), '[1,null,2]'],
    ['an object with toJSON by it', { at: new URL('http://example.org/a') }, '{"at":"http://example.org/a"}'],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1n }), '{"a":1}'],
    ['a plain object of another realm', runInNewContext('({ a: [1, { b: 2 }] })'), '{"a":[1,{"b":2}]}'],
    [
      'a Date of another realm',
      runInNewContext('new Date(0)'),
      '{"__type__":"datetime","__value__":"1970-01-01T00:00:00.000000+00:00"}',
    ],
    ['a key of the name __type__ among others', { __type__: 'x', a: 1 }, '{"__type__":"x","a":1}'],
  ])('writes %s', (_, value, text) => {
    expect(encodeJson(value)).toBe(text)
  })

  test('writes dates for peers of kombu 5.2 as they did, and refuses bytes', () => {
    expect(encodeJson([new Date(1)], 'plain')).toBe('["1970-01-01T00:00:00.001000Z"]')
    expect(() => encodeJson([Uint8Array.of(1)], 'plain')).toThrow(EncodeError)
  })

  class Point {
    x = 1
  }
  const loop: Record<string, unknown> = {}
  loop['again'] = [loop]
  test.each<[string, unknown, string]>([
    ['a function', [{ items: [0, 1, 2, { when: () => 1 }] }], '[0].items[3].when'],
    ['a symbol', [Symbol('s')], '[0]'],
    ['a Map', [{ 'a b': new Map([[1, 2]]) }], '[0]["a b"]'],
    ['a Set', [[new Set()]], '[0][0]'],
    ['a class instance', { point: new Point() }, '.point'],
    ['a Map of another realm', [runInNewContext('new Map()')], '[0]'],
    ['an Error', [new Error('x')], '[0]'],
    ['a Promise', [Promise.resolve(1)], '[0]'],
    ['a typed array that is no bytes', [new Float64Array(1)], '[0]'],
    ['an invalid Date', [new Date(Number.NaN)], '[0]'],
    ['a year that Python has not', [new Date(8.64e15)], '[0]'],
    ['a cycle', loop, '.again[0]'],
    ['what a reader would take for another type', [{ __type__: 'x', __value__: 1 }], '[0]'],
    ['a function alone', () => 1, ''],
  ])('refuses %s and says where it is', (_, value, path) => {
    let thrown: unknown
    try {
      encodeJson(value)
    } catch (error) {
      thrown = error
    }

    expect(thrown).toBeInstanceOf(EncodeError)
    expect(thrown).toMatchObject({ path })
  })

  test('writes the same object twice where it is no cycle', () => {
    const shared = { at: 1n }

    expect(encodeJson([shared, shared])).toBe('[{"at":1},{"at":1}]')
  })

  test('refuses what is nested deeper than Python reads', () => {
    const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))

    expect(encodeJson(nested(900))).toBe('['.repeat(900) + ']'.repeat(900))
    expect(() => encodeJson(nested(901))).toThrow(/nested more than 900 levels/)
  })

  test('refuses what is nested deeper than the stack, and what throws when it is read', () => {
    let deep: unknown = []
    for (let level = 0; level < 100_000; level++) deep = [deep]
    const throwing = {
      get a(): number {
        throw new Error('no')
      },
    }

    expect(() => encodeJson(deep)).toThrow(EncodeError)
    expect(() => encodeJson([throwing])).toThrow(EncodeError)
  })
})

describe('decodeJson', () => {
  test.each<[string, string, unknown]>([
    ['a datetime', '{"__type__":"datetime","__value__":"2026-01-02T03:04:05+02:00"}', new Date('2026-01-02T01:04:05Z')],
    [
      'a naive datetime as UTC',
      '{"__type__":"datetime","__value__":"2026-01-02T03:04:05"}',
      new Date('2026-01-02T03:04:05Z'),
    ],
    ['a date as text', '{"__type__":"date","__value__":"2026-01-02"}', '2026-01-02'],
    ['a time as text', '{"__type__":"time","__value__":"03:04:05"}', '03:04:05'],
    ['a decimal as text', '{"__type__":"decimal","__value__":"1.50"}', '1.50'],
    [
      'a uuid as text',
      '{"__type__":"uuid","__value__":{"hex":"0123456789abcdef0123456789abcdef"}}',
      '01234567-89ab-cdef-0123-456789abcdef',
    ],
    ['bytes', '{"__type__":"bytes","__value__":"ä"}', Uint8Array.of(0xc3, 0xa4)],
    ['base64', '{"__type__":"base64","__value__":"AP8="}', Uint8Array.of(0, 255)],
    [
      'a tag with a third key as an object',
      '{"__type__":"date","__value__":1,"a":2}',
      { __type__: 'date', __value__: 1, a: 2 },
    ],
    ['tags deep inside', '[{"a":[{"__type__":"date","__value__":"2026-01-02"}]}]', [{ a: ['2026-01-02'] }]],
    ['a text that only looks tagged', '["\\"__type__\\""]', ['"__type__"']],
    [
      'integers beyond 2^53',
      '[9007199254740992, -12345678901234567890, 9007199254740991]',
      [9007199254740992n, -12345678901234567890n, 9007199254740991],
    ],
    [
      'long fractions and digits in text',
      '[0.12345678901234567, "12345678901234567890", 1e30]',
      [Number('0.12345678901234567'), '12345678901234567890', 1e30],
    ],
    [
      'a large number with an exponent beside a big integer',
      '[1e30, 12345678901234567890]',
      [1e30, 12345678901234567890n],
    ],
    [
      'bare NaN and infinities',
      '{"a": [NaN, Infinity, -Infinity, 0], "b": "NaN, \\"-Infinity"}',
      { a: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0], b: 'NaN, "-Infinity' },
    ],
    ['NaN beside a big integer', '[NaN, 12345678901234567890]', [Number.NaN, 12345678901234567890n]],
  ])('reads %s', (_, text, value) => {
    expect(decodeJson(text)).toEqual(value)
  })

  test.each([
    ['an unknown tag', '{"__type__":"pathlib","__value__":"/"}'],
    ['a tag of the wrong type', '{"__type__":7,"__value__":"/"}'],
    ['a datetime that is none', '{"__type__":"datetime","__value__":"soon"}'],
    ['a uuid that is none', '{"__type__":"uuid","__value__":{"hex":"12"}}'],
    ['base64 that is none', '{"__type__":"base64","__value__":"*"}'],
    ['bytes that are no text', '{"__type__":"bytes","__value__":[1]}'],
    ['no JSON', '{'],
    ['NaN as a key', '{NaN: 1}'],
    ['an infinity with a tail', '[Infinityx]'],
    ['nothing', ''],
    ['an integer that takes minutes to read', `[${'9'.repeat(5000)}]`],
  ])('throws DecodeError for %s', (_, text) => {
    expect(() => decodeJson(text)).toThrow(DecodeError)
  })

  test('keys named __proto__ stay fields and reach no prototype', () => {
    const value = decodeJson('{"__proto__": {"polluted": {"__type__":"date","__value__":"x"}}}')

    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":"x"}}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('throws nothing but DecodeError, whatever the text', () => {
    const fragments = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'NaN',
      '-Infinity',
      '1',
      '1234567890123456789',
      '"__type__"',
      '"__value__"',
      '"datetime"',
      '"uuid"',
      'null',
    )
    fc.assert(
      fc.property(fc.array(fragments, { maxLength: 12 }), (parts) => {
        try {
          decodeJson(parts.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

test('every value that can be sent comes back as it was', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt().map((big) => (big >= 0n ? big + 2n ** 53n : big - 2n ** 53n)),
      fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true }),
      fc.uint8Array(),
      tie('list'),
      tie('fields'),
    ),
    list: fc.array(tie('any'), { maxLength: 5 }),
    fields: fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('any'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  })).any

  fc.assert(
    fc.property(value, (sent) => {
      expect(decodeJson(encodeJson(sent))).toEqual(withoutNegativeZero(sent))
    }),
    { numRuns: 1000 },
  )
})

test('the ordinary way and the careful way write the same text', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (sent) => {
      const careful = encodeJson([sent, 1n])

      expect(JSON.parse(careful)).toEqual(JSON.parse(encodeJson([sent, 1])))
    }),
  )
})

test('the serializer refuses bytes that are not UTF-8', () => {
  const json = jsonSerializer()

  expect(json.decode(json.encode(['ä😀']))).toEqual(['ä😀'])
  expect(() => json.decode(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(DecodeError)
})
