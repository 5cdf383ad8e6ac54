import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chord, Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const chords = 60
const parts = 5
const kills = 4

/** Late acknowledgement, a short lease; each part takes a moment, so that some always run. */
const appFile = `import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('killed', {
  taskAcksLate: true,
  workerRedirectStdouts: false,
  taskWorkerLostLimit: 0, // the same part may be hit each time
  brokerTransportOptions: { visibilityTimeout: 1, leaseMs: 1000 },
})
export const part = app.task('part', async (n: number) => {
  console.log('run ' + n)
  await pause(5) // several are under way when the worker is killed; nothing depends on how long
  return n
})
export const total = app.task('total', (ns: number[]) => ns.reduce((a, b) => a + b, 0))
`

/** Kills one worker after the other while the parts of many chords end; each body still has its one result. */
async function killWhileJoining(brokerUrl: string): Promise<void> {
  const project = makeProject({ 'app.ts': appFile })
  const app = new Tq('client', { brokerUrl })
  const part = app.external<(n: number) => number>('part')
  const total = app.external<(ns: readonly number[]) => number>('total')
  const numbers = Array.from({ length: parts }, (_, i) => i)
  const results = await Promise.all(
    Array.from({ length: chords }, (_, n) =>
      chord(
        numbers.map((i) => part.s(n * parts + i)),
        total.s(),
      ).delay(),
    ),
  )
  const all = app.resultSet(results)

  for (let kill = 0; kill < kills; kill++) {
    const doomed = worker(project, brokerUrl, `doomed${kill}`)
    await waitFor(() => runs(doomed) >= 20 || all.ready(), { what: 'some parts', timeoutMs: 60_000 })
    doomed.kill('SIGKILL')
    await doomed.exit
  }
  const survivor = worker(project, brokerUrl, 'survivor')
  const values = await all.get({ timeout: 90 })

  expect(values).toEqual(results.map((_, n) => numbers.reduce((sum, i) => sum + n * parts + i, 0)))
  survivor.kill('SIGTERM')
  await survivor.exit
  await app.close()
}

function worker(project: Project, brokerUrl: string, name: string): RunningProcess {
  const args = ['worker', '-A', project.path('app.ts'), '-n', `${name}@kill`, '-c', '10', '-l', 'error']
  return spawnBin('tq', args, { cwd: project.folder, env: { TQ_BROKER_URL: brokerUrl }, cleanEnv: true })
}

function runs(program: RunningProcess): number {
  return program.stdout.split('\n').length
}

describe('workers killed while chords are joined leave no body without its result', () => {
  test('on SQLite', async () => {
    const { folder } = makeProject({})

    await killWhileJoining(`sqlite://${join(folder, 'tq.db')}`)
  }, 120_000)

  test.skipIf(!requireService('redis'))(
    'on Redis',
    async () => {
      await killWhileJoining((await startRedis()).url)
    },
    300_000,
  )
})
