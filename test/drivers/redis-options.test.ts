import { expect, test } from 'vitest'
import { SettingError } from '../../runtime/src/core/errors.ts'
import { resolveSettings } from '../../runtime/src/core/resolve-settings.ts'
import type { SettingsInput } from '../../runtime/src/core/settings.ts'
import { assertOneSlot, redisSettings, type RedisSettings } from '../../runtime/src/drivers/redis-options.ts'

function read(input: SettingsInput, role: 'broker' | 'backend' = 'broker', url = 'redis://h'): RedisSettings {
  return redisSettings(url, role, resolveSettings(input))
}

test('by default a connection that went deaf is noticed within 30 seconds', () => {
  const { healthCheckMs = Infinity, answerTimeoutMs = Infinity } = read({}).connection

  expect(healthCheckMs + answerTimeoutMs).toBeLessThan(30_000)
})

test('the broker has its own settings, the result backend those that Celery gives it', () => {
  const input: SettingsInput = {
    brokerConnectionTimeout: 7,
    redisSocketConnectTimeout: 3,
    redisSocketTimeout: 11,
    redisSocketKeepalive: false,
    redisBackendHealthCheckInterval: 5,
    brokerFailoverStrategy: 'shuffle',
    brokerTransportOptions: { socketTimeout: 2, healthCheckInterval: 1 },
  }

  expect(read(input)).toMatchObject({
    connectTimeoutMs: 7000,
    connection: { answerTimeoutMs: 2000, healthCheckMs: 1000, keepAliveSeconds: 0, failover: 'shuffle' },
  })
  expect(read(input, 'backend')).toMatchObject({
    connectTimeoutMs: 3000,
    connection: { answerTimeoutMs: 11_000, healthCheckMs: 5000 },
  })
})

test.each([
  [false, undefined],
  [true, {}],
  [{ ca: 'ca.pem' }, { caFile: 'ca.pem' }],
  [
    { sslCaCerts: 'a', sslCertfile: 'c', sslKeyfile: 'k', sslCertReqs: 'CERT_NONE' },
    { caFile: 'a', certFile: 'c', keyFile: 'k', certRequired: false },
  ],
  [
    { rejectUnauthorized: false, servername: 'shop' },
    { certRequired: false, serverName: 'shop' },
  ],
])('brokerUseSsl: %o', (brokerUseSsl, tls) => {
  expect(read({ brokerUseSsl }).connection.tls).toEqual(tls)
  expect(read({ redisBackendUseSsl: brokerUseSsl }, 'backend').connection.tls).toEqual(tls)
  expect(read({ brokerUseSsl }, 'backend').connection.tls).toBeUndefined()
})

test("options in Celery's spelling mean the same, and those of other brokers are left alone", () => {
  const brokerTransportOptions = { visibility_timeout: 5, master_name: 'shop', retry_on_timeout: true, syncMs: 3 }

  const { options, connection } = read({ brokerTransportOptions })

  expect(options).toEqual({ visibilityTimeout: 5, masterName: 'shop', globalKeyprefix: undefined })
  expect(connection.masterName).toBe('shop')
})

test('an option that is nearly one is told', () => {
  const read1 = (): unknown => read({ brokerTransportOptions: { visibilityTimeOut: 5 } as object })

  expect(read1).toThrow(SettingError)
  expect(read1).toThrow(/'visibilityTimeOut'.*'visibilityTimeout'/)
})

test('a cluster has a hash tag before its keys, its own or the default', () => {
  const url = 'redis+cluster://h'

  expect(read({}, 'broker', url).options.globalKeyprefix).toBe('{celery}:')
  expect(read({}, 'backend', url).connection.clusterKey).toBe('{celery}:')
  const shop: SettingsInput = { brokerTransportOptions: { globalKeyprefix: 'a{shop}.' } }
  expect(read(shop, 'broker', url).connection.clusterKey).toBe('a{shop}.')
  expect(read(shop, 'backend', url).connection.clusterKey).toBe('{shop}:')
  for (const globalKeyprefix of ['shop.', '{}shop', 'shop}{']) {
    expect(() => read({ brokerTransportOptions: { globalKeyprefix } }, 'broker', url)).toThrow(/hash tag/)
  }
})

test('broker and results on one cluster must have one hash tag', () => {
  const on = (globalKeyprefix: string): RedisSettings =>
    read({ brokerTransportOptions: { globalKeyprefix } }, 'broker', 'redis+cluster://h')

  expect(() => assertOneSlot(on('a{x}'), on('{x}:'))).not.toThrow()
  expect(() => assertOneSlot(on('a{x}'), on('{y}:'))).toThrow(/'a\{x\}' and '\{y\}:'/)
})
