import { expect, onTestFinished } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { Tq } from '../../runtime/src/index.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import type { Project } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'

/** Late acknowledgement. A run is a line on stdout and takes a moment; its result says which run it was. */
export function squareApp(options = '', pauseMs = 3): string {
  return `import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('troubled', { taskAcksLate: true, ${options} })
let count = 0
export const square = app.task('square', async (n) => {
  console.log('run ' + n)
  const run = process.pid + ':' + count++
  await pause(${pauseMs})
  return { square: n * n, run }
})
`
}

/** Knows every task that was sent, where it is, and whether a result that was final has changed. */
export class Ledger {
  readonly app: Tq
  readonly ids: string[] = []
  /** Ids whose result became another one after SUCCESS. */
  readonly changed: string[] = []
  readonly #first = new Map<string, string>()
  readonly #connection: RedisConnection

  private constructor(app: Tq, connection: RedisConnection) {
    this.app = app
    this.#connection = connection
  }

  /** `url` leads to the server itself, not by way of a proxy. */
  static async open(url: string): Promise<Ledger> {
    const app = new Tq('client', { brokerUrl: url, logger: silentLogger })
    const connection = new RedisConnection(url, { clock: systemClock, logger: silentLogger })
    onTestFinished(async () => {
      await app.close()
      await connection.close()
    })
    await connection.connect()
    const ledger = new Ledger(app, connection)
    await connection.listener.psubscribe('celery-task-meta-*', (text) => ledger.#note(text))
    return ledger
  }

  /** Sends so many more; what is refused is sent again, under another id. */
  async send(total: number, app = this.app): Promise<void> {
    const from = this.ids.length
    const one = async (n: number): Promise<string> => {
      for (let tries = 1; ; tries++) {
        try {
          return (await app.sendTask('square', [n])).id
        } catch (error) {
          if (tries === 20) throw error
        }
      }
    }
    this.ids.push(...(await Promise.all(Array.from({ length: total }, (_, n) => one(from + n)))))
  }

  /** How many have their result. */
  async done(): Promise<number> {
    const metas = await (await this.app.connections.backend()).fetch(this.ids)
    return metas.filter((meta) => meta?.state === 'SUCCESS').length
  }

  async allDone(timeoutMs = 30_000): Promise<void> {
    await waitFor(async () => (await this.done()) === this.ids.length, { what: 'all results', timeoutMs })
  }

  /** Ids that have no final state and that no queue, holder or quarantine has. */
  async missing(): Promise<string[]> {
    const transport = await this.app.connections.transport()
    const metas = await (await this.app.connections.backend()).fetch(this.ids)
    const found = new Set(this.ids.filter((_, at) => metas[at]?.state === 'SUCCESS'))
    for (const state of ['ready', 'held', 'parked'] as const) {
      for (const raw of await transport.peek('celery', { limit: 100_000, state })) found.add(String(raw.headers['id']))
    }
    for (const { raw } of await transport.quarantine.list(1000)) found.add(String(raw.headers['id']))
    return this.ids.filter((id) => !found.has(id))
  }

  /** The end of every trouble: nobody is missing, each has the right result, none has changed, nothing is left over. */
  async settled(programs: readonly RunningProcess[]): Promise<void> {
    const metas = await (await this.app.connections.backend()).fetch(this.ids)
    expect(await this.missing()).toEqual([])
    expect(metas.map((meta) => (meta?.result as { square?: number } | undefined)?.square)).toEqual(
      this.ids.map((_, n) => n * n),
    )
    const ran = new Set(programs.flatMap(runs))
    expect(this.ids.filter((_, n) => !ran.has(n))).toEqual([])
    for (const text of await this.#documents()) this.#note(text)
    expect(this.changed).toEqual([])
    const transport = await this.app.connections.transport()
    await waitFor(
      async () => {
        const { ready, held, parked } = await transport.queueInfo('celery')
        return ready + held + parked === 0
      },
      { what: 'an empty queue' },
    )
    expect(await this.#connection.call('EXISTS', 'unacked', 'unacked_index')).toBe(0)
  }

  /** Whether the queue is empty, nobody is missing, and some are still held. */
  async isAllHeld(): Promise<boolean> {
    const { ready, held } = await (await this.app.connections.transport()).queueInfo('celery')
    return ready === 0 && held > 0 && (await this.missing()).length === 0
  }

  /** Whether everything that is held has been held for so long. */
  async leasesAreOver(leaseMs: number): Promise<boolean> {
    const since = (systemClock.now() - leaseMs) / 1000
    return (await this.#connection.call('ZCOUNT', 'unacked_index', since, '+inf')) === 0
  }

  async #documents(): Promise<string[]> {
    const keys = this.ids.map((id) => `celery-task-meta-${id}`)
    return ((await this.#connection.call('MGET', ...keys)) as (string | null)[]).filter((text) => text !== null)
  }

  #note(text: string): void {
    const document = JSON.parse(text) as { readonly task_id: string; readonly status: string }
    const first = this.#first.get(document.task_id)
    if (first === undefined && document.status === 'SUCCESS') this.#first.set(document.task_id, text)
    if (first !== undefined && first !== text) this.changed.push(document.task_id)
  }
}

/** A worker on the project's app.js, with the broker where `url` says. */
export function startWorker(project: Project, url: string, name = 'first', concurrency = 20): RunningProcess {
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
  return spawnBin('tq', args, { cwd: project.folder, env: { TQ_BROKER_URL: url }, cleanEnv: true })
}

/** What it has run so far, each as often as it did. */
export function runs(program: RunningProcess): readonly number[] {
  return [...program.stdout.matchAll(/^run (\d+)$/gm)].map(([, n]) => Number(n))
}

/** Resolves when it has begun so many runs. Rejects with what it says when it ends before, or does not come to that. */
export async function inTheMiddle(program: RunningProcess, count: number): Promise<void> {
  const said = (): string => `${program.stdout.slice(-1000)}${program.stderr.slice(-4000)}`
  await Promise.race([
    waitFor(() => runs(program).length >= count, { what: 'the middle of the tasks', timeoutMs: 60_000 }).catch(
      (cause: unknown) => {
        throw new Error(`The worker is at run ${runs(program).length} of ${count}.\n${said()}`, { cause })
      },
    ),
    program.exit.then(() => {
      throw new Error(`The worker ended before run ${count}.\n${said()}`)
    }),
  ])
}

/** The worker is well: it ends when it is told to, without an error. */
export async function ends(program: RunningProcess): Promise<void> {
  program.kill('SIGTERM')
  expect((await program.exit).code).toBe(0)
}
