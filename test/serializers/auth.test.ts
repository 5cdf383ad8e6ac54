import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, SecurityError, SettingError } from '../../runtime/src/core/errors.ts'
import { type AuthOptions, authSerializer } from '../../runtime/src/serializers/auth.ts'
import type { SignedLayout } from '../../runtime/src/serializers/auth-layout.ts'
import { jsonSerializer } from '../../runtime/src/serializers/json.ts'
import { msgpackSerializer } from '../../runtime/src/serializers/msgpack.ts'
import { yamlSerializer } from '../../runtime/src/serializers/yaml.ts'

const file = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')

const inners = [jsonSerializer(), yamlSerializer(), msgpackSerializer()]

/** Signs as alice and trusts her; the certificates are valid from 2020 to 2090. */
function auth(changes: Partial<AuthOptions> = {}) {
  return authSerializer({
    key: file('alice.key'),
    certificate: file('store/alice.pem'),
    trusted: [{ file: 'alice.pem', pem: file('store/alice.pem') }],
    inner: jsonSerializer(),
    decodeInner: (contentType, _, body) =>
      inners.find((inner) => inner.contentType === contentType)?.decode(body) ?? expect.unreachable(contentType),
    layout: 'separated',
    now: () => Date.parse('2026-06-01'),
    ...changes,
  })
}

const bob = { key: file('bob.key'), certificate: file('store/bob.pem') }
const layouts: SignedLayout[] = ['separated', 'raw']
const value = [[1, 'ż', null], { k: [true] }, {}]

describe.each(layouts)('signing in the layout %s', (layout) => {
  test('gives back what was signed', () => {
    const { encode, decode } = auth({ layout })

    expect(decode(encode(value))).toEqual(value)
  })

  test.each(inners)('signs what $name makes', (inner) => {
    const { encode, decode } = auth({ layout, inner })

    // The bytes of these numbers hold the separator of the layout.
    expect(decode(encode([[1, 0x0001_0001, 256.00001]]))).toEqual([[1, 0x0001_0001, 256.00001]])
  })

  test('a change of any part is refused', () => {
    const { encode, decode } = auth({ layout })
    const whole = Buffer.from(Buffer.from(encode(value)).toString(), 'base64')

    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = Buffer.from(whole)
        changed[at] = (changed[at] ?? 0) ^ bits
        let read: unknown
        try {
          read = decode(Buffer.from(changed.toString('base64')))
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          return
        }
        // Content type and encoding are not signed, in Celery either; a body that another serializer would read is still that body.
        expect(read).toEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  test('a signer who is not in the store is refused by name', () => {
    const forged = auth({ layout, ...bob }).encode(value)

    expect(() => auth().decode(forged)).toThrow(SecurityError)
    if (layout === 'separated') expect(() => auth().decode(forged)).toThrow(/bob żółć 7.*not in the store/)
  })

  test("a signature with another key under a trusted signer's name is refused", () => {
    const trustsBoth = auth({
      trusted: ['store/alice.pem', 'store/bob.pem'].map((name) => ({ file: name, pem: file(name) })),
    })
    const byBob = Buffer.from(Buffer.from(auth({ layout: 'raw', ...bob }).encode(value)).toString(), 'base64')
    const at = byBob.indexOf(Buffer.from([0, 1]))
    const alice = Buffer.from(Buffer.from(auth({ layout: 'raw' }).encode(value)).toString(), 'base64')
    const name = alice.subarray(0, alice.indexOf(Buffer.from([0, 1])))

    const forged = Buffer.concat([name, byBob.subarray(at)]).toString('base64')

    expect(() => trustsBoth.decode(Buffer.from(forged))).toThrow(/does not fit/)
  })
})

test.each(
  JSON.parse(file('signed-by-python.json')) as { from: string; layout: SignedLayout; text: string; value: unknown }[],
)('reads what $from signed', ({ text, value: signed }) => {
  expect(auth().decode(Buffer.from(text))).toEqual(signed)
})

test('a certificate is refused from the moment it expires', () => {
  const signed = auth().encode(value)
  const until = Date.parse('2090-01-01T00:00:00Z')

  expect(auth({ now: () => until - 1 }).decode(signed)).toEqual(value)
  expect(() => auth({ now: () => until }).decode(signed)).toThrow(/has expired/)
  expect(() => auth({ now: () => until }).decode(signed)).toThrow(SecurityError)
})

test('another digest is another signature', () => {
  const signed = auth({ digest: 'sha512' }).encode(value)

  expect(auth({ digest: 'SHA512' }).decode(signed)).toEqual(value)
  expect(() => auth().decode(signed)).toThrow(SecurityError)
})

test('a key with a password is opened with it', () => {
  const key = file('alice-locked.key')

  const signed = auth({ key, keyPassword: 'secret' }).encode(value)

  expect(auth().decode(signed)).toEqual(value)
  expect(() => auth({ key, keyPassword: 'wrong' })).toThrow(/securityKeyPassword/)
})

test.each<[string, Partial<AuthOptions>, RegExp]>([
  ['a key that is none', { key: 'x' }, /securityKey/],
  ['a certificate that is none', { certificate: 'x' }, /securityCertificate/],
  ["somebody else's certificate", { certificate: bob.certificate }, /not the key of/],
  ['a key that is no RSA key', { trusted: [{ file: 'ec.pem', pem: file('ec.pem') }] }, /ec\.pem.*RSA/],
  [
    'one signer twice',
    { trusted: [1, 2].map((n) => ({ file: `${n}.pem`, pem: file('store/bob.pem') })) },
    /2\.pem and 1\.pem/,
  ],
])('%s is a setting that is wrong', (_, changes, reason) => {
  expect(() => auth(changes)).toThrow(SettingError)
  expect(() => auth(changes)).toThrow(reason)
})

test('without a key it reads and cannot sign', () => {
  const reader = auth({ key: undefined })

  expect(reader.decode(auth().encode(value))).toEqual(value)
  expect(() => reader.encode(value)).toThrow(/securityKey/)
})

test('whatever the bytes, it throws nothing but DecodeError', () => {
  const { decode } = auth()
  const separated = fc
    .array(fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.constant(Uint8Array.of(0, 1))), { maxLength: 12 })
    .map((parts) => Buffer.from(Buffer.concat(parts).toString('base64')))

  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), separated), (bytes) => {
      expect(() => decode(bytes)).toThrow(DecodeError)
    }),
    { numRuns: 2000 },
  )
})
