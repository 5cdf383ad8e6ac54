import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import type { ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import { isReady } from '../../runtime/src/core/states.ts'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { signalGroup } from '../helpers/process-group.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { Dice } from '../bench/source-text.ts'
import { waitFor } from '../helpers/wait.ts'

/** What is done to the workers, and with how much work. */
export interface KillPlan {
  readonly brokerUrl: string
  readonly resultBackend: string
  readonly tasks: number
  /** SIGKILLs of whole process groups: a worker and its children. */
  readonly kills: number
  /** A worker is killed so long after it was seen at work, at most. */
  readonly withinMs: number
  readonly seed: number
}

/** What happened meanwhile; all that was promised is checked already. */
export interface KillReport {
  readonly kills: number
  readonly runs: number
  /** Tasks that ran more than once. */
  readonly repeated: number
}

// Late acknowledgement, a short lease. Each run leaves its id and whose run it is before it works: its result has to be one of these.
const appFile = `import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('killed', {
  taskAcksLate: true,
  taskRejectOnWorkerLost: true,
  taskWorkerLostLimit: 0, // no task is to blame here
  brokerTransportOptions: { visibilityTimeout: 2, leaseMs: 2000 },
})
const log = new URL('runs-' + process.pid + '-' + process.ppid, import.meta.url)
let run = 0
export const work = app.task('work', async (n: number) => {
  const mine = n + ':' + process.pid + ':' + run++
  appendFileSync(log, mine + '\\n')
  await pause((n % 10) * 10) // so that kills find tasks in the middle
  return mine
})
`

const workers = [
  ['async-1', '-P', 'async', '-c', '10'],
  ['async-2', '-P', 'async', '-c', '10'],
  ['prefork', '-P', 'prefork', '-c', '2'],
] as const

const patienceMs = 20 * 60_000
const startMs = 120_000

/**
 * Three workers, each killed with its children again and again while tasks come in. Then: every task has one final result that was
 * never another one, it is that of one of its runs, and nothing is left in the queue or with anybody.
 */
export async function killWorkers(plan: KillPlan): Promise<KillReport> {
  const project = makeProject({ 'app.ts': appFile })
  const { brokerUrl, resultBackend } = plan
  const app = new Tq('client', { brokerUrl, resultBackend, logger: silentLogger })
  onTestFinished(() => app.close())
  const results = new Results(await app.connections.backend())
  const dice = new Dice(plan.seed)
  const running: RunningProcess[] = []
  let killed = 0
  let sent = 0
  // So many at each kill: there is work at any time, and it lasts as long as there are kills.
  const share = Math.ceil(plan.tasks / (plan.kills + 4))
  const send = async (count: number): Promise<void> => {
    const from = sent
    sent = Math.min(plan.tasks, sent + count)
    const calls = Array.from({ length: sent - from }, (_, at) => app.sendTask<string>('work', [from + at]))
    for (const [at, { id }] of (await Promise.all(calls)).entries()) results.expect(id, from + at)
  }
  const live = async ([name, ...flags]: (typeof workers)[number]): Promise<void> => {
    for (;;) {
      const worker = startWorker(project, plan, name, flags)
      await waitFor(
        async () => {
          if (isAtWork(project, worker)) return true
          if ((await results.look()) < sent) return false
          await send(share)
          return sent === plan.tasks && results.done === sent
        },
        { what: `a run of ${name}`, timeoutMs: startMs },
      )
      await pause(dice.next() * plan.withinMs) // the kill comes at any moment; how long this is decides nothing
      if (killed >= plan.kills) return void running.push(worker)
      killed++
      signalGroup(worker.pid, 'SIGKILL')
      await worker.stop(0)
      await send(share)
    }
  }

  await send(4 * share)
  await Promise.all(workers.map(live))
  await send(plan.tasks)
  await waitFor(async () => (await results.look()) === plan.tasks, { what: 'all results', timeoutMs: patienceMs })

  const runs = runsOf(project)
  const { changed, strange } = await results.check(runs)
  expect({ changed, strange }).toEqual({ changed: [], strange: [] })
  const transport = await app.connections.transport()
  // What ran twice is delivered once more and acknowledged.
  await waitFor(
    async () => {
      const { ready, held, parked } = await transport.queueInfo('celery')
      return ready + held + parked === 0
    },
    { what: 'an empty queue', timeoutMs: startMs },
  )
  expect(await transport.quarantine.list(10)).toEqual([])
  for (const worker of running) await worker.stop()
  expect((await results.check(runsOf(project))).changed).toEqual([])
  const all = [...runsOf(project).values()]
  return { kills: killed, runs: all.flat().length, repeated: all.filter((of) => of.length > 1).length }
}

/** What is stored of each task, and whether it stays as it was first seen. */
class Results {
  readonly #backend: ResultBackend
  readonly #numbers = new Map<string, number>()
  readonly #first = new Map<string, unknown>()

  constructor(backend: ResultBackend) {
    this.#backend = backend
  }

  get done(): number {
    return this.#first.size
  }

  expect(id: string, n: number): void {
    this.#numbers.set(id, n)
  }

  /** How many have a final result. */
  async look(): Promise<number> {
    const open = [...this.#numbers.keys()].filter((id) => !this.#first.has(id))
    for (const [id, end] of await this.#ends(open)) if (end !== undefined) this.#first.set(id, end)
    return this.done
  }

  /** Tasks whose result was another one when it was first seen, and tasks whose result no run of theirs gave. */
  async check(runs: ReadonlyMap<number, readonly string[]>): Promise<{ changed: unknown[]; strange: unknown[] }> {
    const now = await this.#ends([...this.#first.keys()])
    const changed = now.filter(([id, end]) => end !== this.#first.get(id))
    const strange = now.filter(([id, end]) => !runs.get(this.#numbers.get(id) ?? -1)?.some((run) => run === end))
    return { changed, strange }
  }

  async #ends(ids: readonly string[]): Promise<[string, unknown][]> {
    const ends: [string, unknown][] = []
    for (let from = 0; from < ids.length; from += 1000) {
      const some = ids.slice(from, from + 1000)
      const metas = await this.#backend.fetch(some)
      for (const [at, id] of some.entries()) {
        const meta = metas[at]
        if (meta?.state === 'SUCCESS') ends.push([id, meta.result])
        else if (meta && isReady(meta.state)) ends.push([id, `${meta.state} ${JSON.stringify(meta.error)}`])
        else ends.push([id, undefined])
      }
    }
    return ends
  }
}

function startWorker(project: Project, plan: KillPlan, name: string, flags: readonly string[]): RunningProcess {
  const args = ['worker', '-A', project.path('app.ts'), '-n', `${name}@kill`, '-l', 'warn', ...flags]
  const env = { TQ_BROKER_URL: plan.brokerUrl, TQ_RESULT_BACKEND: plan.resultBackend }
  return spawnBin('tq', args, { cwd: project.folder, env, cleanEnv: true, mayLeaveChildren: true })
}

function runFiles(project: Project): readonly string[] {
  return readdirSync(project.folder).filter((file) => file.startsWith('runs-'))
}

/** It, or a child of it, has begun a task. */
function isAtWork(project: Project, { pid }: RunningProcess): boolean {
  return runFiles(project).some((file) => file.split('-').slice(1).includes(String(pid)))
}

/** The runs of each task. The last line of one that was killed may be cut. */
function runsOf(project: Project): ReadonlyMap<number, readonly string[]> {
  const runs = new Map<number, string[]>()
  for (const file of runFiles(project)) {
    for (const run of readFileSync(join(project.folder, file), 'utf8').split('\n').slice(0, -1)) {
      const n = Number(run.split(':')[0])
      runs.set(n, [...(runs.get(n) ?? []), run])
    }
  }
  return runs
}
