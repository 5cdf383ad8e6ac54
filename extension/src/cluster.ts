import { Emitter } from 'vscode-jsonrpc'
import { type DefinedTask, targetOf } from './catalogue.ts'
import type { LiveQueue, LiveState, LiveWorker, Target } from './sidecar/protocol.ts'

/** Whether live workers have a task. `unknown`: there is none to ask, or not all have answered. */
export type Registration = { readonly on: readonly string[] } | 'missing' | 'unknown'

/** The brokers of the workspace's apps and who was seen there. */
export class Cluster {
  #targets: readonly Target[] = []
  readonly #live = new Map<string, LiveState>()
  // Since when a target is not connected.
  readonly #lostMs = new Map<string, number>()
  readonly #names = new WeakMap<LiveWorker, ReadonlySet<string>>()
  readonly #changed = new Emitter<void>()
  readonly onChanged = this.#changed.event

  setTargets(targets: readonly Target[], nowMs = Date.now()): void {
    this.#targets = targets
    const ids = new Set(targets.map((one) => one.id))
    for (const id of this.#live.keys()) if (!ids.has(id)) this.#live.delete(id)
    for (const id of this.#lostMs.keys()) if (!ids.has(id)) this.#lostMs.delete(id)
    for (const { id, state } of targets) {
      if (state === 'live') this.#lostMs.delete(id)
      else if (!this.#lostMs.has(id)) this.#lostMs.set(id, nowMs)
    }
    this.#changed.fire()
  }

  setLive(state: LiveState): void {
    this.#live.set(state.target, state)
    this.#changed.fire()
  }

  /** Since when there is no connection to the broker of a target, so that nobody knows how its workers and queues are. */
  lostMs(target: string): number | undefined {
    return this.#lostMs.get(target)
  }

  get targets(): readonly Target[] {
    return this.#targets
  }

  target(id: string): Target | undefined {
    return this.#targets.find((one) => one.id === id)
  }

  /** None lives for all that is known while there is no connection. */
  workers(target: string): readonly LiveWorker[] {
    const workers = this.#live.get(target)?.workers ?? []
    if (!this.#lostMs.has(target)) return workers
    return workers.map((one) => (one.state === 'live' ? { ...one, state: 'stale' } : one))
  }

  queues(target: string): readonly LiveQueue[] {
    return this.#live.get(target)?.queues ?? []
  }

  worker(target: string, hostname: string): LiveWorker | undefined {
    return this.workers(target).find((one) => one.hostname === hostname)
  }

  registration(defined: DefinedTask): Registration {
    const { name } = defined.task
    const workers = this.#targetsOf(defined).flatMap((target) => this.#liveWorkers(target))
    if (name === undefined || workers.length === 0) return 'unknown'
    const on = workers.filter((one) => this.#namesOf(one).has(name)).map((one) => one.hostname)
    if (on.length > 0) return { on }
    return workers.every((one) => one.registered !== undefined) ? 'missing' : 'unknown'
  }

  /** Tasks that live workers of a folder's apps have and that are not among `names`, with who has them. */
  liveOnly(folder: string, names: ReadonlySet<string>): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>()
    for (const target of this.#targets) {
      if (target.folder !== folder) continue
      for (const { hostname, registered } of this.#liveWorkers(target.id)) {
        for (const name of registered ?? []) {
          // Celery's own, in every worker.
          if (names.has(name) || name.startsWith('celery.')) continue
          const on = found.get(name)
          if (!on) found.set(name, [hostname])
          else if (!on.includes(hostname)) on.push(hostname)
        }
      }
    }
    return found
  }

  /** One text for which tasks live workers have: while it stays the same, no registration has changed. */
  get registrations(): string {
    const workers = this.#targets.flatMap(({ id }) =>
      this.#liveWorkers(id).map((one) => [id, one.hostname, one.registered]),
    )
    return JSON.stringify(workers)
  }

  #namesOf(worker: LiveWorker): ReadonlySet<string> {
    const known = this.#names.get(worker)
    if (known) return known
    const names = new Set(worker.registered)
    this.#names.set(worker, names)
    return names
  }

  #liveWorkers(target: string): readonly LiveWorker[] {
    return this.workers(target).filter((one) => one.state === 'live')
  }

  #targetsOf(defined: DefinedTask): readonly string[] {
    const own = targetOf(defined)
    if (own !== undefined) return [own]
    return this.#targets.filter((one) => one.folder === defined.folder).map((one) => one.id)
  }
}
