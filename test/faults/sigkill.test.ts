import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const total = 1000
const killedAt = 300
const concurrency = 20

/** Late acknowledgement, a short lease; each run is a line on stdout. What comes after HANG_FROM never ends. */
const appFile = `import { Tq } from 'tq-runtime'
export const app = new Tq('killed', {
  taskAcksLate: true,
  brokerTransportOptions: { visibilityTimeout: 1, leaseMs: 1000 },
})
export const square = app.task('square', async (n: number) => {
  console.log('run ' + n)
  if (n >= Number(process.env['HANG_FROM'])) await new Promise(() => {})
  return n * n
})
`

async function killInTheMiddle(brokerUrl: string): Promise<void> {
  const project = makeProject({ 'app.ts': appFile })
  const app = new Tq('client', { brokerUrl })
  const calls = Array.from({ length: total }, (_, n) => app.sendTask<number>('square', [n]))
  const ids = (await Promise.all(calls)).map(({ id }) => id)
  const backend = await app.connections.backend()
  const done = async (): Promise<number> =>
    (await backend.fetch(ids)).filter((meta) => meta?.state === 'SUCCESS').length
  const first = worker(project, brokerUrl, 'first', { HANG_FROM: String(killedAt) })
  await waitFor(async () => runs(first).length === killedAt + concurrency && (await done()) === killedAt, {
    what: 'the middle of the tasks',
    timeoutMs: 60_000,
  })
  first.kill('SIGKILL')
  await first.exit

  const second = worker(project, brokerUrl, 'second')
  await waitFor(async () => (await done()) === total, { what: 'all results', timeoutMs: 60_000 })

  const metas = await backend.fetch(ids)
  expect(metas.map((meta) => [meta?.state, meta?.result])).toEqual(ids.map((_, n) => ['SUCCESS', n * n]))
  const repeated = runs(second).filter((n) => runs(first).includes(n))
  expect(repeated.length).toBe(concurrency) // what it held in the middle of a run
  expect(new Set([...runs(first), ...runs(second)]).size).toBe(total)
  second.kill('SIGTERM')
  expect((await second.exit).code).toBe(0)
  const transport = await app.connections.transport()
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0, parked: 0 })
  await app.close()
}

function worker(
  project: Project,
  brokerUrl: string,
  name: string,
  env: Readonly<Record<string, string>> = {},
): RunningProcess {
  const args = ['worker', '-A', project.path('app.ts'), '-n', `${name}@kill`, '-c', String(concurrency), '-l', 'warn']
  return spawnBin('tq', args, { cwd: project.folder, env: { TQ_BROKER_URL: brokerUrl, ...env }, cleanEnv: true })
}

function runs(program: RunningProcess): readonly number[] {
  return [...program.stdout.matchAll(/^run (\d+)$/gm)].map(([, n]) => Number(n))
}

describe('a worker killed in the middle of 1,000 late-acknowledged tasks loses none', () => {
  test('on SQLite', async () => {
    const { folder } = makeProject({})

    await killInTheMiddle(`sqlite://${join(folder, 'tq.db')}`)
  }, 120_000)

  test.skipIf(!requireService('redis'))(
    'on Redis',
    async () => {
      const redis = await startRedis()

      await killInTheMiddle(redis.url)

      const exists = ['exists', 'celery', 'unacked', 'unacked_index']
      expect(execFileSync('redis-cli', ['-p', String(redis.port), ...exists], { encoding: 'utf8' })).toBe('0\n')
    },
    120_000,
  )
})
