import { isReady } from 'tq-runtime'
import type { ClusterState, WorkerEvent } from 'tq-runtime/monitor'
import type { TaskOutcome } from './protocol.ts'
import { longestLine, type Texts } from './texts.ts'

/** Gathers what tasks ended with, until it is taken; of each name the latest. */
export class OutcomeList {
  readonly #latest = new Map<string, Omit<TaskOutcome, 'target'>>()
  readonly #ids = new Set<string>()
  readonly #texts: Texts

  constructor(texts: Texts) {
    this.#texts = texts
  }

  /** `cluster` is the state after these events. */
  add(events: readonly WorkerEvent[], cluster: ClusterState): void {
    for (const event of events) {
      if (!isEnding(event)) continue
      const task = cluster.tasks.get(event.uuid)
      if (!task || task.name === '' || !isReady(task.state)) continue
      this.#ids.add(task.uuid)
      const known = this.#latest.get(task.name)
      const atMs = task.finishedMs ?? event.timestampMs
      if (known && known.atMs > atMs) continue
      this.#latest.set(task.name, {
        task: this.#texts.line(task.name),
        id: this.#texts.line(task.uuid),
        state: task.state,
        args: this.#texts.line(task.args),
        text: this.#texts.line(task.result ?? task.exception ?? '', longestLine),
        ...(task.runtime !== undefined && { runtimeMs: task.runtime * 1000 }),
        retries: task.retries,
        ...(task.worker !== undefined && { worker: this.#texts.line(task.worker) }),
        atMs,
      })
    }
  }

  /** Undefined when there is nothing new. */
  take(): { readonly outcomes: readonly Omit<TaskOutcome, 'target'>[]; readonly more: number } | undefined {
    if (this.#latest.size === 0) return undefined
    const taken = { outcomes: [...this.#latest.values()], more: this.#ids.size - this.#latest.size }
    this.#latest.clear()
    this.#ids.clear()
    return taken
  }
}

function isEnding(event: WorkerEvent): event is Extract<WorkerEvent, { readonly uuid: string }> {
  return event.type === 'task-succeeded' || event.type === 'task-failed' || event.type === 'task-revoked'
}
