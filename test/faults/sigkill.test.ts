import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const total = 1000

/** Late acknowledgement, a short lease; each run is a line on stdout and takes a moment, so that some always run. */
const appFile = `import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('killed', {
  taskAcksLate: true,
  brokerTransportOptions: { visibilityTimeout: 1, leaseMs: 1000 },
})
export const square = app.task('square', async (n: number) => {
  console.log('run ' + n)
  await pause(3)
  return n * n
})
`

async function killInTheMiddle(brokerUrl: string): Promise<void> {
  const project = makeProject({ 'app.ts': appFile })
  const app = new Tq('client', { brokerUrl })
  const calls = Array.from({ length: total }, (_, n) => app.sendTask<number>('square', [n]))
  const ids = (await Promise.all(calls)).map(({ id }) => id)
  const first = worker(project, brokerUrl, 'first')
  await waitFor(() => runs(first).length >= 150, { what: 'the middle of the tasks' })
  first.kill('SIGKILL')
  await first.exit
  const backend = await app.connections.backend()
  const done = async (): Promise<number> =>
    (await backend.fetch(ids)).filter((meta) => meta?.state === 'SUCCESS').length
  const before = await done()

  const second = worker(project, brokerUrl, 'second')
  await waitFor(async () => (await done()) === total, { what: 'all results', timeoutMs: 15_000 })

  expect(before).toBeGreaterThanOrEqual(100)
  expect(before).toBeLessThan(total)
  const metas = await backend.fetch(ids)
  expect(metas.map((meta) => [meta?.state, meta?.result])).toEqual(ids.map((_, n) => ['SUCCESS', n * n]))
  const repeated = runs(second).filter((n) => runs(first).includes(n))
  expect(repeated.length).toBeGreaterThan(0) // what it held in the middle of a run
  expect(new Set([...runs(first), ...runs(second)]).size).toBe(total)
  second.kill('SIGTERM')
  expect((await second.exit).code).toBe(0)
  const transport = await app.connections.transport()
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0, parked: 0 })
  await app.close()
}

function worker(project: Project, brokerUrl: string, name: string): RunningProcess {
  const args = ['worker', '-A', project.path('app.ts'), '-n', `${name}@kill`, '-c', '20', '-l', 'warn']
  return spawnBin('tq', args, { cwd: project.folder, env: { TQ_BROKER_URL: brokerUrl }, cleanEnv: true })
}

function runs(program: RunningProcess): readonly number[] {
  return [...program.stdout.matchAll(/^run (\d+)$/gm)].map(([, n]) => Number(n))
}

describe('a worker killed in the middle of 1,000 late-acknowledged tasks loses none', () => {
  test('on SQLite', async () => {
    const { folder } = makeProject({})

    await killInTheMiddle(`sqlite://${join(folder, 'tq.db')}`)
  }, 40_000)

  test.skipIf(!requireService('redis'))(
    'on Redis',
    async () => {
      const redis = await startRedis()

      await killInTheMiddle(redis.url)

      const exists = ['exists', 'celery', 'unacked', 'unacked_index']
      expect(execFileSync('redis-cli', ['-p', String(redis.port), ...exists], { encoding: 'utf8' })).toBe('0\n')
    },
    40_000,
  )
})
