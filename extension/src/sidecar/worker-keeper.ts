import { systemClock } from 'tq-runtime'
import type { Editor } from './editor.ts'
import type { TargetEntry } from './targets.ts'
import { messageOf } from './texts.ts'
import type { WorkerRenewal } from './worker-renewal.ts'
import type { OwnWorker, OwnWorkers } from './workers.ts'

const connectMs = 3000
/** A task that kills its worker would else kill one after another. */
const mostDeaths = 3
const deathsWithinMs = 60_000

/** Sees to it that somebody consumes the queues of embedded brokers while runs of ours wait there. */
export class WorkerKeeper {
  readonly #editor: Editor
  readonly #workers: OwnWorkers
  readonly #renewal: WorkerRenewal
  readonly #ensuring = new Map<string, Promise<void>>()
  readonly #deaths = new Map<string, readonly number[]>()

  constructor(editor: Editor, workers: OwnWorkers, renewal: WorkerRenewal) {
    this.#editor = editor
    this.#workers = workers
    this.#renewal = renewal
  }

  /** Before a task is sent there: resolves when no worker of ours with old code takes it. */
  async renew({ id }: TargetEntry): Promise<void> {
    const { retired, replaced } = this.#renewal.beforeRun(id)
    const before = this.#ensuring.get(id) ?? Promise.resolve()
    // Whoever looks for a consumer waits for those that are on their way.
    this.#ensuring.set(
      id,
      Promise.allSettled([before, retired, replaced]).then(() => undefined),
    )
    await retired
  }

  /** Resolves when the queue has a consumer; rejects when none can be started, or too many have died. */
  async ensure(entry: TargetEntry, queue: string): Promise<void> {
    // One after another: the worker that is started for one queue may consume the next one, too.
    const before = this.#ensuring.get(entry.id) ?? Promise.resolve()
    const ensuring = before.catch(() => undefined).then(() => this.#ensure(entry, queue))
    this.#ensuring.set(entry.id, ensuring)
    await ensuring
  }

  /** While a run of that target was under way. */
  countDeath(worker: OwnWorker): void {
    const nowMs = systemClock.monotonic()
    const recent = (this.#deaths.get(worker.target) ?? []).filter((atMs) => nowMs - atMs < deathsWithinMs)
    this.#deaths.set(worker.target, [...recent, nowMs])
  }

  async #ensure(entry: TargetEntry, queue: string): Promise<void> {
    if (await this.#isConsumed(entry, queue)) return
    const nowMs = systemClock.monotonic()
    const deaths = (this.#deaths.get(entry.id) ?? []).filter((atMs) => nowMs - atMs < deathsWithinMs).length
    if (deaths >= mostDeaths) {
      throw new Error(`${deaths} workers have died within a minute; the log has what they said.`)
    }
    try {
      await this.#workers.start(entry.place)
      // A queue that no task of the app names is not consumed by itself.
      if (!(await this.#isConsumed(entry, queue))) await this.#workers.start(entry.place, { queues: [queue] })
    } catch (error) {
      this.#editor.log('error', messageOf(error))
      throw error
    }
  }

  async #isConsumed({ id, broker, monitor }: TargetEntry, queue: string): Promise<boolean> {
    // A database that does not exist has no consumers.
    if (!broker || !monitor?.mayConnect()) return false
    const app = await monitor.connected(connectMs)
    // While it ends what it runs it is listed still, and takes nothing.
    const ending = this.#workers.of(id).filter((worker) => worker.isEnding()).length
    const { consumers } = await (await app.connections.transport()).queueInfo(queue)
    return consumers === undefined || consumers > ending
  }
}
