import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { emptyCluster, isAlive, reduceEvents } from '../../runtime/src/events/cluster-state.ts'
import type { WorkerEvent } from '../../runtime/src/events/event.ts'
import { eventHistory, replayEvents } from '../../runtime/src/events/history.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'

const nowMs = 1_000_000_000

function base(agoMs: number): Pick<WorkerEvent, 'hostname' | 'pid' | 'clock' | 'timestampMs' | 'utcoffset'> {
  return { hostname: 'w1@h', pid: 1, clock: 0, timestampMs: nowMs - agoMs, utcoffset: 0 }
}

function beat(agoMs: number): WorkerEvent {
  const figures = { freq: 2, active: 0, processed: 0, loadavg: [], swIdent: 'tq', swVer: '0', swSys: 'linux' }
  return { type: 'worker-heartbeat', ...base(agoMs), ...figures }
}

function done(uuid: string, agoMs: number): WorkerEvent {
  return { type: 'task-succeeded', ...base(agoMs), uuid, result: '4', runtime: 0.1 }
}

describe('replayEvents', () => {
  test('shows the tasks of the past, but neither a rate nor a worker that would be alive', () => {
    const state = replayEvents(emptyCluster(), [beat(60_000), done('a', 60_000)], nowMs)

    const worker = state.workers.get('w1@h')
    expect(state.tasks.get('a')?.state).toBe('SUCCESS')
    expect(state.ticks).toEqual([])
    expect(worker && isAlive(worker, nowMs)).toBe(false)
  })

  test('takes nothing back of what was seen live', () => {
    const live = reduceEvents(emptyCluster(), [beat(0)], nowMs)

    const state = replayEvents(live, [beat(60_000)], nowMs)

    expect(state.workers.get('w1@h')?.lastSeenMs).toBe(nowMs)
  })

  test('does not believe a clock that is ahead of ours', () => {
    const state = replayEvents(emptyCluster(), [beat(-3_600_000)], nowMs)

    expect(state.workers.get('w1@h')?.lastSeenMs).toBe(nowMs)
  })
})

describe('eventHistory', () => {
  test('is empty where the broker keeps none', async () => {
    const transport = new MemoryTransport(new MemoryBroker(), { clock: new VirtualClock(), logger: silentLogger })
    await transport.connect()

    expect(await eventHistory(transport)).toEqual([])
    await transport.close()
  })
})
