import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, EncodeError } from '../../runtime/src/core/errors.ts'
import { msgpackSerializer } from '../../runtime/src/serializers/msgpack.ts'
import { isWholeMsgpack } from '../../runtime/src/serializers/msgpack-check.ts'
import { anyValue, withoutNegativeZero } from './values.ts'

const msgpack = msgpackSerializer()
const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')
const written = (value: unknown): string => Buffer.from(msgpack.encode(value)).toString('hex')

test('is called as kombu calls it', () => {
  expect(msgpack).toMatchObject({
    name: 'msgpack',
    contentType: 'application/x-msgpack',
    contentEncoding: 'binary',
  })
})

describe('both ways', () => {
  // Bytes as Python's msgpack 1.0 packs them with use_bin_type.
  test.each<[string, unknown, string]>([
    ['a text', 'ä', 'a2c3a4'],
    ['bytes', Uint8Array.of(0, 255), 'c40200ff'],
    ['a small integer', 1, '01'],
    ['an integer of 32 bits', 2 ** 31 - 1, 'ce7fffffff'],
    ['an integer of 33 bits', 2 ** 40, 'cf0000010000000000'],
    ['a negative integer of 41 bits', -(2 ** 40), 'd3ffffff0000000000'],
    ['the largest safe integer', Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
    ['the first unsafe one', 2n ** 53n, 'cf0020000000000000'],
    ['the largest of 64 bits', 2n ** 64n - 1n, 'cfffffffffffffffff'],
    ['a float', 1.5, 'cb3ff8000000000000'],
    ['a number beyond 2^53, a float', 2 ** 53, 'cb4340000000000000'],
    ['NaN', Number.NaN, 'cb7ff8000000000000'],
    ['null', null, 'c0'],
    ['a list', [true, []], '92c390'],
    ['an object', { a: { b: false } }, '81a16181a162c2'],
    ['a Date as a timestamp', new Date(1500), 'd7ff77359400 00000001'.replace(' ', '')],
  ])('%s', (_, value, bytes) => {
    expect(written(value)).toBe(bytes)
    expect(msgpack.decode(hex(bytes))).toEqual(value)
  })
})

test('integers that Python packs in 64 bits are numbers where a number holds them', () => {
  expect(msgpack.decode(hex('cf 0000000000000001'))).toBe(1)
  expect(msgpack.decode(hex('d3 ffffffffffffffff'))).toBe(-1)
})

test('an extension that nobody knows comes out as it came in', () => {
  const extension = hex('92 d4 05 61 01')

  expect(msgpack.encode(msgpack.decode(extension))).toEqual(new Uint8Array(extension))
})

test('bytes are a copy, which does not keep the message in memory', () => {
  const message = hex('c4 01 07')

  const bytes = msgpack.decode(message)
  message[2] = 0

  expect(bytes).toEqual(Uint8Array.of(7))
})

test('keys that are integers become texts', () => {
  expect(msgpack.decode(hex('81 01 02'))).toEqual({ 1: 2 })
})

test.each<[string, unknown, string]>([
  ['an integer of more than 64 bits', [{ n: 2n ** 64n }], '[0].n'],
  ['a function', [() => 1], '[0]'],
  ['a Set', { s: new Set() }, '.s'],
])('%s is refused with its place', (_, value, path) => {
  expect(() => msgpack.encode(value)).toThrow(EncodeError)
  expect(() => msgpack.encode(value)).toThrow(expect.objectContaining({ path }))
})

test.each<[string, string]>([
  ['nothing', ''],
  ['a cut text', 'a5 61'],
  ['a cut length', 'dd 00'],
  ['the byte that is never used', 'c1'],
  ['two values', '01 02'],
  ['a key named __proto__', '81 a9 5f5f70726f746f5f5f 01'],
  ['a text that is not UTF-8, where texts must be', '81 90 01'],
  ['thirty million members in five bytes', 'dd 01c9c380'],
  ['four thousand million pairs in five bytes', 'df ffffffff'],
])('%s is a DecodeError', (_, bytes) => {
  expect(() => msgpack.decode(hex(bytes))).toThrow(DecodeError)
})

test('lists inside lists announce no more than what is there', () => {
  // Each would have room made for it.
  const nested = Buffer.from('dc7fff'.repeat(20_000), 'hex')

  expect(isWholeMsgpack(nested)).toBe(false)
})

test('nesting deeper than the stack is a DecodeError', () => {
  expect(() => msgpack.decode(Buffer.concat([Buffer.alloc(200_000, 0x91), Buffer.of(0xc0)]))).toThrow(DecodeError)
})

test('what can be sent comes back as it was, and its headers add up', () => {
  fc.assert(
    fc.property(anyValue, (sent) => {
      const bytes = msgpack.encode(sent)

      expect(isWholeMsgpack(bytes)).toBe(true)
      expect(isWholeMsgpack(bytes.subarray(0, -1))).toBe(false)
      expect(withoutNegativeZero(msgpack.decode(bytes))).toEqual(withoutNegativeZero(sent))
    }),
    { numRuns: 1000 },
  )
})

test('whatever the bytes, it throws nothing but DecodeError', () => {
  const heads = fc.constantFrom(0x81, 0x91, 0xa1, 0xc1, 0xc4, 0xc7, 0xca, 0xcf, 0xd4, 0xd7, 0xd9, 0xdc, 0xde, 0xff, 0)
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(heads, { maxLength: 12 }).map((all) => Uint8Array.from(all)),
      ),
      (bytes) => {
        try {
          msgpack.decode(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      },
    ),
    { numRuns: 5000 },
  )
})
