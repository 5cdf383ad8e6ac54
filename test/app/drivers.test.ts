import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openMemory } from '../../runtime/src/app/open-driver.ts'
import { type CustomDriver, type DriverDeps, silentLogger, Tq, type TqOptions } from '../../runtime/src/index.ts'
import { createMemoryServer } from '../../runtime/src/testing.ts'
import { temporaryFolder } from '../helpers/project.ts'

function tq(options: TqOptions): Tq {
  const app = new Tq('drivers', { logger: silentLogger, ...options })
  onTestFinished(() => app.close())
  app.task('double', (n: number) => n * 2)
  return app
}

/** A driver over a memory server; `asked` are the URLs that it was asked for. */
async function driver(): Promise<{ readonly mine: Required<CustomDriver>; readonly asked: string[] }> {
  const server = await createMemoryServer()
  const asked: string[] = []
  const opened = async (what: string, url: string, { clock, logger, resultCodec }: DriverDeps) => {
    asked.push(`${what} ${url}`)
    return openMemory(server, { clock, logger, codec: resultCodec })
  }
  return {
    asked,
    mine: {
      transport: async (url, deps) => (await opened('transport', url, deps)).transport,
      backend: async (url, deps) => (await opened('backend', url, deps)).backend,
    },
  }
}

test('URLs of a scheme of my own lead to my driver, as broker and as result backend', async () => {
  const { mine, asked } = await driver()
  const app = tq({ broker: 'mine://somewhere', backend: 'mine://else', drivers: { mine } })
  await app.startWorker()

  const result = await app.sendTask('double', [21])

  expect(await result.get({ timeout: 30 })).toBe(42)
  expect(asked.toSorted()).toEqual(['backend mine://else', 'transport mine://somewhere'])
})

test("my driver stands in for tq's", async () => {
  const { mine, asked } = await driver()
  const app = tq({ broker: 'memory://', backend: 'redis://nowhere.invalid', drivers: { redis: mine } })
  await app.startWorker()

  expect(await (await app.sendTask('double', [1])).get({ timeout: 30 })).toBe(2)
  expect(asked).toEqual(['backend redis://nowhere.invalid'])
})

test('a driver that has no broker or no results says so', async () => {
  const { mine } = await driver()
  const results = tq({ broker: 'mine://u:secret@h', drivers: { mine: { backend: mine.backend } } })
  const broker = tq({ broker: 'mine://h', drivers: { mine: { transport: mine.transport } } })

  await expect(results.connections.transport()).rejects.toThrow(/driver of mine:\/\/u:\S+@h is no broker/)
  await expect(results.connections.transport()).rejects.not.toThrow(/secret/)
  await expect(broker.connections.backend()).rejects.toThrow('is no result backend, only a broker')
})

test('a scheme that nobody knows is named with those there are', async () => {
  await expect(tq({ broker: 'kafka://h' }).connections.transport()).rejects.toThrow(
    /amqps: or memory:, got 'kafka:\/\/h'/,
  )
})

test('calls go to brokerWriteUrl, and the worker takes them from brokerReadUrl', async () => {
  const folder = temporaryFolder()
  const [read, write] = [`sqlite://${join(folder, 'read.db')}`, `sqlite://${join(folder, 'write.db')}`]
  const backend = `sqlite://${join(folder, 'results.db')}`
  const app = tq({ brokerReadUrl: read, brokerWriteUrl: write, backend })
  await app.startWorker()
  const [reads, writes] = [tq({ broker: read, backend }), tq({ broker: write, backend })]

  await app.sendTask('double', [1])
  const result = await reads.sendTask('double', [2])

  expect(await result.get({ timeout: 30 })).toBe(4)
  expect(await (await writes.connections.transport()).queueInfo('celery')).toMatchObject({ ready: 1 })
})

test('with one URL alone both sides use it', async () => {
  const url = `sqlite://${join(temporaryFolder(), 'tq.db')}`

  for (const options of [{ brokerReadUrl: url }, { brokerWriteUrl: url }, { broker: url }]) {
    const { connections } = tq(options)
    expect(connections.brokerUrl()).toBe(url)
    expect(await connections.consuming()).toBe(await connections.transport())
  }
})

test('defaults of a library give way to whatever is said elsewhere, whenever', () => {
  const app = tq({ taskDefaultQueue: 'mine' })

  app.addDefaults({ taskDefaultQueue: 'theirs', resultExpires: 60, timezone: 'Asia/Tokyo' })
  app.configure({ timezone: 'Europe/Berlin' })
  app.addDefaults({ resultExpires: 90, timezone: 'UTC' })

  expect(app.settings).toMatchObject({ taskDefaultQueue: 'mine', resultExpires: 90, timezone: 'Europe/Berlin' })
  const origins = app.describeSettings().filter(({ name }) => name === 'resultExpires')
  expect(origins).toMatchObject([{ origin: 'addDefaults()', value: 90 }])
  expect(() => app.addDefaults({ resultExpire: 1 } as object)).toThrow(/resultExpires/)
})

test('a result exists once something is stored of it', async () => {
  const app = tq({ broker: 'memory://', backend: 'memory://' })
  const result = await app.sendTask('double', [1])
  const before = await result.exists()

  await app.startWorker()
  await result.get({ timeout: 30 })

  expect([before, await result.exists()]).toEqual([false, true])
})
