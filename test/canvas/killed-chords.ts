import { readdirSync, readFileSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'
import { chord, silentLogger, Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'

/** Where a worker dies while the last step of a part is under way. */
export const places = ['stored', 'counted', 'sent'] as const
export type Place = (typeof places)[number]

export interface KillPlan {
  readonly brokerUrl: string
  readonly resultBackend: string
  /** Late acknowledgement; early, and one task at a time, where false: nothing is delivered again then. */
  readonly acksLate: boolean
  /** At each place. */
  readonly kills: number
}

export interface KillReport {
  readonly kills: Readonly<Record<Place, number>>
  /** Bodies that ran more than once; each has one result all the same. */
  readonly repeated: number
}

const parts = 4
const patienceMs = 20 * 60_000

/**
 * The worker's result backend is wrapped: at the place that DIE_AT names it kills its own process. `stored`: the part has its result
 * and is not counted; `counted`: it was the last, and the body is not sent; `sent`: the body is, and the chord is not closed.
 */
const appFile = (acksLate: boolean): string => `import { appendFileSync, writeSync } from 'node:fs'
import { Tq } from 'tq-runtime'
const place = process.env['DIE_AT']
export const app = new Tq('killed', {
  taskAcksLate: ${acksLate},
  // Acknowledged early, a task that runs while its process dies of something else is lost, as in Celery: then nothing else is to die of.
  chordSweepInterval: place !== undefined && !${acksLate} ? 0 : 0.2,
  brokerTransportOptions: { visibilityTimeout: 1, leaseMs: 1000 },
})
const die = (place: string) => {
  writeSync(1, 'died ' + place + '\\n')
  process.kill(process.pid, 'SIGKILL')
}
let left = Number(process.env['DIE_AFTER'] ?? 0)
const isDue = (here: string) => here === place && left-- <= 0
const open = app.connections.backend.bind(app.connections)
let wrapped: ReturnType<typeof open> | undefined
app.connections.backend = () => (wrapped ??= open().then((inner) => new Proxy(inner, {
  get: (target, name) => {
    if (name === 'joinChord') return async (chord, part, options) => {
      if (options.storesResult && isDue('stored')) {
        await target.store([part.meta], options)
        die('stored')
      }
      const joined = await target.joinChord(chord, part, options)
      if (joined !== 'waiting' && isDue('counted')) die('counted')
      return joined
    }
    if (name === 'closeChord') return async (chord) => {
      if (isDue('sent')) die('sent')
      return target.closeChord(chord)
    }
    const value = Reflect.get(target, name)
    return typeof value === 'function' ? value.bind(target) : value
  },
})))
const log = new URL('bodies-' + process.pid, import.meta.url)
let run = 0
export const part = app.task('part', (n: number) => n)
export const total = app.task('total', (ns: number[]) => {
  const mine = process.pid + ':' + run++
  appendFileSync(log, mine + '\\n')
  return { sum: ns.reduce((a, b) => a + b, 0), mine }
})
`

/** Kills workers at each place, one after the other, while chords run; then every body has its one result, and kept the first. */
export async function killAtPlaces(plan: KillPlan): Promise<KillReport> {
  const project = makeProject({ 'app.ts': appFile(plan.acksLate) })
  const { brokerUrl, resultBackend } = plan
  const app = new Tq('client', { brokerUrl, resultBackend, logger: silentLogger })
  onTestFinished(() => app.close())
  const chords = new Chords(app)
  const kills: Record<Place, number> = { stored: 0, counted: 0, sent: 0 }
  const wanted = places.flatMap((place) => Array.from({ length: plan.kills }, (_, n) => ({ place, after: n % 3 })))

  const survivor = startWorker(project, plan)
  // Two at a time: what one leaves, the other may take up, and die of it too.
  const next = async (): Promise<void> => {
    for (let one = wanted.shift(); one; one = wanted.shift()) {
      const { place, after } = one
      const worker = startWorker(project, plan, { DIE_AT: place, DIE_AFTER: String(after) })
      let ended = false
      void worker.exit.then(() => {
        ended = true
      })
      await waitFor(
        async () => {
          if (!ended && (await chords.open()) <= 4) await chords.send(4)
          return ended
        },
        { what: `the end of a worker at '${place}'`, timeoutMs: patienceMs },
      )
      expect(worker.stdout + worker.stderr).toContain(`died ${place}`)
      kills[place]++
      await worker.stop(0)
    }
  }
  await chords.send(4)
  await Promise.all([next(), next()])
  await waitFor(async () => (await chords.open()) === 0, { what: 'every body', timeoutMs: patienceMs })

  await waitFor(() => chords.areClosed(), { what: 'every chord to be closed', timeoutMs: patienceMs })
  await chords.check()
  // Others may have done all of the work before it was there.
  await waitFor(async () => Object.keys(await app.control.ping({ limit: 1 })).length === 1, {
    what: 'the worker that nobody kills',
    timeoutMs: patienceMs,
  })
  survivor.kill('SIGTERM')
  expect((await survivor.exit).code).toBe(0)
  await chords.check()
  return { kills, repeated: chords.runs(project) - chords.size }
}

/** The chords that were sent, and what was first seen of each body. */
class Chords {
  readonly #app: Tq
  readonly #sums = new Map<string, number>()
  readonly #groups: string[] = []
  readonly #first = new Map<string, unknown>()

  constructor(app: Tq) {
    this.#app = app
  }

  get size(): number {
    return this.#sums.size
  }

  async send(count: number): Promise<void> {
    const part = this.#app.external<(n: number) => number>('part')
    const total = this.#app.external<(ns: readonly number[]) => number>('total')
    for (let n = 0; n < count; n++) {
      const numbers = Array.from({ length: parts }, (_, i) => this.#sums.size * parts + i)
      const header = numbers.map((i) => part.s(i))
      const { id, parent } = await chord(header, total.s()).delay()
      const sum = numbers.reduce((a, b) => a + b, 0)
      this.#sums.set(id, sum)
      if (parent) this.#groups.push(parent.id)
    }
  }

  /** How many have no final result yet. */
  async open(): Promise<number> {
    const waiting = [...this.#sums.keys()].filter((id) => !this.#first.has(id))
    const backend = await this.#app.connections.backend()
    for (const meta of await backend.fetch(waiting)) {
      if (meta?.state === 'SUCCESS' || meta?.state === 'FAILURE') this.#first.set(meta.id, meta.result)
    }
    return this.#sums.size - this.#first.size
  }

  async areClosed(): Promise<boolean> {
    const backend = await this.#app.connections.backend()
    for (const groupId of this.#groups) {
      // A part that came again afterwards has no number of parts to wait for.
      if ((await backend.chordRecord({ groupId }))?.size !== undefined) return false
    }
    return this.#groups.length === this.#sums.size
  }

  /** One result each, the right one, and still the one that was seen first. */
  async check(): Promise<void> {
    const ids = [...this.#sums.keys()]
    const backend = await this.#app.connections.backend()
    const metas = await backend.fetch(ids)
    expect(metas.map((meta) => [meta?.state, meta?.result])).toEqual(ids.map((id) => ['SUCCESS', this.#first.get(id)]))
    expect(metas.map((meta) => meta?.result)).toMatchObject(ids.map((id) => ({ sum: this.#sums.get(id) })))
  }

  /** Runs of bodies in all processes. */
  runs(project: Project): number {
    const logs = readdirSync(project.folder).filter((name) => name.startsWith('bodies-'))
    const lines = logs.flatMap((name) => readFileSync(project.path(name), 'utf8').trim().split('\n'))
    return lines.length
  }
}

let started = 0

function startWorker(project: Project, plan: KillPlan, env: Readonly<Record<string, string>> = {}): RunningProcess {
  // Acknowledged early, what a process holds at its end is lost: that is one task, and it has ended when the process dies.
  const slots = plan.acksLate ? '4' : '1'
  return spawnBin(
    'tq',
    ['worker', '-A', project.path('app.ts'), '-n', `w${started++}@kill`, '-c', slots, '-l', 'error'],
    {
      cwd: project.folder,
      env: { TQ_BROKER_URL: plan.brokerUrl, TQ_RESULT_BACKEND: plan.resultBackend, ...env },
      cleanEnv: true,
    },
  )
}
