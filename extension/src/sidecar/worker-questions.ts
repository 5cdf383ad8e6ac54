import { systemClock, type Tq } from 'tq-runtime'
import { type ClusterState, type InspectAnswer, isAlive, type Refusal, type WorkerView } from 'tq-runtime/monitor'
import type { WorkerAnswers } from './live-state.ts'

const answerMs = 1500
const mostQuestions = 3
const askAgainMs = 5000

interface Asked {
  readonly atMs: number
  readonly times: number
}

/** Asks each worker once what it is made of, and has it send its events; what it answered is kept while it lives. */
export class WorkerQuestions {
  readonly answers = new Map<string, WorkerAnswers>()
  readonly #asked = new Map<string, Asked>()

  /** Those that have not answered yet and live; silent ones up to three times. False when there was nobody to ask. */
  async askNew(app: Tq, cluster: ClusterState): Promise<boolean> {
    const nowMs = systemClock.now()
    const due = living(cluster, nowMs).filter(({ hostname }) => {
      if (this.answers.get(hostname)?.registered) return false
      const asked = this.#asked.get(hostname)
      return !asked || (asked.times < mostQuestions && nowMs - asked.atMs > askAgainMs)
    })
    if (due.length === 0) return false
    for (const { hostname } of due) {
      this.#asked.set(hostname, { atMs: nowMs, times: (this.#asked.get(hostname)?.times ?? 0) + 1 })
    }
    await this.#ask(
      app,
      due.map(({ hostname }) => hostname),
    )
    return true
  }

  /** Whoever is there: on a server no event may have told of them yet. */
  askEverybody(app: Tq): Promise<void> {
    return this.#ask(app, undefined)
  }

  /** It was started anew. */
  forget(hostname: string): void {
    this.#asked.delete(hostname)
    this.answers.delete(hostname)
  }

  /** All may have been started anew, with their events off; what they answered stands until they answer again. */
  askAllAgain(): void {
    this.#asked.clear()
  }

  clear(): void {
    this.#asked.clear()
    this.answers.clear()
  }

  /** Living workers that consume the queue, as far as they told; undefined while some have not. */
  consumersOf(queue: string, cluster: ClusterState): number | undefined {
    const queues = living(cluster, systemClock.now()).map(({ hostname }) => this.answers.get(hostname)?.queues)
    return queues.includes(undefined) ? undefined : queues.filter((names) => names?.includes(queue)).length
  }

  /** A living worker that consumes the queue and has no such task, where all of its consumers lack it. */
  stranger(queue: string, task: string, cluster: ClusterState): string | undefined {
    const consumers = living(cluster, systemClock.now())
      .map(({ hostname }) => ({ hostname, ...this.answers.get(hostname) }))
      .filter(({ queues }) => queues?.includes(queue) === true)
    const lacks = consumers.filter(({ registered }) => registered?.includes(task) === false)
    return lacks.length === consumers.length ? lacks[0]?.hostname : undefined
  }

  async #ask(app: Tq, destination: readonly string[] | undefined): Promise<void> {
    const options = { destination, timeoutMs: answerMs }
    const [stats, queues, registered] = await Promise.all([
      app.control.inspect('stats', options),
      app.control.inspect('activeQueues', options),
      app.control.inspect('registered', options),
      app.connections.embedded ? undefined : app.control.enableEvents(options),
    ])
    for (const hostname of new Set([...Object.keys(stats), ...Object.keys(queues), ...Object.keys(registered)])) {
      const [stat, queue, names] = [stats[hostname], queues[hostname], registered[hostname]]
      this.answers.set(hostname, {
        ...this.answers.get(hostname),
        ...(stat && 'pool' in stat && { slots: stat.pool.maxConcurrency }),
        ...(queue && { queues: queueNames(queue) }),
        // With attributes behind the name where the worker was told to add some.
        ...(names && !('error' in names) && { registered: names.map((name) => name.split(' [')[0] ?? name) }),
      })
    }
  }
}

/** Whether anybody consumes the queue, as far as the broker or the workers tell within a second. */
export async function isConsumed(app: Tq, queue: string): Promise<boolean> {
  const { consumers } = await (await app.connections.transport()).queueInfo(queue)
  if (consumers !== undefined) return consumers > 0
  const answers = await app.control.inspect('activeQueues', { timeoutMs: 1000 })
  return Object.values(answers).some((queues) => queueNames(queues)?.includes(queue) === true)
}

/** Of an answer to `activeQueues`; undefined for a refusal. */
function queueNames(queues: InspectAnswer['activeQueues'] | Refusal): readonly string[] | undefined {
  return 'error' in queues ? undefined : queues.map(({ name }) => name)
}

function living({ workers }: ClusterState, nowMs: number): readonly WorkerView[] {
  return [...workers.values()].filter((worker) => isAlive(worker, nowMs))
}
