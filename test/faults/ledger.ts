import { expect, onTestFinished } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { randomId } from '../../runtime/src/core/id.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { Tq, type TqOptions } from '../../runtime/src/index.ts'
import { toQueue } from '../helpers/messages.ts'
import type { RunningProcess } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import type { FaultBroker } from './fault-broker.ts'
import { ends, runs } from './square-worker.ts'

const queue = 'celery'
const hourMs = 3_600_000
/** Refusals of one message that its sender puts up with. */
const patience = 50

/** What a trouble came to. */
export interface Figures {
  readonly tasks: number
  readonly runs: number
  /** Runs beyond the first one of a task. */
  readonly repeated: number
}

/**
 * The one checker of all faults. It knows every id that was sent: squares, which are to be run; parked ones, due in an hour; broken
 * ones, which no worker can read. `closed` is what must be true of them however the trouble went.
 */
export class Ledger {
  readonly app: Tq
  /** Of the squares: the task at `n` computes `n * n`. */
  readonly ids: string[] = []
  readonly #broker: FaultBroker
  readonly #parked: string[] = []
  readonly #broken: string[] = []
  /** Somebody deleted these together with their queue. */
  readonly #deleted = new Set<string>()
  readonly #first = new Map<string, string>()
  readonly #changed = new Set<string>()
  readonly #open = new Set<string>()

  private constructor(broker: FaultBroker, app: Tq) {
    this.#broker = broker
    this.app = app
  }

  /** Its own app goes straight to the server. */
  static async open(broker: FaultBroker): Promise<Ledger> {
    const ledger = new Ledger(broker, clientOf(broker))
    const transport = await ledger.app.connections.transport()
    await transport.queueInfo(queue) // SQLite makes its file
    await broker.watchResults((text) => ledger.#note(text))
    return ledger
  }

  /** Sends so many squares more. What is refused is sent again as it is, as a careful client does. */
  async send(total: number, app = this.app): Promise<void> {
    const from = this.ids.length
    const fresh = Array.from({ length: total }, () => randomId())
    this.ids.push(...fresh)
    for (const id of fresh) this.#open.add(id)
    // In their order but for a few: the first are to be run before those that wait for the gate.
    for (let start = 0; start < total; start += 50) {
      const some = fresh.slice(start, start + 50)
      await Promise.all(
        some.map((id, at) => persist(() => app.sendTask('square', [from + start + at], {}, { taskId: id }))),
      )
    }
  }

  /** Some that wait in the broker to the end, and some that end in quarantine. */
  async sendOthers(count: number): Promise<void> {
    const transport = await this.app.connections.transport()
    for (let at = 0; at < count; at++) {
      const [later, broken] = [randomId(), randomId()]
      await this.app.sendTask('square', [0], {}, { taskId: later, eta: new Date(systemClock.now() + hourMs) })
      this.#parked.push(later)
      const body = new TextEncoder().encode('{"cut off')
      await transport.publish([toQueue(queue, broken, { body, headers: { id: broken, task: 'square' } })])
      this.#broken.push(broken)
    }
  }

  /** They were in a queue that somebody deleted. */
  deleted(ids: readonly string[]): void {
    for (const id of ids) {
      this.#deleted.add(id)
      this.#open.delete(id)
    }
  }

  /** Whether squares are still without their result. Waits for a store that is not back yet. */
  async isUnderWay(): Promise<boolean> {
    const answer = await waitFor(async () => ({ open: await this.#countOpen() }), {
      what: 'the results',
      timeoutMs: 60_000,
    })
    return answer.open > 0
  }

  /** Resolves when every square that nobody deleted has its result. Rejects with what the programs that live say. */
  async allDone(workers: readonly RunningProcess[], timeoutMs = 120_000): Promise<void> {
    const wanted = this.ids.length - this.#deleted.size
    await Promise.race([
      waitFor(async () => (await this.#countOpen()) === 0, { what: `the results of ${wanted} tasks`, timeoutMs }),
      ...workers.map(endsEarly),
    ]).catch(async (cause: unknown) => {
      const where = JSON.stringify(await this.#broker.count().catch(String))
      const said = workers.map((worker) => `${worker.stdout.slice(-300)}${worker.stderr.slice(-2000)}`).join('\n---\n')
      throw new Error(`${this.#open.size} of ${wanted} tasks have no result; ${where}\n${said}`, { cause })
    })
  }

  /**
   * The end of every trouble. The programs that live are ended in order, so that nobody holds anything any more; then every id has
   * its right and first result, or is parked, or in quarantine, and nothing is left over. `programs` are all that ever ran.
   */
  async closed(programs: readonly RunningProcess[]): Promise<Figures> {
    for (const program of programs)
      if (program.child.exitCode === null && program.child.signalCode === null) await ends(program)
    const metas = await (await this.app.connections.backend()).fetch(this.ids)
    const ran = new Set(programs.flatMap(runs))
    const squares = this.ids.map((id, n) => ({
      id,
      isDeleted: this.#deleted.has(id),
      hasRun: ran.has(n),
      state: metas[n]?.state,
      isRight: (metas[n]?.result as { readonly square?: number } | undefined)?.square === n * n,
    }))
    const kept = squares.filter(({ isDeleted }) => !isDeleted)
    const elsewhere = await this.#elsewhere()
    expect(without(elsewhere.quarantined, this.#broken), 'broken messages that are not in quarantine').toEqual([])
    expect(without(elsewhere.parked, this.#parked), 'parked messages that are gone').toEqual([])
    expect(
      kept.filter(({ state }) => state !== 'SUCCESS'),
      'tasks without a result',
    ).toEqual([])
    expect(
      kept.filter(({ isRight }) => !isRight),
      'wrong results',
    ).toEqual([])
    expect(
      kept.filter(({ hasRun }) => !hasRun),
      'tasks that never ran',
    ).toEqual([])
    expect(
      squares.filter(({ isDeleted, hasRun }) => isDeleted && hasRun),
      'deleted tasks that ran',
    ).toEqual([])

    for (const [at, id] of this.ids.entries()) {
      const meta = metas[at]
      if (meta) this.#compare(id, JSON.stringify(meta.result))
    }
    expect([...this.#changed, ...(await this.#broker.replaced())], 'results that changed after SUCCESS').toEqual([])

    const parked = elsewhere.parked.size
    await waitFor(async () => (await this.#broker.count()).ready === 0, { what: 'an empty queue' })
    const { held } = await this.#broker.count()
    expect(held, 'messages that nobody holds any more').toBe(this.#broker.name === 'redis' ? parked : 0)
    const all = programs.flatMap(runs)
    return { tasks: this.ids.length, runs: all.length, repeated: all.length - ran.size }
  }

  async #countOpen(): Promise<number> {
    const open = [...this.#open]
    const metas = await (await this.app.connections.backend()).fetch(open)
    for (const [at, id] of open.entries()) if (metas[at]?.state === 'SUCCESS') this.#open.delete(id)
    return this.#open.size
  }

  async #elsewhere(): Promise<{ readonly parked: ReadonlySet<string>; readonly quarantined: ReadonlySet<string> }> {
    const transport = await this.app.connections.transport()
    const parked = this.#parked.length === 0 ? [] : await transport.peek(queue, { limit: 1000, state: 'parked' })
    const quarantined = this.#broken.length === 0 ? [] : await transport.quarantine.list(1000)
    return {
      parked: new Set(parked.map(({ headers }) => String(headers['id']))),
      quarantined: new Set(quarantined.map(({ raw }) => String(raw.headers['id']))),
    }
  }

  #note(text: string): void {
    const document = JSON.parse(text) as { readonly task_id: string; readonly status: string; readonly result: unknown }
    if (document.status === 'SUCCESS' || this.#first.has(document.task_id))
      this.#compare(document.task_id, JSON.stringify(document.result))
  }

  /** The result says which run it is of. */
  #compare(id: string, result: string): void {
    const first = this.#first.get(id)
    if (first === undefined) this.#first.set(id, result)
    else if (first !== result) this.#changed.add(id)
  }
}

/** A program that sends; closed when the test ends. */
export function clientOf(urls: Pick<FaultBroker, 'brokerUrl' | 'resultUrl'>, options: TqOptions = {}): Tq {
  const app = new Tq('client', {
    brokerUrl: urls.brokerUrl,
    resultBackend: urls.resultUrl,
    // 28 replicated queues would be made for the parked ones.
    brokerNativeDelayedDeliveryQueueType: 'classic',
    logger: silentLogger,
    ...options,
  })
  onTestFinished(() => app.close())
  return app
}

async function persist(send: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await send()
      return
    } catch (error) {
      if (tries === patience) throw error
    }
  }
}

async function endsEarly(program: RunningProcess): Promise<never> {
  const { code, signal } = await program.exit
  throw new Error(`A worker ended before all was done: ${signal ?? code}`)
}

function without(found: ReadonlySet<string>, wanted: readonly string[]): readonly string[] {
  return wanted.filter((id) => !found.has(id))
}
