import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RunResult } from '../helpers/process.ts'
import { spawnBin } from '../helpers/process.ts'
import { makeProject } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { shop } from './shop.ts'

// Each test starts several processes, one after the other.
vi.setConfig({ testTimeout: 40_000 })

interface Check {
  readonly level: string
  readonly what: string
  readonly says: string
  readonly todo?: string
}

function checksOf(run: RunResult): readonly Check[] {
  const { checks } = JSON.parse(run.stdout) as { readonly checks: readonly Check[] } // as tq doctor --json writes
  return checks
}

const app = `import { Tq } from 'tq-runtime'
export const app = new Tq('sample')
`

test('in a healthy project all is well', async () => {
  const { tq, worker } = shop()
  await worker()

  const run = await tq(['doctor'])

  expect(run.code).toBe(0)
  expect(run.stdout.split('\n').map((line) => line.slice(0, 18).trim())).toEqual([
    'ok    node',
    'ok    app',
    'ok    tasks',
    'ok    names',
    'ok    serializers',
    'ok    file',
    'ok    broker',
    'ok    results',
    'ok    workers',
    '',
  ])
  expect(run.stdout).toMatch(/ok {4}tasks {8}\d+ tasks from \d+ files/)
  expect(run.stdout).toContain('w1@test')
  expect(run.stderr).toBe('All is well.\n')
})

test('a task module that throws and a name that is defined twice fail, each with its place', async () => {
  const project = makeProject({
    'app.ts': app,
    'one.ts': `import { app } from './app.ts'\nexport const a = app.task('twice', () => 1)`,
    'two.ts': `import { app } from './app.ts'\nexport const b = app.task('twice', () => 2)`,
  })
  const { tq } = shop({}, project.folder)

  const run = await tq(['doctor', '--json', '--timeout', '0.1'])

  const failed = checksOf(run).filter(({ level }) => level === 'fail')
  expect(run.code).toBe(1)
  expect(failed.map(({ what }) => what)).toEqual(['tasks', 'names', 'names'])
  expect(failed[0]?.says).toMatch(/two\.ts.*'twice' is defined twice/)
  expect(failed.slice(1).map(({ says }) => says.split(':')[0])).toEqual(['one.ts', 'two.ts'])
})

test('a task that is in the source but not included is told', async () => {
  const project = makeProject({
    'app.ts': `import { Tq } from 'tq-runtime'\nexport const app = new Tq('sample', { include: ['./tasks/*.ts'] })\n`,
    'tasks/here.ts': `import { app } from '../app.ts'\nexport const a = app.task('here', () => 1)`,
    'elsewhere.ts': `import { app } from './app.ts'\nexport const b = app.task('elsewhere', () => 2)`,
  })
  const { tq } = shop({}, project.folder)

  const run = await tq(['doctor', '--json', '--timeout', '0.1'])

  expect(checksOf(run).find(({ level }) => level === 'warn')).toMatchObject({
    what: 'names',
    says: 'in the source but not registered: elsewhere',
    todo: expect.stringContaining('include'),
  })
})

test('a serializer that the workers refuse fails before a message is lost by it', async () => {
  const project = makeProject({
    'app.ts': `${app}export const a = app.task('packed', { serializer: 'msgpack' }, () => 1)`,
  })
  const { tq } = shop({}, project.folder)

  const run = await tq(['doctor', '--json', '--timeout', '0.1'])

  expect(checksOf(run).find(({ level }) => level === 'fail')).toEqual({
    level: 'fail',
    what: 'serializers',
    says: 'task packed writes msgpack, which acceptContent (json) refuses',
    todo: "Add 'msgpack' to acceptContent of every worker.",
  })
})

test('without a project it says so, and looks at the broker that the environment names', async () => {
  const project = makeProject({})
  const { tq } = shop({}, project.folder)

  const run = await tq(['doctor', '--json', '--timeout', '0.1'])

  const levels = Object.fromEntries(checksOf(run).map(({ what, level }) => [what, level]))
  expect(run.code).toBe(1)
  expect(levels).toMatchObject({ node: 'ok', app: 'fail', broker: 'ok' })
})

test('a broker that is not there fails with its name and without its password', async () => {
  const { tq } = shop({ TQ_BROKER_URL: 'redis://:secret@127.0.0.1:1/0' })

  const run = await tq(['doctor', '--json'])

  expect(checksOf(run).find(({ what }) => what === 'broker')).toMatchObject({
    level: 'fail',
    says: expect.stringContaining('127.0.0.1:1'),
  })
  expect(run.stdout + run.stderr).not.toContain('secret')
})

test('a stopped worker is told with its process, and does not keep others from the file', async () => {
  const { tq, worker } = shop()
  const stopped = await worker()
  const { pid } = stopped
  onTestFinished(() => stopped.kill('SIGCONT'))
  const state = (): string =>
    readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .slice(0, 1)
  const stop = (): boolean => {
    if (state() === 'T') return true
    stopped.kill('SIGTSTP') // again: it is nobody's to handle until just after the banner
    return false
  }
  await waitFor(stop, { what: 'the worker to stop' })

  const call = await tq(['call', 'math.add', '1', '2', '--no-wait'])
  const run = await tq(['doctor', '--json', '--timeout', '0.1'])

  expect(call.code).toBe(0)
  expect(checksOf(run).find(({ what }) => what === 'file')).toMatchObject({
    level: 'warn',
    todo: expect.stringContaining(`w1@test (process ${pid})`),
  })
})

describe('a damaged file', () => {
  test('fails with what to do, and --reset moves it aside with its log', async () => {
    const { db, tq } = shop()
    writeFileSync(db, 'not a database, but long enough to look at. '.repeat(100))
    writeFileSync(`${db}-wal`, 'its log')

    const run = await tq(['doctor', '--json', '--timeout', '0.1'])
    const reset = await tq(['doctor', '--reset'])
    const after = await tq(['queues', '--json'])

    expect(run.code).toBe(1)
    expect(checksOf(run).at(-1)).toMatchObject({
      what: 'file',
      level: 'fail',
      says: expect.stringContaining('--reset'),
    })
    expect(reset.code).toBe(0)
    const aside = readdirSync(dirname(db)).filter((name) => name.startsWith('tq.db.broken-'))
    const names = aside.map((name) => name.replace(/-\d{4}.*Z/, ''))
    expect(names).toEqual(expect.arrayContaining(['tq.db.broken', 'tq.db.broken-wal']))
    expect(after.code).toBe(0)
  })

  test('stays where it is while a process has it open', async () => {
    const { db, tq } = shop()
    await tq(['queues'])
    const holder = spawnBin('tq', ['events'], { env: { TQ_DB: db }, cleanEnv: true })
    await waitFor(() => holder.stderr.includes('Listening'), { what: 'the process that has it open' })
    const bytes = readFileSync(db)
    writeFileSync(db, Buffer.concat([Buffer.from('not a database'), bytes.subarray(14)]))

    const reset = await tq(['doctor', '--reset'])

    expect(reset.code).toBe(1)
    expect(reset.stderr).toContain(`is still open in process ${holder.pid}`)
    expect(existsSync(db)).toBe(true)
  })
})

test.each([
  ['a sound file', () => {}, /is sound; nothing was moved/],
  ["another program's file", (db: string) => new DatabaseSync(db).exec('create table notes (text)'), /another program/],
])('%s is not reset', async (_, make, said) => {
  const { db, tq } = shop()
  if (said.test('is sound; nothing was moved')) await tq(['queues'])
  make(db)

  const reset = await tq(['doctor', '--reset'])

  expect(reset.code).toBe(1)
  expect(reset.stderr).toMatch(said)
  expect(existsSync(db)).toBe(true)
})

test.skipIf(!requireService('redis'))(
  'on a server the clocks of the workers are compared, and tasks that a worker does not know are told',
  async () => {
    const redis = await startRedis()
    const project = makeProject({
      'app.ts': app,
      'tasks.ts': `import { app } from './app.ts'\nexport const a = app.task('old', () => 1)`,
    })
    const { tq, worker } = shop({ TQ_BROKER_URL: redis.url }, project.folder)
    await worker()
    project.write(
      'tasks.ts',
      `import { app } from './app.ts'\nexport const a = app.task('old', () => 1)\nexport const b = app.task('young', () => 2)`,
    )

    const run = await tq(['doctor', '--json'])

    const checks = checksOf(run)
    expect(checks).toContainEqual(expect.objectContaining({ level: 'ok', what: 'clock' }))
    expect(checks).toContainEqual({
      level: 'warn',
      what: 'workers',
      says: 'w1@test does not know young',
      todo: 'It runs older code: restart it.',
    })
  },
  30_000,
)
