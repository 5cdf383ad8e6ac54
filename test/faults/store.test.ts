import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type RunResult, spawnProcess } from '../helpers/process.ts'
import { shopFolder, temporaryFolder } from '../helpers/project.ts'
import { shop } from '../cli/shop.ts'

function expectFault(run: Pick<RunResult, 'code' | 'stdout' | 'stderr'>, path: string, said: RegExp): void {
  expect(run.stderr).toContain(path)
  expect(run.stderr).toMatch(said)
  expect(run.stderr).not.toContain('    at ')
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 1, stdout: '' })
}

test.each([
  ['call', ['call', 'math.add', '1', '1', '--no-wait']],
  ['status', ['status', '--timeout', '0.1']],
  ['worker', ['worker']],
  ['result', ['result', 'some-id']],
])("tq %s on another program's database says so", async (_name, args) => {
  const { db, tq } = shop()
  const foreign = new DatabaseSync(db)
  foreign.exec('create table notes (text)')
  foreign.close()

  expectFault(await tq(args), db, /is a database of another program\. Set TQ_DB/)
})

test('a file that is no database is told as damaged and left alone', async () => {
  const { db, tq } = shop()
  writeFileSync(db, 'not a database, but long enough to look at. '.repeat(100))

  expectFault(await tq(['queues']), db, /damaged or not a database/)
  expect(existsSync(db)).toBe(true)
})

test('a file of a newer tq asks for an update', async () => {
  const { db, tq } = shop()
  await tq(['queues'])
  const newer = new DatabaseSync(db)
  newer.exec('pragma user_version=99')
  newer.close()

  expectFault(await tq(['queues']), db, /is of a newer tq \(schema 99, .*Update tq here/)
})

test('a locked file is told with the process that holds it', async () => {
  const { db, tq } = shop()
  await tq(['queues'])
  const holder = new DatabaseSync(db)
  holder.exec('begin immediate')

  const run = await tq(['call', 'math.add', '1', '1', '--no-wait'])
  holder.exec('rollback')
  holder.close()

  expectFault(run, db, /is locked by .*then try again/)
})

test('a folder in which nothing may be written is told', async () => {
  const own = join(temporaryFolder(), 'tq.db')
  chmodSync(dirname(own), 0o500)
  // The superuser is stopped by no permissions, only by the kernel's own folders.
  const db = process.getuid?.() === 0 ? '/sys/kernel/tq.db' : own
  const { tq } = shop({ TQ_DB: db })

  expectFault(await tq(['queues']), db, /Cannot write .*Make it and its folder writable, or set TQ_DB/)
})

test('a folder in place of the file is told', async () => {
  const { db, tq } = shop()
  mkdirSync(db)

  expectFault(await tq(['queues']), db, /Cannot write|not a database/)
})

test('a file that may not grow is told with its path, and nothing is sent', async () => {
  const { db, tq } = shop()
  await tq(['queues'])
  const launcher = fileURLToPath(new URL('../helpers/launch.ts', import.meta.url))
  const command = `ulimit -f 1500; exec "$0" --conditions=@tq/source "$@"`
  const words = [launcher, 'tq', 'call', 'reports.daily', '-a', '-', '--no-wait']
  const limited = spawnProcess('sh', ['-c', command, process.execPath, ...words], {
    cwd: shopFolder,
    env: { TQ_DB: db },
    cleanEnv: true,
  })
  limited.child.stdin?.end(JSON.stringify(['x'.repeat(3_000_000)]))

  const { code } = await limited.exit

  expectFault({ code, stdout: limited.stdout, stderr: limited.stderr }, db, /the task was not sent.*Check the disk/)
  expect(JSON.parse((await tq(['queues', '--json'])).stdout)).toMatchObject({ queues: [{ name: 'celery', ready: 0 }] })
})
