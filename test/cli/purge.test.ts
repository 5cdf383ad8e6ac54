import { statSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { shop } from './shop.ts'

// Each test starts several processes, one after the other.
vi.setConfig({ testTimeout: 40_000 })

/** Puts four megabytes into each of the queues. */
async function fill(db: string, ...queues: readonly string[]): Promise<void> {
  const app = new Tq('filler', { broker: `sqlite://${db}`, logger: silentLogger })
  const big = 'x'.repeat(1_000_000)
  await app.sendMany(
    queues.flatMap((queue) => [1, 2, 3, 4].map((n) => ({ task: 'math.add', args: [n, big], options: { queue } }))),
  )
  await app.close()
}

test('purge --vacuum gives the space back while another process has the file open', async () => {
  const { db, tq, spawn } = shop()
  await fill(db, 'celery')
  const events = spawn(['events'])
  await events.waitForLine('Listening')
  const before = statSync(db).size + (statSync(`${db}-wal`, { throwIfNoEntry: false })?.size ?? 0)

  const { code, stdout } = await tq(['purge', '--force', '--vacuum', '--json'])

  expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, purged: 4, shrunk: [{ path: db }] })
  expect(before).toBeGreaterThan(4_000_000)
  expect(statSync(db).size).toBeLessThan(1_000_000)
})

test('purge takes all queues of the app but those that -X names', async () => {
  const { db, tq } = shop()
  await fill(db, 'celery', 'mine')

  const spared = await tq(['purge', '-f', '-Q', 'celery,mine', '-X', 'celery'])
  const rest = await tq(['purge', '-f'])

  expect(spared).toMatchObject({ code: 0, stdout: "Deleted 4 messages of 'mine'.\n" })
  expect(rest).toMatchObject({ code: 0, stdout: "Deleted 4 messages of 'celery'.\n" })
})

test('--vacuum without a SQLite file deletes nothing', async () => {
  const { tq } = shop({ TQ_BROKER_URL: 'memory://', TQ_RESULT_BACKEND: 'memory://' })

  const { code, stderr } = await tq(['purge', '-f', '--vacuum'])

  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('Nothing was deleted: --vacuum') })
})
