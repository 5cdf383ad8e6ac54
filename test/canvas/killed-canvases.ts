import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'
import { checkCanvases, given } from './check-canvases.ts'
import { defineSteps } from './steps.ts'

export interface KillPlan {
  readonly brokerUrl: string
  readonly resultBackend: string
  readonly kills: number
}

const steps = fileURLToPath(new URL('steps.ts', import.meta.url))
const canvasesPerKill = 4
const longestPauseMs = 40

// Late acknowledgement: early, a kill loses the task that runs, as in Celery.
const appFile = `import { Tq } from 'tq-runtime'
import { defineSteps } from ${JSON.stringify(steps)}
export const app = new Tq('canvases', {
  taskAcksLate: true,
  chordSweepInterval: 0.5,
  brokerTransportOptions: { visibilityTimeout: 1, leaseMs: 1000 },
})
defineSteps(app)
`

/**
 * Two workers as processes; every few canvases one of them is killed at some moment while the canvas runs, and replaced. Each canvas gives
 * what the oracle says. Resolves with the number of kills.
 */
export async function killWhileRunning(plan: KillPlan): Promise<number> {
  const { brokerUrl, resultBackend } = plan
  const project = makeProject({ 'app.ts': appFile })
  const app = new Tq('canvases', { brokerUrl, resultBackend, logger: silentLogger })
  onTestFinished(() => app.close())
  defineSteps(app)
  const running = [startWorker(project, plan, 0), startWorker(project, plan, 1)]
  let killed = 0
  const killOne = async (): Promise<void> => {
    // Any moment will do, and how long this is decides nothing: what has to hold does so at each.
    await pause(Math.random() * longestPauseMs)
    const doomed = running.shift()
    doomed?.kill('SIGKILL')
    await doomed?.exit
    await doomed?.stop(0)
    running.push(startWorker(project, plan, ++killed + 1))
  }

  await checkCanvases('killed workers', plan.kills * canvasesPerKill, async (canvas, run) => {
    const kills = run % canvasesPerKill === 1 && killed < plan.kills
    return given(app, canvas, undefined, kills ? killOne : undefined)
  })

  // One that was started last may not even hear signals yet: the others have done its work.
  const limit = running.length
  await waitFor(async () => Object.keys(await app.control.ping({ limit })).length === limit, {
    what: 'the workers that replaced others',
    timeoutMs: 200_000,
  })
  for (const worker of running) {
    worker.kill('SIGTERM')
    expect((await worker.exit).code).toBe(0)
  }
  return killed
}

function startWorker(project: Project, plan: KillPlan, n: number): RunningProcess {
  return spawnBin('tq', ['worker', '-A', project.path('app.ts'), '-n', `w${n}@kill`, '-c', '10', '-l', 'error'], {
    cwd: project.folder,
    env: { TQ_BROKER_URL: plan.brokerUrl, TQ_RESULT_BACKEND: plan.resultBackend },
    cleanEnv: true,
  })
}
