import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, ConnectionError, SettingError } from '../../runtime/src/core/errors.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import {
  RedisConnection,
  type RedisConnectionDeps,
  type RedisState,
} from '../../runtime/src/drivers/redis-connection.ts'
import { parseRedisUrl } from '../../runtime/src/drivers/redis-url.ts'
import { waitFor } from '../helpers/clock.ts'
import { freePort, type RedisServer, requireService, startRedis } from '../helpers/services.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe('Redis URLs', () => {
  test.each([
    ['redis://', { host: 'localhost', port: 6379, db: 0, driver: 'redis:localhost:6379/0' }],
    ['redis://h:7000/3', { host: 'h', port: 7000, db: 3, driver: 'redis:h:7000/3' }],
    ['redis://:p%40ss@h', { username: undefined, password: 'p@ss', masked: 'redis://:***@h' }],
    ['redis://me:secret@h/1', { username: 'me', password: 'secret', masked: 'redis://me:***@h/1' }],
    ['redis://[::1]:6380/2', { host: '::1', port: 6380, db: 2 }],
    [
      'redis+socket:///run/redis.sock?virtual_host=4',
      { path: '/run/redis.sock', db: 4, driver: 'redis:/run/redis.sock/4' },
    ],
    ['rediss://h?ssl_cert_reqs=CERT_NONE', { tls: { certRequired: false } }],
    ['rediss://h', { tls: { certRequired: true } }],
  ])('%s is understood', (url, expected) => {
    expect(parseRedisUrl(url)).toMatchObject(expected)
  })

  test.each(['redis://h/zero', 'http://h', 'nonsense'])('%s is refused', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(SettingError)
  })

  test('no password is shown, however it is written', () => {
    expect(parseRedisUrl('redis://u:secret@h/0?password=secret').masked).not.toContain('secret')
    expect(() => parseRedisUrl('redis://u:secret@h/zero')).toThrow(/^(?!.*secret)/)
  })
})

describe.skipIf(!requireService('redis'))('a Redis connection', () => {
  let server: RedisServer
  let opened: RedisConnection[] = []

  beforeEach(async () => {
    server = await startRedis()
  })
  afterEach(async () => {
    for (const each of opened) await each.close()
    opened = []
    await server.stop()
  })

  function connection(url = server.url, more: Partial<RedisConnectionDeps> = {}): RedisConnection {
    const made = new RedisConnection(url, { ...deps, ...more })
    opened.push(made)
    return made
  }

  test('a refused connection says where and what to try, without the password', async () => {
    const refused = connection(`redis://me:secret@127.0.0.1:${await freePort()}/0`)

    const error = await refused.connect().catch((cause: unknown) => cause)

    expect(error).toBeInstanceOf(ConnectionError)
    expect(String(error)).toMatch(/me:\*\*\*@127\.0\.0\.1.*ECONNREFUSED.*Start it/)
    expect(String(error)).not.toContain('secret')
  })

  test('a server that accepts and stays silent is given up after the timeout', async () => {
    server.pause()

    const silent = connection(server.url, { connectTimeoutMs: 150 })

    await expect(silent.connect()).rejects.toThrow(ConnectionError)
    server.resume()
    await silent.connect()
    expect(await silent.call('PING')).toBe('PONG')
  })

  test('a wrong password is refused for good', async () => {
    await connection().call('CONFIG', 'SET', 'requirepass', 'right')

    await expect(connection(server.url.replace('//', '//:wrong@')).connect()).rejects.toThrow(ChannelError)

    const right = connection(server.url.replace('//', '//:right@'))
    expect(await right.call('PING')).toBe('PONG')
  })

  test('while the connection is lost commands reject at once, and it comes back by itself', async () => {
    const cut = connection()
    await cut.connect()
    const states: RedisState[] = []
    cut.onState((state) => states.push(state))

    await server.kill()
    await waitFor(() => states.includes('lost'))
    await expect(cut.call('PING')).rejects.toThrow(ConnectionError)
    await server.restart()

    await waitFor(() => states.includes('ready'))
    expect(await cut.call('PING')).toBe('PONG')
    expect(states).toEqual(['lost', 'ready'])
  })

  test('a connection that stands and answers nothing is given up', async () => {
    const silent = connection(server.url, { options: { answerTimeoutMs: 150 } })
    await silent.connect()
    const states: RedisState[] = []
    silent.onState((state) => states.push(state))

    server.pause()
    await expect(silent.call('PING')).rejects.toThrow(ConnectionError)
    server.resume()

    await waitFor(() => states.includes('ready'))
    expect(await silent.call('PING')).toBe('PONG')
  })

  test('an error of the server names no other kind of failure', async () => {
    await expect(connection().call('LPUSH', 'key')).rejects.toThrow(ChannelError)
  })

  test('listeners hear again after the listening connection was cut', async () => {
    const listening = connection()
    const heard: string[] = []
    await listening.listener.subscribe('news', (text) => heard.push(text))
    let ready = 0
    listening.listener.onState((state) => {
      if (state === 'ready') ready++
    })

    await connection().call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => ready === 1)
    await connection().call('PUBLISH', 'news', 'again')

    await waitFor(() => heard.length === 1)
    expect(heard).toEqual(['again'])
  })
})
