import { writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'
import type { FaultBroker } from './fault-broker.ts'

/**
 * Late acknowledgement. A run is a line on stdout, and its result says which run it was. Tasks from `HOLD_FROM` on end when the gate
 * is open, and not before: so trouble that comes before `openGate` always finds some running, however slow or fast the machine.
 */
export function squareApp(options = ''): string {
  return `import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('troubled', { taskAcksLate: true, workerRedirectStdouts: false, brokerNativeDelayedDeliveryQueueType: 'classic', ${options} })
const gate = new URL('gate-is-open', import.meta.url)
const holdFrom = Number(process.env['HOLD_FROM'] ?? Infinity)
let count = 0
export const square = app.task('square', async (n) => {
  console.log('run ' + n)
  const run = process.pid + ':' + count++
  // Long enough to be several at a time, as tasks that wait for a server are; nothing depends on how long.
  await pause(3)
  while (n >= holdFrom && !existsSync(gate)) await pause(20) // until the test opens the gate
  return { square: n * n, run }
})
`
}

/** A project of such workers. */
export function squareProject(options = '', files: Readonly<Record<string, string>> = {}): Project {
  return makeProject({ 'app.js': squareApp(options), ...files })
}

export function openGate(project: Project): void {
  writeFileSync(project.path('gate-is-open'), '')
}

export interface WorkerOptions {
  readonly name?: string
  /** 20 when left out. */
  readonly concurrency?: number
  /** The first task that waits for the gate; none when left out. */
  readonly holdFrom?: number
}

export function startWorker(
  project: Project,
  urls: Pick<FaultBroker, 'brokerUrl' | 'resultUrl'>,
  { name = 'first', concurrency = 20, holdFrom }: WorkerOptions = {},
): RunningProcess {
  const args = [
    'worker',
    '-A',
    project.path('app.js'),
    '-n',
    `${name}@trouble`,
    '-c',
    String(concurrency),
    '-l',
    'warn',
  ]
  return spawnBin('tq', args, {
    cwd: project.folder,
    env: {
      TQ_BROKER_URL: urls.brokerUrl,
      TQ_RESULT_BACKEND: urls.resultUrl,
      HOLD_FROM: holdFrom === undefined ? undefined : String(holdFrom),
    },
    cleanEnv: true,
  })
}

/** What it has run so far, each as often as it did. */
export function runs(program: RunningProcess): readonly number[] {
  return [...program.stdout.matchAll(/^run (\d+)$/gm)].map(([, n]) => Number(n))
}

/** Resolves when its runs are as wanted. Rejects with what it says when it ends before, or does not come to that. */
export async function whenRuns(
  program: RunningProcess,
  wanted: (runs: readonly number[]) => boolean,
  timeoutMs = 60_000,
): Promise<void> {
  const said = (): string => `${program.stdout.slice(-1000)}${program.stderr.slice(-4000)}`
  await Promise.race([
    waitFor(() => wanted(runs(program)), { what: 'the runs', timeoutMs }).catch((cause: unknown) => {
      throw new Error(`The worker has ${runs(program).length} runs: not what was waited for.\n${said()}`, { cause })
    }),
    program.exit.then(() => {
      throw new Error(`The worker ended after ${runs(program).length} runs.\n${said()}`)
    }),
  ])
}

/** Resolves when it has begun so many runs. */
export function inTheMiddle(program: RunningProcess, count: number): Promise<void> {
  return whenRuns(program, (some) => some.length >= count)
}

/** The worker is well: it ends when it is told to, without an error. */
export async function ends(program: RunningProcess): Promise<void> {
  program.kill('SIGTERM')
  const { code, signal } = await program.exit
  expect({ code, signal }, program.stderr.slice(-4000)).toEqual({ code: 0, signal: null })
}

/** Kills it without a goodbye, with all that it started. */
export async function kill(program: RunningProcess): Promise<void> {
  process.kill(-program.pid, 'SIGKILL')
  await program.exit
}
