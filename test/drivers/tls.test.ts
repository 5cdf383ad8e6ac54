import { describe, expect, test } from 'vitest'
import { SettingError } from '../../runtime/src/core/errors.ts'
import { tlsOfQuery, tlsSocketOptions, tlsWish, withWish } from '../../runtime/src/drivers/tls.ts'

const wish = (given: object): unknown => tlsWish(given, 'brokerUseSsl')

describe('what brokerUseSsl says', () => {
  const wanted = { caFile: 'a', certFile: 'c', keyFile: 'k', certRequired: true }

  test.each([
    ['ours', { ca: 'a', cert: 'c', key: 'k', rejectUnauthorized: true }],
    ["Celery's for RabbitMQ", { ca_certs: 'a', certfile: 'c', keyfile: 'k', cert_reqs: 2 }],
    ["Celery's for Redis", { ssl_ca_certs: 'a', ssl_certfile: 'c', ssl_keyfile: 'k', ssl_cert_reqs: 'CERT_REQUIRED' }],
    ["Celery's in camelCase", { sslCaCerts: 'a', sslCertfile: 'c', keyfile: 'k', certReqs: 'required' }],
  ])('%s names mean the same', (_, given) => {
    expect(wish(given)).toEqual(wanted)
  })

  test.each([0, 1, 'none', 'CERT_OPTIONAL', 'ssl.CERT_NONE'])('%o asks for no trusted certificate', (mode) => {
    expect(wish({ cert_reqs: mode })).toEqual({ certRequired: false })
  })

  test.each([
    [{ caFile: 'a' }, /no option 'caFile'/],
    [{ ssl_ca_cert: 'a' }, /Did you mean 'cacerts'/],
    [{ ca: 1 }, /brokerUseSsl\.ca to be a text/],
    [{ cert_reqs: 'maybe' }, /'none', 'optional' or 'required'/],
    [{ rejectUnauthorized: 'false' }, /true or false/],
  ])('%o is refused', (given, said) => {
    expect(() => wish(given)).toThrow(SettingError)
    expect(() => wish(given)).toThrow(said)
  })
})

test('a key that is no text is not shown', () => {
  const given = { key: Buffer.from('-----BEGIN PRIVATE KEY-----') }

  expect(() => wish(given)).toThrow('expected brokerUseSsl.key to be a text, got bytes')
})

test('a file that cannot be read is named, unless it may be a key', () => {
  const read = (keyFile: string) => () => tlsSocketOptions(withWish(undefined, { keyFile }), 'shop', 'Redis')

  expect(read('/nowhere/key.pem')).toThrow(/the key for TLS to Redis .* got \/nowhere\/key\.pem$/)
  expect(read('TUlJRXZR'.repeat(100))).toThrow(/got a text of 800 characters$/)
  expect(read('secret\nlines')).toThrow(/got a text of 12 characters$/)
})

test('a mode in the URL that nobody knows is the strict one', () => {
  expect(tlsOfQuery(new URLSearchParams('ssl_cert_reqs=maybe')).certRequired).toBe(true)
})

test('settings win over the URL, and what they leave open is as the URL says', () => {
  const url = tlsOfQuery(new URLSearchParams('ssl_ca_certs=url.pem&ssl_cert_reqs=none'))

  expect(withWish(url, { caFile: 'mine.pem' })).toMatchObject({ caFile: 'mine.pem', certRequired: false })
})

test('an address is not asked for as a name', () => {
  const tls = withWish(undefined, {})

  expect(tlsSocketOptions(tls, '127.0.0.1', 'RabbitMQ')).not.toHaveProperty('servername')
  expect(tlsSocketOptions(tls, 'shop', 'RabbitMQ')).toMatchObject({ servername: 'shop', rejectUnauthorized: true })
})
