import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock as clock } from '../../runtime/src/core/clock.ts'
import { ConnectionError, StoreError } from '../../runtime/src/core/errors.ts'
import { silentLogger as logger } from '../../runtime/src/core/logger.ts'
import { unsafeFileSystem } from '../../runtime/src/drivers/sqlite-file.ts'
import { schemaVersion } from '../../runtime/src/drivers/sqlite-schema.ts'
import { openSqliteStore } from '../../runtime/src/drivers/sqlite-store.ts'
import type { ConnectionState, Delivery } from '../../runtime/src/transports/transport.ts'
import { waitFor } from '../helpers/clock.ts'
import { numbered, rawMessage, success, textOf, texts, toQueue } from '../helpers/messages.ts'
import { sqliteChild } from './sqlite-child.ts'
import { SqliteFixture } from './sqlite-fixture.ts'

let fixture: SqliteFixture

beforeEach(() => {
  fixture = new SqliteFixture()
})

afterEach(() => fixture.cleanup())

async function faultOf(work: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof StoreError)) throw new Error(`expected a StoreError, got ${String(error)}`)
  return error
}

describe('a SQLite file', () => {
  test('is private to its user, in a private folder that git ignores', async () => {
    const folder = join(fixture.folder, '.tq')

    const embedded = await openSqliteStore(join(folder, 'tq.db'), { clock, logger, createFolder: true })

    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'tq.db')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('*\n')
    await embedded.close()
  })

  test('is made once by eight processes that open it together', async () => {
    const children = numbered(8).map(() => sqliteChild('open', fixture.path))

    const lines = await Promise.all(children.map((child) => child.waitForLine(/./)))

    expect(lines).toEqual(children.map(() => 'ok'))
  })

  test('in a folder that may not be written is refused as read-only', async () => {
    chmodSync(fixture.folder, 0o555)

    expect(await sqliteChild('openUnprivileged', fixture.path).waitForLine(/./)).toBe('read-only')
  })

  test('that may not be written is refused as read-only', async () => {
    await (await fixture.store()).close()
    chmodSync(fixture.path, 0o444)
    chmodSync(fixture.folder, 0o777)

    expect(await sqliteChild('openUnprivileged', fixture.path).waitForLine(/./)).toBe('read-only')
  })

  test('of a newer tq is refused and left as it is', async () => {
    await (await fixture.store()).close()
    const db = new DatabaseSync(fixture.path)
    db.exec(`pragma user_version=${schemaVersion + 1}`)
    db.close()

    const fault = await faultOf(fixture.store())

    expect(fault.reason).toBe('newer')
    expect(fault.message).toMatch(new RegExp(`schema ${schemaVersion + 1}.*knows ${schemaVersion}`))
  })

  test('of another program is refused and left as it is', async () => {
    const db = new DatabaseSync(fixture.path)
    db.exec('create table mine(a)')
    db.close()

    expect((await faultOf(fixture.store())).reason).toBe('foreign')
    const again = new DatabaseSync(fixture.path)
    expect(again.prepare('select name from sqlite_master').all()).toHaveLength(1)
    again.close()
  })

  test('whose header was overwritten is refused with its path and what to do', async () => {
    await (await fixture.store()).close()
    const bytes = readFileSync(fixture.path)
    bytes.write('not a database at all')
    writeFileSync(fixture.path, bytes)

    const fault = await faultOf(fixture.store())

    expect(fault.reason).toBe('damaged')
    expect(fault.message).toContain(fixture.path)
    expect(fault.message).toContain('tq doctor --reset')
  })

  test('that is empty is filled', async () => {
    writeFileSync(fixture.path, '')

    await (await fixture.transport()).publish([toQueue('q', 'one')])
  })

  test('on a network file system is not for SQLite', () => {
    expect(unsafeFileSystem(0x6969)).toBe('NFS')
    expect(unsafeFileSystem(0xfe534d42 | 0)).toBe('SMB')
    expect(unsafeFileSystem(0xef53)).toBeUndefined()
  })
})

describe('a locked file', () => {
  test('is waited for', async () => {
    const transport = await fixture.transport()
    const locker = sqliteChild('lock', fixture.path)
    await locker.waitForLine('locked')

    const published = transport.publish([toQueue('q', 'one')])
    locker.write('go\n')

    await published
    expect((await transport.queueInfo('q')).ready).toBe(1)
  })

  test('is given up after the time limit, names a stopped holder, and is usable once it is free', async () => {
    const store = await fixture.store({ connectTimeoutMs: 50 })
    const transport = await fixture.transport(store)
    const states: ConnectionState[] = []
    transport.onState((state) => states.push(state))
    const locker = sqliteChild('lock', fixture.path)
    await locker.waitForLine('locked')
    locker.kill('SIGSTOP')
    await waitFor(() => readFileSync(`/proc/${locker.pid}/stat`, 'utf8').includes(') T '))

    const fault = await faultOf(transport.publish([toQueue('q', 'one')]))

    expect(fault.reason).toBe('locked')
    expect(fault.message).toContain(`process ${locker.pid} (locker@test, stopped)`)
    locker.kill('SIGKILL')
    await locker.exit
    await transport.publish([toQueue('q', 'two')])
    expect(states).toEqual(['lost', 'ready'])
    expect((await transport.queueInfo('q')).ready).toBe(1)
  })
})

test('a full quota refuses new messages, lets the waiting ones be done, and then takes new ones', async () => {
  const store = await fixture.store({ maxBytes: 200 * 4096 })
  const transport = await fixture.transport(store)
  const body = new Uint8Array(4000).fill(120)
  let published = 0
  let fault: unknown
  while (fault === undefined) {
    await transport.publish([toQueue('q', `m${published}`, { body })]).then(
      () => published++,
      (error: unknown) => {
        fault = error
      },
    )
  }
  const settled: Promise<unknown>[] = []
  const refused: Promise<unknown>[] = []

  const subscription = await transport.subscribe(['q'], { prefetch: 5 }, (deliveries) => {
    for (const delivery of deliveries) settled.push(delivery.ack())
    if (refused.length > 0) return
    // More than they free, in one transaction with the acknowledgements: they must not fail because of it.
    refused.push(transport.publish(numbered(30).map((text) => toQueue('other', text, { body }))).catch(String))
  })
  await waitFor(() => settled.length === published)
  const answers = await Promise.all(settled)
  await subscription.close()

  expect(fault).toMatchObject({ reason: 'full' })
  expect(await refused[0]).toMatch(/has reached its limit of 819200 bytes \(maxBytes in brokerTransportOptions/)
  expect(published).toBeGreaterThan(50)
  expect(new Set(answers)).toEqual(new Set(['ok']))
  await transport.publish([toQueue('q', 'again', { body })])
})

test('where files cannot be watched, a consumer hears of another process by polling', async () => {
  const { platform } = process
  // Windows reports writes through an open descriptor late or never.
  Object.defineProperty(process, 'platform', { value: 'win32' })
  onTestFinished(() => {
    Object.defineProperty(process, 'platform', { value: platform })
  })
  const [consumer, publisher] = [await fixture.transport(), await fixture.transport()]
  const taken: Delivery[] = []
  await consumer.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))

  for (const text of numbered(100)) {
    await publisher.publish([toQueue('q', text)])
    await waitFor(() => taken.at(-1) !== undefined && texts(taken.slice(-1))[0] === text)
  }

  // Faster than the look every 500 ms that there is anyway: the test would run into its time limit.
  expect(texts(taken)).toEqual(numbered(100))
  expect(readdirSync(fixture.folder).filter((name) => /-[qre]$/.test(name))).toEqual(['tq.db-q'])
  await consumer.close()
}, 40_000)

test('an operation that fails does not take its neighbours along', async () => {
  const transport = await fixture.transport()

  const outcomes = await Promise.allSettled([
    transport.publish([toQueue('q', 'one')]),
    transport.publish([{ exchange: 'nowhere', routingKey: 'x', message: rawMessage('lost') }]),
    transport.publish([toQueue('q', 'two')]),
  ])

  expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toEqual(['one', 'two'])
})

test('files that are deleted in use are made anew, and the subscription goes on in them', async () => {
  const transport = await fixture.transport()
  const queue = { name: 'q', exchange: { name: 'x', type: 'topic' }, routingKey: '#' } as const
  await transport.declare({ queues: [queue] })
  await transport.publish([toQueue('q', 'old')])
  const taken: Delivery[] = []
  await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))
  await waitFor(() => taken.length === 1)

  for (const name of readdirSync(fixture.folder)) rmSync(join(fixture.folder, name))
  await waitFor(() => existsSync(fixture.path))
  const other = await fixture.transport()
  await other.publish([{ exchange: 'x', routingKey: 'any', message: rawMessage('new') }])

  await waitFor(() => taken.length === 2)
  expect(texts(taken)).toEqual(['old', 'new'])
  expect(await taken[0]?.ack()).toBe('lost')
  expect(await taken[1]?.ack()).toBe('ok')
  await transport.close()
})

test('a message that is no envelope is put into quarantine and the next one is delivered', async () => {
  const store = await fixture.store()
  const transport = await fixture.transport(store)
  await transport.publish([toQueue('q', 'broken'), toQueue('q', 'whole')])
  await store.submit((tx) => tx.run("update message set body='no envelope' where seq=1"))
  const taken: Delivery[] = []

  await transport.subscribe(['q'], { prefetch: 1 }, (deliveries) => taken.push(...deliveries))

  await waitFor(() => taken.length === 1)
  expect(texts(taken)).toEqual(['whole'])
  const [kept] = await transport.quarantine.list(10)
  expect(kept?.queue).toBe('q')
  expect(kept?.reason).toContain('envelope')
  expect(kept && textOf(kept.raw)).toBe('no envelope')
  await transport.close()
})

test('broadcasts are kept for who comes later, the newest last', async () => {
  const transport = await fixture.transport()
  for (const text of numbered(5)) await transport.broadcast('events', rawMessage(text), 'task.sent')
  await transport.broadcast('other', rawMessage('other'))
  await transport.reply({ exchange: 'events', routingKey: 'ticket' }, rawMessage('reply'))

  const late = await fixture.transport()

  expect(texts(await late.history('events', 3))).toEqual(['m2', 'm3', 'm4'])
})

test('a store that is closed under a busy subscription ends it', async () => {
  const store = await fixture.store()
  const transport = await fixture.transport(store)
  await transport.publish(numbered(20).map((text) => toQueue('q', text)))
  const taken: Delivery[] = []
  await transport.subscribe(['q'], { prefetch: 1 }, (deliveries) => {
    for (const delivery of deliveries) delivery.ack().catch(() => taken.push(delivery))
  })

  await store.close()

  const other = await fixture.transport()
  const { ready, held } = await other.queueInfo('q')
  expect(held).toBe(0)
  expect(ready).toBeLessThanOrEqual(20)
  await expect(transport.publish([toQueue('q', 'late')])).rejects.toBeInstanceOf(ConnectionError)
})

test('a store outlives the transports and backends on it, and refuses work once it is closed', async () => {
  const store = await fixture.store()
  await (await fixture.transport(store)).close()
  const backend = await fixture.backend(store)
  await backend.store([success('one')], { ttlMs: 0 })

  await store.close()

  await expect(backend.fetch(['one'])).rejects.toBeInstanceOf(ConnectionError)
  await expect(backend.store([success('two')], { ttlMs: 0 })).rejects.toBeInstanceOf(ConnectionError)
})
