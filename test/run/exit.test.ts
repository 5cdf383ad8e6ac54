import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { spawnBin } from '../helpers/process.ts'
import { makeProject } from '../helpers/project.ts'

// A worker starts in its own time.
vi.setConfig({ testTimeout: 60_000 })

const appFile = `import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('leaving')
app.task('leave', () => process.exit(7))
app.task('leave.caught', () => {
  try {
    process.exit(7)
  } catch {}
  return 'stayed'
})
app.task('leave.later', async () => {
  setImmediate(() => process.exit(7))
  await pause(60_000) // never ends: the exit does it
})
app.task('stay', () => process.pid)
`

test('process.exit inside a task of an in-process pool fails the task, not the worker', async () => {
  const project = makeProject({ 'app.ts': appFile })
  const brokerUrl = `sqlite://${join(project.folder, 'tq.db')}`
  const app = new Tq('client', { brokerUrl, logger: silentLogger })
  onTestFinished(() => app.close())
  const worker = spawnBin('tq', ['worker', '-A', project.path('app.ts')], {
    cwd: project.folder,
    env: { TQ_BROKER_URL: brokerUrl },
    cleanEnv: true,
  })

  for (const name of ['leave', 'leave.caught', 'leave.later']) {
    await expect((await app.sendTask(name)).get({ timeout: 50 }), name).rejects.toMatchObject({
      type: 'Error',
      message: expect.stringContaining('process.exit(7) was called inside a task'),
    })
  }
  expect(await (await app.sendTask('stay')).get({ timeout: 50 })).toBe(worker.pid)
})
