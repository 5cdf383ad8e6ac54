import type { Transport } from '../transports/transport.ts'
import { decodeGoodEvents, eventExchange } from '../wire/event-dict.ts'
import { type ClusterState, reduceEvents, type WorkerView } from './cluster-state.ts'
import type { WorkerEvent } from './event.ts'

/** The events that the broker still has, oldest first; none where it keeps none. `limit` counts messages, which may hold many. */
export async function eventHistory(transport: Transport, limit = 10_000): Promise<readonly WorkerEvent[]> {
  const messages = (await transport.history?.(eventExchange, limit)) ?? []
  return messages.flatMap((message) => decodeGoodEvents(message).events)
}

/**
 * The state after events of the past. Unlike with `reduceEvents` a worker was last seen when it sent its event, not now, and
 * no rate comes of them.
 */
export function replayEvents(state: ClusterState, events: readonly WorkerEvent[], nowMs: number): ClusterState {
  if (events.length === 0) return state
  const reduced = reduceEvents(state, events, nowMs)
  const seen = new Map<string, number>()
  for (const event of events) {
    if (event.type === 'task-sent') continue
    seen.set(event.hostname, Math.max(seen.get(event.hostname) ?? 0, event.timestampMs))
  }
  const workers = new Map<string, WorkerView>()
  for (const [hostname, worker] of reduced.workers) {
    const before = state.workers.get(hostname)?.lastSeenMs ?? 0
    const lastSeenMs = Math.max(before, Math.min(nowMs, seen.get(hostname) ?? worker.lastSeenMs))
    workers.set(hostname, { ...worker, lastSeenMs })
  }
  return { ...reduced, workers, ticks: state.ticks }
}
