import { systemClock } from 'tq-runtime'
import type { ClusterState } from 'tq-runtime/monitor'
import { fingerprint, type LiveFacts, liveWorkers } from './live-state.ts'
import type { LiveQueue, LiveWorker } from './protocol.ts'
import type { Texts } from './texts.ts'
import type { WorkerQuestions } from './worker-questions.ts'

export interface LiveShowDeps {
  readonly texts: Texts
  readonly questions: WorkerQuestions
  readonly onLive: (workers: readonly LiveWorker[], queues: readonly LiveQueue[]) => void
  readonly ownWorkers: () => Pick<LiveFacts, 'own' | 'replaced'>
}

/** Shows the workers and queues of a cluster, when there is something new to be seen. */
export class LiveShow {
  readonly #deps: LiveShowDeps
  queues: readonly LiveQueue[] = []
  #shown = ''

  constructor(deps: LiveShowDeps) {
    this.#deps = deps
  }

  show(cluster: ClusterState): void {
    const { texts, questions, onLive, ownWorkers } = this.#deps
    const workers = liveWorkers(cluster, questions.answers, { nowMs: systemClock.now(), ...ownWorkers(), texts })
    const print = `${fingerprint(workers)}${JSON.stringify(this.queues)}`
    if (print === this.#shown) return
    this.#shown = print
    onLive(workers, this.queues)
  }

  /** The next time it is shown whether it is new or not. */
  forget(): void {
    this.#shown = ''
  }
}
