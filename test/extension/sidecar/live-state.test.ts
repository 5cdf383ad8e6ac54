import { expect, test } from 'vitest'
import { emptyCluster, replayEvents, type WorkerEvent } from '../../../runtime/src/monitor.ts'
import { liveWorkers } from '../../../extension/src/sidecar/live-state.ts'
import { Texts } from '../../../extension/src/sidecar/texts.ts'

const minute = 60_000

function offline(hostname: string, timestampMs: number): WorkerEvent {
  return event('worker-offline', hostname, timestampMs)
}

test('a worker that has left is shown for fifteen minutes, one that made place for another not at all', () => {
  const events = [
    event('worker-online', 'here', 20 * minute),
    offline('old', 4 * minute),
    offline('recent', 6 * minute),
    offline('replaced', 19 * minute),
  ]
  const nowMs = 20 * minute
  const cluster = replayEvents(emptyCluster({ maxTasks: 1, maxText: 1 }), events, nowMs)

  const shown = liveWorkers(cluster, new Map(), {
    nowMs,
    own: new Set(),
    replaced: new Set(['replaced']),
    texts: new Texts(),
  })

  expect(shown.map(({ hostname, state }) => [hostname, state])).toEqual([
    ['here', 'live'],
    ['recent', 'offline'],
  ])
})

function event(type: 'worker-online' | 'worker-offline', hostname: string, timestampMs: number): WorkerEvent {
  const software = { freq: 2, swIdent: 'tq', swVer: '0.1.0', swSys: 'Linux', loadavg: [], processed: 0, active: 0 }
  return { type, hostname, timestampMs, pid: 1, clock: 1, utcoffset: 0, ...software }
}
