import { describe, expect, test } from 'vitest'
import { SettingError } from '../../runtime/src/core/errors.ts'
import { parseAmqpUrls } from '../../runtime/src/drivers/amqp-url.ts'

describe('a RabbitMQ URL', () => {
  test.each([
    ['amqp://', { host: 'localhost', port: 5672, vhost: '/', username: 'guest', password: 'guest' }],
    ['amqp://h', { host: 'h', port: 5672, vhost: '/' }],
    ['amqp://h/', { vhost: '/' }],
    ['amqp://h//', { vhost: '/' }],
    ['amqp://h/%2F', { vhost: '/' }],
    ['amqp://h/shop', { vhost: 'shop' }],
    ['amqp://h//shop', { vhost: '/shop' }],
    ['amqp://h/a%2Fb', { vhost: 'a/b' }],
    ['pyamqp://u:p%40ss%2Fword@h:1234//', { username: 'u', password: 'p@ss/word', port: 1234, vhost: '/' }],
    ['amqp://u@h', { username: 'u', password: '' }],
    ['amqp://[::1]:5673//', { host: '::1', port: 5673 }],
    ['amqp://h//?heartbeat=30', { vhost: '/', heartbeatSeconds: 30 }],
  ])('%s', (url, expected) => {
    expect(parseAmqpUrls(url)).toEqual([expect.objectContaining({ tls: undefined, ...expected })])
  })

  test('amqps has its own port and takes the files of its certificates', () => {
    const [address] = parseAmqpUrls('amqps://h//?ssl_ca_certs=/ca.pem&ssl_cert_reqs=CERT_NONE&ssl_certfile=/c.pem')

    expect(address).toMatchObject({ port: 5671, vhost: '/' })
    expect(address?.tls).toEqual({
      certRequired: false,
      caFile: '/ca.pem',
      certFile: '/c.pem',
      keyFile: undefined,
    })
  })

  test('several are separated by ;, and a bare host shares what stands before it', () => {
    const addresses = parseAmqpUrls('amqp://u:p@a:1/shop;b:2;amqp://c')

    expect(addresses.map(({ host, port, username, vhost }) => [host, port, username, vhost])).toEqual([
      ['a', 1, 'u', 'shop'],
      ['b', 2, 'u', 'shop'],
      ['c', 5672, 'guest', '/'],
    ])
  })

  test('no password is shown', () => {
    expect(parseAmqpUrls('amqp://u:secret@h//')[0]?.masked).not.toContain('secret')
    expect(() => parseAmqpUrls('http://u:secret@h//')).toThrow(SettingError)
    expect(() => parseAmqpUrls('http://u:secret@h//')).not.toThrow(/secret/)
    expect(() => parseAmqpUrls('amqp://u:se%zz@h//')).toThrow(/%25/)
  })
})
