import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { silentLogger, Tq, type TqOptions } from '../../runtime/src/index.ts'
import { createMemoryServer, VirtualClock } from '../../runtime/src/testing.ts'
import { MemoryBroker } from '../../runtime/src/transports/memory-broker.ts'
import { MemoryKeys } from '../../runtime/src/transports/memory-keys.ts'
import type { KeyStore } from '../../runtime/src/transports/key-store.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

const longMs = 600_000

/** What every key store does; `open` gives another client of the same store. */
function describeKeyStore(name: string, open: () => () => Promise<KeyStore>): void {
  describe(name, () => {
    test('the first holder has the key, and everybody learns who that is', async () => {
      const store = open()
      const [one, other] = [await store(), await store()]

      const answers = [
        await one.claim('a', 'first', longMs),
        await other.claim('a', 'second', longMs),
        await other.claim('b', 'second', longMs),
      ]

      expect(answers).toEqual(['first', 'first', 'second'])
    })

    test('of many that claim at once one gets it', async () => {
      const store = open()
      const clients = await Promise.all([store(), store()])

      const answers = await Promise.all(
        Array.from({ length: 20 }, async (_, at) => clients[at % 2]?.claim('a', `holder ${at}`, longMs)),
      )

      expect(new Set(answers).size).toBe(1)
    })

    test('the holder lets it go, and nobody else can', async () => {
      const store = await open()()
      await store.claim('a', 'first', longMs)

      const released = [await store.release('a', 'second'), await store.release('a', 'first')]

      expect(released).toEqual([false, true])
      expect(await store.release('a', 'first')).toBe(false)
      expect(await store.claim('a', 'second', longMs)).toBe('second')
    })

    test('a key is free after its time, which its holder may begin anew', async () => {
      const store = await open()()
      await store.claim('short', 'first', 1)
      await store.claim('renewed', 'first', 1)
      const renewed = await store.claim('renewed', 'first', longMs)

      while ((await store.claim('short', 'second', longMs)) !== 'second');

      expect(renewed).toBe('first')
      expect(await store.claim('renewed', 'second', longMs)).toBe('first')
    })

    test('a turn is taken once, and the others are told how long there is none', async () => {
      const store = open()
      const clients = await Promise.all([store(), store()])

      const waits = await Promise.all(
        Array.from({ length: 10 }, async (_, at) => (await clients[at % 2]?.takeTurn('pace', longMs)) ?? -1),
      )

      expect(waits.filter((ms) => ms === 0)).toHaveLength(1)
      for (const ms of waits) expect(ms === 0 || (ms > 0 && ms <= longMs)).toBe(true)
      expect(await clients[0]?.takeTurn('other pace', longMs)).toBe(0)
    })

    test('turns may be less than a millisecond apart', async () => {
      const store = await open()()
      await store.takeTurn('pace', 0.25)

      while ((await store.takeTurn('pace', 0.25)) > 0);

      expect(await store.takeTurn('pace', longMs)).toBeLessThanOrEqual(0.25)
    })
  })
}

function clientsOf(options: TqOptions): () => Promise<KeyStore> {
  return () => {
    const app = new Tq('keys', { logger: silentLogger, ...options })
    onTestFinished(() => app.close())
    return app.connections.keyStore()
  }
}

describeKeyStore('keys in memory', () => {
  const memory = createMemoryServer()
  return async () => clientsOf({ broker: 'memory://', memory: await memory })()
})

describeKeyStore('keys in SQLite', () => clientsOf({ broker: `sqlite://${join(temporaryFolder(), 'tq.db')}` }))

describe.skipIf(!requireService('redis'))('with a Redis server', () => {
  let server: RedisServer
  let db = 0
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  const url = (): string => server.url.replace(/\/0$/, `/${db++}`)

  describeKeyStore('keys on Redis', () => clientsOf({ broker: url() }))

  test('where the broker has none, those of the result backend are used', async () => {
    const keys = await clientsOf({ broker: 'amqp://127.0.0.1:1', backend: url() })()

    expect(await keys.claim('a', 'first', longMs)).toBe('first')
  })

  test('keys stand under the prefix of the broker', async () => {
    const broker = url()
    const [mine, theirs] = await Promise.all([
      clientsOf({ broker, brokerTransportOptions: { globalKeyprefix: 'mine.' } })(),
      clientsOf({ broker })(),
    ])
    await mine.claim('a', 'first', longMs)

    expect(await theirs.claim('a', 'second', longMs)).toBe('second')
  })
})

test('RabbitMQ alone has no keys, and the error says what to do', async () => {
  const keys = clientsOf({ broker: 'amqp://guest:secret@127.0.0.1:1', backend: 'rpc://' })()

  await expect(keys).rejects.toMatchObject({
    code: 'TQ_CHANNEL',
    message: expect.stringMatching(/^(?!.*secret)Unique tasks and rate limits .* Use Redis, SQLite or memory/s),
  })
})

test('keys in memory whose time is over are dropped, also where nobody claims any', async () => {
  const clock = new VirtualClock()
  const broker = new MemoryBroker()
  const keys = new MemoryKeys(broker, clock)
  for (let at = 0; at < 10; at++) await keys.takeTurn(`pace of ${at}`, 1000)
  await clock.advance(longMs)

  await keys.takeTurn('pace', longMs)

  expect([...broker.keys.keys()]).toEqual(['pace'])
})

test('keys in memory follow the clock of the app', async () => {
  const clock = new VirtualClock()
  const keys = await clientsOf({ broker: 'memory://', clock })()
  await keys.takeTurn('pace', 1500)
  await clock.advance(1000)

  const early = await keys.takeTurn('pace', 1500)
  await clock.advance(500)

  expect([early, await keys.takeTurn('pace', 1500)]).toEqual([500, 0])
})
