import { type ClusterState, isAlive, type WorkerView } from 'tq-runtime/monitor'
import type { LiveWorker } from './protocol.ts'
import type { Texts } from './texts.ts'

/** What a worker told when it was asked. */
export interface WorkerAnswers {
  readonly slots?: number | undefined
  readonly queues?: readonly string[] | undefined
  readonly registered?: readonly string[] | undefined
}

const mostWorkers = 200
/** Those that have been away for longer are no longer news. */
const forgottenAfterMs = 15 * 60_000

export interface LiveFacts {
  readonly nowMs: number
  /** Node names of the workers that were started from here. */
  readonly own: ReadonlySet<string>
  /** Of those among them that made place for others: that they are gone is no news. */
  readonly replaced: ReadonlySet<string>
  readonly texts: Texts
}

/** The workers of a cluster as the editor shows them, those that live first. */
export function liveWorkers(
  cluster: ClusterState,
  answers: ReadonlyMap<string, WorkerAnswers>,
  facts: LiveFacts,
): readonly LiveWorker[] {
  const { nowMs, own, replaced, texts } = facts
  return [...cluster.workers.values()]
    .filter(({ lastSeenMs }) => nowMs - lastSeenMs < forgottenAfterMs)
    .filter(({ hostname, offline }) => !offline || !replaced.has(hostname))
    .sort((a, b) => rank(a, nowMs) - rank(b, nowMs) || (a.hostname < b.hostname ? -1 : 1))
    .slice(0, mostWorkers)
    .map((worker): LiveWorker => {
      const { slots, queues, registered } = answers.get(worker.hostname) ?? {}
      return {
        hostname: texts.line(worker.hostname),
        pid: worker.pid,
        software: texts.line(`${worker.swIdent} ${worker.swVer}`.trim()),
        state: stateOf(worker, nowMs),
        lastSeenMs: worker.lastSeenMs,
        active: worker.active,
        processed: worker.processed,
        ...(slots !== undefined && { slots }),
        ...(queues && { queues: queues.map((name) => texts.line(name)) }),
        ...(registered && { registered: registered.map((name) => texts.line(name)) }),
        ...(own.has(worker.hostname) && { own: true as const }),
      }
    })
}

/** Equal where nothing changed that a reader would notice: a heartbeat alone is no news for ten seconds. */
export function fingerprint(workers: readonly LiveWorker[]): string {
  return JSON.stringify(workers.map((one) => ({ ...one, lastSeenMs: Math.floor(one.lastSeenMs / 10_000) })))
}

function stateOf(worker: WorkerView, nowMs: number): LiveWorker['state'] {
  if (worker.offline) return 'offline'
  return isAlive(worker, nowMs) ? 'live' : 'stale'
}

function rank(worker: WorkerView, nowMs: number): number {
  return isAlive(worker, nowMs) ? 0 : 1
}
