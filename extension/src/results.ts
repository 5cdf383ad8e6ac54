import { Emitter } from 'vscode-jsonrpc'
import type { DefinedTask } from './catalogue.ts'
import type { RunUpdate, TaskOutcome } from './sidecar/protocol.ts'

/** The newest that is known of a task of a folder: a run from here or an outcome that was seen. */
export interface TaskResult {
  readonly folder: string
  readonly task: string
  readonly target: string | undefined
  /** Of a run that was started here. */
  readonly runId?: string | undefined
  /** Of the definition that was run. */
  readonly definition?: string | undefined
  readonly id?: string | undefined
  readonly state: string
  readonly text: string
  readonly detail?: string | undefined
  readonly notice?: string | undefined
  readonly runtimeMs?: number | undefined
  readonly retries?: number | undefined
  readonly worker?: string | undefined
  /** As text. */
  readonly args?: string | undefined
  readonly atMs: number
}

export interface StartedRun {
  readonly runId: string
  readonly folder: string
  readonly definition: string
  readonly target: string | undefined
  readonly task: string
  readonly args: string
  readonly atMs: number
}

// A result that somebody waits for stays to be read before one of others takes its place.
const readingMs = 10_000
const mostOwn = 1000

/** The latest result of every task, one each. */
export class Results {
  readonly #latest = new Map<string, TaskResult>()
  readonly #runs = new Map<string, StartedRun>()
  // Runs that go on and are shown no more.
  readonly #hidden = new Set<string>()
  // When the result of a task was cleared: what had ended by then does not come back.
  readonly #cleared = new Map<string, number>()
  // Ids of tasks that were sent from here, the newest.
  readonly #ownIds = new Set<string>()
  readonly #changed = new Emitter<TaskResult>()
  /** A result that is shown from now on, or is gone. */
  readonly onChanged = this.#changed.event

  started(run: StartedRun): void {
    this.#runs.set(run.runId, run)
    this.#set({ ...run, state: 'STARTING', text: '' })
  }

  /** Gives what is known of the run now; undefined when the run is not from here. */
  updated(update: RunUpdate): TaskResult | undefined {
    const run = this.#runs.get(update.runId)
    if (!run) return undefined
    const result = { ...run, ...update, args: run.args }
    if (update.id !== undefined) this.#remember(update.id)
    const isHidden = this.#hidden.has(run.runId)
    if (isFinal(update.state)) {
      this.#runs.delete(run.runId)
      this.#hidden.delete(run.runId)
    }
    // An earlier run of the same task does not come back over a later one.
    const shown = this.#latest.get(keyOf(run))
    const isOlder = shown?.runId !== undefined && shown.runId !== run.runId && this.#runs.has(shown.runId)
    if (!isOlder && !isHidden) this.#set(result)
    return result
  }

  /** A run could not even be asked for. */
  failed(runId: string, reason: string, atMs: number): void {
    const run = this.#runs.get(runId)
    if (run) this.updated({ runId, target: run.target ?? '', task: run.task, state: 'ERROR', text: reason, atMs })
  }

  /** An outcome that an event told of; false for a task of a run from here, which is told by that. */
  seen(folder: string, outcome: TaskOutcome): boolean {
    if (this.#ownIds.has(outcome.id)) return false
    const shown = this.#latest.get(keyOf({ folder, task: outcome.task }))
    const isRead = shown?.runId !== undefined && (!isFinal(shown.state) || outcome.atMs < shown.atMs + readingMs)
    const clearedMs = this.#cleared.get(keyOf({ folder, task: outcome.task })) ?? -Infinity
    const isOlder = outcome.atMs < Math.max(shown?.atMs ?? -Infinity, clearedMs)
    if (!isRead && !isOlder) this.#set({ ...outcome, folder })
    return true
  }

  latest(folder: string, task: string): TaskResult | undefined {
    return this.#latest.get(keyOf({ folder, task }))
  }

  /** What is shown at a definition: a run belongs to the one it was started at, what was seen to every one of the name. */
  at({ folder, task: { id, name } }: DefinedTask): TaskResult | undefined {
    const result = name === undefined ? undefined : this.latest(folder, name)
    return result?.definition === undefined || result.definition === id ? result : undefined
  }

  newest(): TaskResult | undefined {
    return [...this.#latest.values()].sort((a, b) => b.atMs - a.atMs)[0]
  }

  /** Runs that go on. */
  running(): readonly StartedRun[] {
    return [...this.#runs.values()]
  }

  /** A run of it that goes on is not shown any more either, nor is what had ended by `nowMs` and is told later. */
  clear(folder: string, task: string, nowMs: number): void {
    const key = keyOf({ folder, task })
    for (const run of this.#runs.values()) if (keyOf(run) === key) this.#hidden.add(run.runId)
    const gone = this.#latest.get(key)
    if (!gone) return
    this.#latest.delete(key)
    this.#cleared.set(key, nowMs)
    this.#changed.fire(gone)
  }

  clearAll(nowMs: number): void {
    for (const { folder, task } of [...this.#latest.values()]) this.clear(folder, task, nowMs)
  }

  /** The process that followed the runs is gone. */
  lost(reason: string, atMs: number): void {
    for (const { runId } of this.running()) this.failed(runId, reason, atMs)
  }

  #remember(id: string): void {
    this.#ownIds.add(id)
    const [oldest] = this.#ownIds
    if (this.#ownIds.size > mostOwn && oldest !== undefined) this.#ownIds.delete(oldest)
  }

  #set(result: TaskResult): void {
    this.#latest.set(keyOf(result), result)
    this.#changed.fire(result)
  }
}

/** Nothing more comes of it. */
export function isFinal(state: string): boolean {
  return ['SUCCESS', 'FAILURE', 'REVOKED', 'REJECTED', 'IGNORED', 'ERROR'].includes(state)
}

function keyOf({ folder, task }: { readonly folder: string; readonly task: string }): string {
  return `${folder}\u0000${task}`
}
