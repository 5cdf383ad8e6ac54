import { readFileSync } from 'node:fs'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, SettingError } from '../../runtime/src/core/errors.ts'
import { type Compression, CompressionRegistry } from '../../runtime/src/serializers/compression.ts'
import { builtinCompressions } from '../../runtime/src/serializers/compressions.ts'
import { loadOptional } from '../../runtime/src/serializers/load-optional.ts'
import { xzSize } from '../../runtime/src/serializers/xz-size.ts'

const registry = new CompressionRegistry(() => 100_000)
const text = Buffer.from('żółć '.repeat(50))

/** The text as Python's zlib, bz2, brotli, lzma and zstandard compress it, as kombu calls them. */
const byPython: readonly (readonly [name: string, contentType: string, base64: string])[] = [
  ['gzip', 'application/x-gzip', 'eJw7uufw5qNNR9oVjo4yhiYDAAPPGxI='],
  ['bzip2', 'application/x-bz2', 'QlpoOTFBWSZTWXBsWZMAAOCQTEAAEIAIBA4AIABAUqmg/VCGBHEWRZFkXEWRfIsiyL8XckU4UJBwbFmT'],
  ['brotli', 'application/x-brotli', 'G8EB+I2UqblegwwTF2vBw1lewVswcO5tEg=='],
  [
    'lzma',
    'application/x-lzma',
    '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AHBABJdAGKvFGsa6Cy9EJUQJtcGcIYAAAAAAFKEoQVm7CrDAAEuwgMAAADOpJN/scRn+wIAAAAABFla',
  ],
  ['zstd', 'application/zstd', 'KLUv/WDCAIUAAEjFvMOzxYLEhyABALZUyxE='],
]

/** 5,000,000 zeros, as bzip2 packs them. */
const bombs: Readonly<Record<string, Uint8Array>> = {
  bzip2: Buffer.from('QlpoOTFBWSZTWabi8/QAJkvAAsAACAAACCAAMMwFKaapEUbAoijxdyRThQkKbi8/QA==', 'base64'),
  // Made by Python: releases of the library for old Nodes write containers, but do not compress.
  lzma: readFileSync(new URL('fixtures/five-million-zeros.xz', import.meta.url)),
}

describe.each(byPython)('%s', (name, contentType, base64) => {
  test('is read as Python writes it, by name and by type', () => {
    const bytes = Buffer.from(base64, 'base64')

    expect(Buffer.from(registry.decompress(bytes, contentType))).toEqual(text)
    expect(Buffer.from(registry.decompress(bytes, name))).toEqual(text)
  })

  test('throws nothing but DecodeError, whatever the bytes', () => {
    const bytes = Buffer.from(base64, 'base64')
    const damaged = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
      const copy = Buffer.from(bytes)
      copy[at] = (copy[at] ?? 0) ^ bits
      return copy
    })
    const cut = fc.nat(bytes.length - 1).map((length) => bytes.subarray(0, length))

    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), damaged, cut), (given) => {
        try {
          registry.decompress(given, contentType)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('does not grow beyond the limit', () => {
    const bomb = bombs[name] ?? registry.get(name).compress(Buffer.alloc(5_000_000))

    expect(bomb.length).toBeLessThan(6000)
    expect(() => registry.decompress(bomb, contentType)).toThrow(DecodeError)
    expect(() => registry.decompress(bomb, contentType)).toThrow(/beyond 100000 bytes.*maxDecompressedBytes/)
    expect(new CompressionRegistry().decompress(bomb, contentType)).toHaveLength(5_000_000)
  })
})

test.each(byPython.filter(([name]) => name !== 'bzip2'))(
  '%s gives back what it compressed, and says its type',
  (name, contentType) => {
    const compression = registry.get(name)

    expect(compression.contentType).toBe(contentType)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(new Uint8Array(registry.decompress(compression.compress(bytes), contentType))).toEqual(bytes)
      }),
      { numRuns: 50 },
    )
  },
)

test.each([
  ['zlib', 'application/x-gzip'],
  ['bzip', 'application/x-bz2'],
  ['xz', 'application/x-lzma'],
  ['zstandard', 'application/zstd'],
])('%s is a name of %s', (alias, contentType) => {
  expect(registry.get(alias).contentType).toBe(contentType)
})

test('what is framed as gzip is read as well', () => {
  expect(Buffer.from(registry.decompress(gzipSync(text), 'application/x-gzip'))).toEqual(text)
})

test('zstd frames tell their size, which Python needs', () => {
  const told = registry.get('zstd').compress(text)

  // Bits 6 and 7 of the frame header's descriptor are the width of the size, bit 5 a single segment with one byte of it.
  expect((told[4] ?? 0) & 0b1110_0000).not.toBe(0)
  expect(Buffer.from(registry.decompress(zstdCompressSync(text), 'zstd'))).toEqual(text)
})

test('the size of an xz container is that of its chunks, whatever its index says', () => {
  const packed = Buffer.from(registry.get('lzma').compress(Buffer.alloc(300_000)))

  expect(xzSize(packed, Infinity)).toBe(300_000)
  expect(xzSize(Buffer.concat([packed, packed]), Infinity)).toBe(600_000)
  expect(xzSize(packed, 10)).toBeGreaterThan(10)
})

test('a method that nobody knows is named, with the one that was meant', () => {
  expect(() => registry.get('gzpi')).toThrow(/Did you mean 'gzip'/)
  expect(() => registry.get('rar')).toThrow(SettingError)
  expect(() => registry.decompress(text, 'application/x-rar')).toThrow(DecodeError)
  expect(() => registry.decompress(text, 'application/x-rar')).toThrow(/application\/x-rar.*register/)
})

test('bzip2 is read only, and says so', () => {
  expect(() => registry.get('bzip2').compress(text)).toThrow(/cannot|not written/)
})

test('a package that is not installed is named, to who sends and to who receives', () => {
  const bare = new CompressionRegistry(
    () => 0,
    builtinCompressions(() => undefined),
  )

  expect(() => bare.get('lzma').compress(text)).toThrow(SettingError)
  expect(() => bare.get('lzma').compress(text)).toThrow(/npm install @napi-rs\/lzma/)
  expect(() => bare.decompress(text, 'application/x-lzma')).toThrow(DecodeError)
  expect(() => bare.decompress(text, 'application/x-bz2')).toThrow(/npm install seek-bzip/)
  expect(loadOptional('no-such-package-anywhere')).toBeUndefined()
})

describe('a method of your own', () => {
  const backwards: Compression = {
    name: 'backwards',
    aliases: ['back'],
    contentType: 'application/x-backwards',
    compress: (bytes) => bytes.toReversed(),
    decompress: (bytes) => bytes.toReversed(),
  }

  test('is used by name, alias and type', () => {
    const own = new CompressionRegistry().register(backwards)

    expect(own.get('back')).toBe(own.get('backwards'))
    expect(own.decompress(own.get('backwards').compress(text), 'application/x-backwards')).toEqual(new Uint8Array(text))
  })

  test('that minds no limit is held to it', () => {
    const own = new CompressionRegistry(() => 10).register(backwards)

    expect(() => own.decompress(text, 'back')).toThrow(/beyond 10 bytes/)
  })

  test('may take the place of a built-in one', () => {
    const own = new CompressionRegistry().register({ ...backwards, name: 'bzip2', contentType: 'application/x-bz2' })

    expect(own.decompress(own.get('bzip2').compress(text), 'application/x-bz2')).toEqual(new Uint8Array(text))
  })

  test('needs a content type', () => {
    expect(() => new CompressionRegistry().register({ ...backwards, contentType: 'backwards' })).toThrow(SettingError)
  })
})
