import { deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ContentRefusedError, DecodeError, SettingError } from '../../runtime/src/core/errors.ts'
import { type Serializer, SerializerRegistry } from '../../runtime/src/serializers/serializer.ts'

const json = { contentType: 'application/json', contentEncoding: 'utf-8' }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('SerializerRegistry', () => {
  test('gives a serializer by its name', () => {
    const registry = new SerializerRegistry(['json'])

    expect(registry.get('json').contentType).toBe('application/json')
  })

  test('suggests the name that was meant', () => {
    expect(() => new SerializerRegistry(['json']).get('jsno')).toThrow(/Did you mean 'json'/)
    expect(() => new SerializerRegistry(['jsom']).check()).toThrow(SettingError)
    expect(() => new SerializerRegistry(['jsom']).check()).toThrow(/Did you mean 'json'/)
  })

  test('refuses pickle by name and says why', () => {
    expect(() => new SerializerRegistry(['json']).get('pickle')).toThrow(/runs code/)
    expect(() => new SerializerRegistry(['pickle'])).toThrow(SettingError)
    expect(() => new SerializerRegistry(['application/x-python-serialize'])).toThrow(SettingError)
  })

  test.each(['json', 'application/json'])('decodes what is accepted as %s', (accepted) => {
    const registry = new SerializerRegistry([accepted])

    expect(registry.decode({ ...json, body: bytes('[1]') })).toEqual([1])
    expect(registry.decode({ ...json, contentType: 'Application/JSON; charset=utf-8', body: bytes('[1]') })).toEqual([
      1,
    ])
  })

  test('refuses a content type that is not accepted', () => {
    const registry = new SerializerRegistry([])

    expect(() => registry.decode({ ...json, body: bytes('[1]') })).toThrow(ContentRefusedError)
  })

  test('refuses pickled bytes with the reason, and never looks at them', () => {
    const registry = new SerializerRegistry(['json'])
    const pickled = { contentType: 'application/x-python-serialize', contentEncoding: 'binary', body: bytes('[1]') }

    expect(() => registry.decode(pickled)).toThrow(/runs code/)
    expect(() => registry.decode(pickled)).toThrow(ContentRefusedError)
  })

  test('says so when a type is accepted that nothing here can read', () => {
    const registry = new SerializerRegistry(['json', 'application/x-soap'])

    expect(() =>
      registry.decode({ contentType: 'application/x-soap', contentEncoding: 'utf-8', body: bytes('a') }),
    ).toThrow(/no serializer/)
  })

  test('a message without a content type is refused', () => {
    const registry = new SerializerRegistry(['json'])

    expect(() => registry.decode({ body: bytes('[1]'), contentType: '', contentEncoding: '' })).toThrow(
      ContentRefusedError,
    )
  })

  test('throws DecodeError for bytes that are not what they say', () => {
    const registry = new SerializerRegistry(['json'])

    expect(() => registry.decode({ ...json, body: bytes('{') })).toThrow(DecodeError)
    expect(() => registry.decode({ ...json, body: Uint8Array.of(0x80) })).toThrow(DecodeError)
  })

  test('reads text in the encoding that the message names', () => {
    const registry = new SerializerRegistry(['json'])
    const latin1 = { ...json, contentEncoding: 'iso-8859-1', body: Uint8Array.of(0x22, 0xe4, 0x22) }

    expect(registry.decode(latin1)).toBe('ä')
    expect(() => registry.decode({ ...latin1, contentEncoding: 'klingon' })).toThrow(DecodeError)
  })

  test.each([
    ['yaml', 'application/x-yaml', '- 1\n'],
    ['msgpack', 'application/x-msgpack', '\u0001'],
  ])('%s is decoded only where it is accepted', (name, contentType, text) => {
    const raw = { contentType, contentEncoding: 'binary', body: bytes(text) }

    expect(new SerializerRegistry([name]).decode(raw)).toEqual(name === 'yaml' ? [1] : 1)
    expect(new SerializerRegistry([contentType]).decode(raw)).toEqual(name === 'yaml' ? [1] : 1)
    expect(() => new SerializerRegistry(['json']).decode(raw)).toThrow(ContentRefusedError)
  })

  test('decompresses before it decodes, and refuses before it decompresses', () => {
    const registry = new SerializerRegistry(['json'])
    const body = deflateSync(bytes('[1]'))

    expect(registry.decode({ ...json, body }, 'application/x-gzip')).toEqual([1])
    expect(() => registry.decode({ ...json, body: bytes('[1]') }, 'application/x-gzip')).toThrow(DecodeError)
    expect(() => registry.decode({ ...json, contentType: 'application/x-yaml', body }, 'application/x-rar')).toThrow(
      ContentRefusedError,
    )
  })

  test('one that is registered later is used once it is accepted', () => {
    const upper: Serializer = {
      name: 'upper',
      contentType: 'application/x-upper',
      contentEncoding: 'utf-8',
      encode: (value) => bytes(JSON.stringify(value).toUpperCase()),
      decode: (text) => JSON.parse(Buffer.from(text).toString().toLowerCase()) as unknown,
    }
    const registry = new SerializerRegistry(['upper'])
    expect(() => registry.check()).toThrow(/'upper' does not exist.*register/)

    registry.register(upper)

    const body = registry.get('upper').encode({ a: 'x' })
    expect(registry.decode({ contentType: 'application/x-upper', contentEncoding: 'utf-8', body })).toEqual({ a: 'x' })
  })

  test('pickle cannot be registered, under whatever name', () => {
    const pickle = { ...new SerializerRegistry([]).get('json'), contentType: 'application/x-python-serialize' }

    expect(() => new SerializerRegistry([]).register(pickle)).toThrow(/runs code/)
  })

  test('an error of a serializer of the user becomes a DecodeError with its cause', () => {
    const cause = new TypeError('no')
    const broken: Serializer = {
      name: 'broken',
      contentType: 'application/x-broken',
      contentEncoding: 'binary',
      encode: () => new Uint8Array(),
      decode: () => {
        throw cause
      },
    }
    const registry = new SerializerRegistry(['broken'], [broken])

    expect(() =>
      registry.decode({ contentType: 'application/x-broken', contentEncoding: 'binary', body: bytes('') }),
    ).toThrow(expect.objectContaining({ code: 'TQ_DECODE', cause }))
  })
})
