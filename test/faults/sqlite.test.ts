import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { StoreError } from '../../runtime/src/core/errors.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { inspectFile } from '../../runtime/src/drivers/sqlite-care.ts'
import { schemaVersion } from '../../runtime/src/drivers/sqlite-schema.ts'
import { Tq } from '../../runtime/src/index.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { copyOf, SqliteFixture } from '../drivers/sqlite-fixture.ts'
import { sqliteChild } from '../drivers/sqlite-child.ts'
import { waitFor } from '../helpers/clock.ts'
import { tell } from './tell.ts'
import { numbered, texts, toQueue } from '../helpers/messages.ts'
import { type RunningProcess, spawnNode, spawnProcess } from '../helpers/process.ts'

let fixture: SqliteFixture

beforeEach(() => {
  fixture = new SqliteFixture()
})

afterEach(() => fixture.cleanup())

const hammerFile = fileURLToPath(new URL('children/sqlite-hammer.ts', import.meta.url))

function hammer(what: 'produce' | 'consume' | 'churn', path = fixture.path): RunningProcess {
  return spawnNode([hammerFile, what, path])
}

function sentBy(producer: RunningProcess): readonly string[] {
  return [...producer.stdout.matchAll(/^sent (\S+)$/gm)].map(([, id]) => id ?? '')
}

async function faultOf(work: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof StoreError)) throw new Error(`expected a StoreError, got ${String(error)}`)
  return error
}

describe('processes that are killed in the middle of their transactions', () => {
  test('lose no message that was acknowledged to its sender, and leave the file sound', async () => {
    const producers = [hammer('produce'), hammer('produce')]
    const consumers = [hammer('consume'), hammer('consume')]
    await Promise.all(consumers.map((one) => one.waitForLine('consuming')))

    for (let kill = 0; kill < 4; kill++) {
      const producer = producers.at(-1)
      const consumer = consumers.at(-1)
      const before = producer === undefined ? 0 : sentBy(producer).length
      await waitFor(() => producer !== undefined && sentBy(producer).length >= before + 100)
      producer?.kill('SIGKILL')
      consumer?.kill('SIGKILL')
      await Promise.all([producer?.exit, consumer?.exit])
      producers.push(hammer('produce'))
      const next = hammer('consume')
      await next.waitForLine('consuming')
      consumers.push(next)
    }
    for (const producer of producers) producer.child.stdin?.end()
    await Promise.all(producers.map((one) => one.exit))
    const transport = await fixture.transport()
    await waitFor(async () => {
      const { ready, held } = await transport.queueInfo('q')
      return ready + held === 0
    })
    for (const consumer of consumers) consumer.kill('SIGKILL')
    await Promise.all(consumers.map((one) => one.exit))

    const sent = producers.flatMap(sentBy)
    const backend = await fixture.backend()
    const metas = await backend.fetch(sent)
    expect(sent.length).toBeGreaterThan(400)
    expect(metas.filter((meta) => meta?.state !== 'SUCCESS')).toEqual([])
    expect(inspectFile(fixture.path)).toMatchObject({ problems: [], fault: undefined })
  }, 120_000)

  test('opening and closing among others that open, close and die works every time', async () => {
    const churning = [hammer('churn'), hammer('churn'), hammer('churn')]
    const dying = hammer('produce')
    await waitFor(() => sentBy(dying).length > 50)
    dying.kill('SIGKILL')

    await Promise.all(churning.map((one) => one.waitForLine('done', 30_000)))

    expect(inspectFile(fixture.path).counts.ready).toBeGreaterThanOrEqual(300 + sentBy(dying).length)
    expect(churning.map((one) => one.stderr)).toEqual(['', '', ''])
  }, 120_000)

  test('what a killed writer had begun is undone, what it had committed is there', async () => {
    const transport = await fixture.transport()
    await transport.publish([toQueue('q', 'before')])
    const locker = sqliteChild('lock', fixture.path)
    await locker.waitForLine('locked')

    locker.kill('SIGKILL')
    await transport.publish([toQueue('q', 'after')])

    expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toEqual(['before', 'after'])
  })
})

describe('a damaged file', () => {
  async function filled(): Promise<void> {
    const store = await fixture.store()
    const transport = await fixture.transport(store)
    const body = new Uint8Array(2000).fill(120)
    await transport.publish(numbered(200).map((text) => toQueue('q', text, { body })))
    await store.close() // the last to leave: all is in the one file
  }

  test('whose pages were overwritten says so at the use of them, and what to do', async () => {
    await filled()
    const file = openSync(fixture.path, 'r+')
    for (let page = 25; page < 60; page++) writeSync(file, Buffer.alloc(4096, 0x5a), 0, 4096, page * 4096)
    closeSync(file)
    const transport = await fixture.transport()

    const fault = await faultOf(transport.peek('q', { limit: 200, state: 'ready' }))

    expect(fault.reason).toBe('damaged')
    expect(fault.message).toContain('`tq doctor --reset`')
    const { problems } = inspectFile(fixture.path)
    expect(problems.length).toBeGreaterThan(0)
  })

  test('that was cut in half is refused', async () => {
    await filled()
    truncateSync(fixture.path, Math.floor(statSync(fixture.path).size / 8192) * 4096)

    const fault = await faultOf(fixture.transport().then((one) => one.peek('q', { limit: 200, state: 'ready' })))

    expect(['damaged', 'gone']).toContain(fault.reason)
    expect(fault.message).toContain(fixture.path)
  })

  test('whose log was damaged opens with what stands before the damage, and is sound', async () => {
    const transport = await fixture.transport()
    for (const text of numbered(50)) await transport.publish([toQueue('q', text)])
    const copy = join(fixture.folder, 'copy.db')
    copyOf(fixture.path, copy) // with the writer still there, as after a crash
    const log = readFileSync(`${fixture.path}-wal`)
    const half = 32 + Math.floor((log.length - 32) / 4120 / 2) * 4120 + 24
    log.writeUInt8(log.readUInt8(half + 100) ^ 0xff, half + 100)
    writeFileSync(`${copy}-wal`, log)

    const { counts, problems, fault } = inspectFile(copy)

    expect({ problems, fault }).toEqual({ problems: [], fault: undefined })
    expect(counts.ready).toBeGreaterThan(0)
    expect(counts.ready).toBeLessThan(50)
  })

  test('a log left over by a crash is taken up by the next process', async () => {
    const transport = await fixture.transport()
    for (const text of numbered(20)) await transport.publish([toQueue('q', text)])
    const copy = new SqliteFixture()
    onTestFinished(copy.cleanup)
    copyOf(fixture.path, copy.path)
    copyOf(`${fixture.path}-wal`, `${copy.path}-wal`)

    const after = await copy.transport()

    expect((await after.queueInfo('q')).ready).toBe(20)
  })
})

test('when only the file itself is deleted, both sides end up in a new one', async () => {
  const first = await fixture.transport()
  await first.publish([toQueue('q', 'old')])
  const taken: Delivery[] = []
  await first.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))
  await waitFor(() => taken.length === 1)

  rmSync(fixture.path)
  await waitFor(() => readdirSync(fixture.folder).includes('tq.db'))
  const second = await fixture.transport()
  await second.publish([toQueue('q', 'new')])

  await waitFor(() => taken.length === 2)
  expect(texts(taken)).toEqual(['old', 'new'])
  expect(await taken[1]?.ack()).toBe('ok')
  await first.close()
})

test('a file that was put back from elsewhere while it is in use is used from then on', async () => {
  const other = new SqliteFixture()
  onTestFinished(other.cleanup)
  const there = await other.store()
  await (await other.transport(there)).publish([toQueue('q', 'restored')])
  await there.close()
  const transport = await fixture.transport()
  const taken: Delivery[] = []
  await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))

  for (const end of ['-wal', '-shm']) rmSync(fixture.path + end, { force: true })
  renameSync(other.path, fixture.path)

  await waitFor(() => taken.length === 1)
  expect(texts(taken)).toEqual(['restored'])
  expect(await taken[0]?.ack()).toBe('ok')
  await transport.close()
})

test('bells that are deleted in use are made anew, and a process that starts later is heard', async () => {
  const transport = await fixture.transport()
  const taken: Delivery[] = []
  await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))
  for (const end of ['-q', '-r', '-e']) rmSync(fixture.path + end, { force: true })

  const later = await fixture.transport()
  await later.publish([toQueue('q', 'heard')])

  await waitFor(() => taken.length === 1)
  await waitFor(() => readdirSync(fixture.folder).includes('tq.db-q'))
  await transport.close()
})

describe('two versions on one file', () => {
  const newer = schemaVersion + 1

  test('a table that a newer one adds and a column it adds disturb nobody, and it is told once', async () => {
    const errors: string[] = []
    const logger: Logger = { debug() {}, info() {}, warn() {}, error: (message) => void errors.push(message) }
    const store = await fixture.store({ logger })
    const transport = await fixture.transport(store)
    const taken: Delivery[] = []
    store.presence.setLease(900) // it beats three times within
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))
    alter(`alter table message add column extra text; create table more(a); pragma user_version=${newer}`)

    await transport.publish([toQueue('q', 'one')])

    await waitFor(() => taken.length === 1 && errors.length > 0)
    expect(await taken[0]?.ack()).toBe('ok')
    expect(errors).toEqual([
      expect.stringMatching(new RegExp(`newer tq .schema ${newer}, this process knows ${schemaVersion}.*Restart`)),
    ])
    await transport.close()
  })

  test('a column that a newer one renames is told as that, not as an error of SQL', async () => {
    const transport = await fixture.transport()
    await transport.publish([toQueue('q', 'one')])
    alter(`alter table message rename column prio to priority; pragma user_version=${newer}`)

    const fault = await faultOf(transport.publish([toQueue('q', 'two')]))

    expect(fault.reason).toBe('newer')
    expect(fault.message).toContain(`schema ${newer}`)
  })

  function alter(sql: string): void {
    const db = new DatabaseSync(fixture.path)
    db.exec(sql)
    db.close()
  }
})

test('a quota of the app’s settings or of its URL refuses what is sent, and says which setting it is', async () => {
  const url = `sqlite://${fixture.path}`
  const bySetting = new Tq('quota', {
    brokerUrl: url,
    brokerTransportOptions: { maxBytes: 300_000 },
    logger: silentLogger,
  })
  const byUrl = new Tq('quota', { brokerUrl: `${url}?maxBytes=400000`, logger: silentLogger })
  onTestFinished(async () => {
    await bySetting.close()
    await byUrl.close()
  })
  const fill = async (app: Tq): Promise<unknown> => {
    for (;;) {
      const fault: unknown = await app.sendTask('any', ['x'.repeat(20_000)]).catch((error: unknown) => error)
      if (fault instanceof Error) return fault
    }
  }

  const first = await fill(bySetting)
  const second = await fill(byUrl)

  expect(String(first)).toMatch(/limit of 299008 bytes \(maxBytes in brokerTransportOptions, or in the URL\)/)
  expect(String(second)).toContain('limit of 397312 bytes')
  expect(statSync(fixture.path).size).toBeLessThanOrEqual(400_000)
})

test('what a task gave while the file was locked is kept, tried again, and told once', async () => {
  const warned: string[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => void warned.push(message) }
  const app = new Tq('locked', { brokerUrl: `sqlite://${fixture.path}`, brokerConnectionTimeout: 0.1, logger })
  onTestFinished(() => app.close())
  const [running, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const answer = app.task('answer', { acksLate: true }, async () => {
    running.resolve()
    await goOn.promise
    return 42
  })
  await app.startWorker({ hostname: 'w1@locked' })
  const result = await answer.delay()
  await running.promise
  const locker = sqliteChild('lock', fixture.path)
  await locker.waitForLine('locked')

  goOn.resolve()
  const settling = (): readonly string[] => warned.filter((one) => one.startsWith('Could not settle answer'))
  await waitFor(() => settling().length > 0)
  locker.write('go\n')

  expect(await result.get({ timeout: 10 })).toBe(42)
  expect(settling()).toHaveLength(1)
  expect(settling()[0]).toMatch(/is locked by .*Trying again/)
})

/**
 * A disk that takes no more: a small file system of its own where the machine lets a test mount one, else a limit to the size of
 * files, which the kernel refuses to exceed in the same place.
 */
function smallDisk(folder: string): { start(): RunningProcess; makeRoom(child: RunningProcess): void; said: object } {
  const script = fileURLToPath(new URL('children/full-disk.ts', import.meta.url))
  const node = [process.execPath, '--conditions=@tq/source', script]
  const mounted = ['-Urm', 'sh', '-c', `mount -t tmpfs -o size=6m tmpfs /mnt && exec "$0" "$@"`]
  const canMount =
    spawnSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' }).status === 0
  if (canMount)
    return {
      start: () => spawnProcess('unshare', [...mounted, ...node, '/mnt/tq.db', '/mnt/ballast']),
      makeRoom: (child) => child.write('go\n'),
      said: { reason: 'full', message: expect.stringContaining('The disk of /mnt/tq.db is full') },
    }
  tell('No file system can be mounted here: the size of files is limited instead.')
  const path = join(folder, 'small.db')
  return {
    start: () => spawnProcess('sh', ['-c', 'ulimit -S -f 8000; exec "$0" "$@"', ...node, path]),
    makeRoom: (child) => {
      execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:unlimited'])
      child.write('go\n')
    },
    said: { reason: 'failed', message: expect.stringMatching(/writing .*small\.db failed .*Check the disk/) },
  }
}

test('a disk that takes no more refuses what is sent, loses nothing, and works again with space', async () => {
  const { start, makeRoom, said } = smallDisk(fixture.folder)
  const child = start()
  await child.waitForLine('full', 60_000)

  makeRoom(child)
  const { code } = await child.exit

  expect({ code, stderr: child.stderr }).toEqual({ code: 0, stderr: '' })
  const facts: unknown = JSON.parse(child.stdout.slice('full\n'.length))
  expect(facts).toEqual({ ...said, missing: 0, after: 'ok', problems: [] })
}, 120_000)
