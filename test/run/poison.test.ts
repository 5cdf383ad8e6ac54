import { existsSync, readFileSync } from 'node:fs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

// Several workers start and die, each in its own time.
vi.setConfig({ testTimeout: 200_000 })
const patience = { timeoutMs: 60_000 }

const appFile = `import { appendFileSync, existsSync } from 'node:fs'
import { Tq } from 'tq-runtime'
export const app = new Tq('poisoned', {
  taskAcksLate: true,
  taskWorkerLostLimit: 1,
  brokerTransportOptions: { visibilityTimeout: 1 },
})
const beside = (name: string) => new URL(name, import.meta.url)
app.task('poison', () => {
  if (existsSync(beside('antidote'))) return 'well'
  appendFileSync(beside('runs'), '.')
  process.kill(process.pid, 'SIGKILL')
})
`

test.skipIf(!requireService('redis'))(
  'a task that kills one worker after the other is set aside, and runs again when it is restored',
  async () => {
    const { url: brokerUrl } = await startRedis()
    const project = makeProject({ 'app.ts': appFile })
    const app = new Tq('client', { brokerUrl, logger: silentLogger })
    onTestFinished(() => app.close())
    const { quarantine } = await app.connections.transport()
    const worker = (): RunningProcess =>
      spawnBin('tq', ['worker', '-A', project.path('app.ts'), '-l', 'error'], {
        cwd: project.folder,
        env: { TQ_BROKER_URL: brokerUrl },
        cleanEnv: true,
      })
    const runs = (): string => (existsSync(project.path('runs')) ? readFileSync(project.path('runs'), 'utf8') : '')
    const result = await app.sendTask<string>('poison')

    // The first delivery is not counted: it may have waited there for its turn.
    const ends = [(await worker().exit).signal, (await worker().exit).signal]
    const third = worker()
    await expect(result.get({ timeout: 60 })).rejects.toMatchObject({
      type: 'WorkerLostError',
      message: expect.stringContaining('The process that ran it died (1 times)'),
    })
    const [kept] = await waitFor(
      async () => {
        const list = await quarantine.list(10)
        return list.length > 0 && list
      },
      { what: 'the message in quarantine', ...patience },
    )
    const before = runs()
    project.write('antidote', '')
    await quarantine.restore(kept?.id ?? '')

    await waitFor(async () => (await result.state()) === 'SUCCESS', { what: 'the run without harm', ...patience })
    expect(ends).toEqual(['SIGKILL', 'SIGKILL'])
    expect(before).toBe('..')
    expect(kept).toMatchObject({ queue: 'celery', reason: expect.stringContaining('(1 times)') })
    await third.stop()
  },
)
