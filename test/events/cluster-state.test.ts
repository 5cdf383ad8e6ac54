import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ClusterState,
  emptyCluster,
  isAlive,
  ratesOf,
  reduceEvents,
} from '../../runtime/src/events/cluster-state.ts'
import type { EventBase, WorkerEvent, WorkerPulse } from '../../runtime/src/events/event.ts'

const base = (timestampMs: number, changes: Partial<EventBase> = {}): EventBase => ({
  hostname: 'w1@h',
  pid: 1,
  clock: timestampMs,
  timestampMs,
  utcoffset: 0,
  ...changes,
})
const described = { name: 'tasks.add', args: '(1, 2)', kwargs: '{}', retries: 0 }

const sent = (at: number, uuid = 'a'): WorkerEvent => ({
  type: 'task-sent',
  ...base(at, { hostname: 'gen9@h', clock: 500 }),
  uuid,
  ...described,
  queue: 'celery',
  exchange: '',
  routingKey: 'celery',
})
const received = (at: number, uuid = 'a', retries = 0): WorkerEvent => ({
  type: 'task-received',
  ...base(at),
  uuid,
  ...described,
  retries,
})
const started = (at: number, uuid = 'a'): WorkerEvent => ({ type: 'task-started', ...base(at), uuid })
const succeeded = (at: number, uuid = 'a', result = '3'): WorkerEvent => ({
  type: 'task-succeeded',
  ...base(at),
  uuid,
  result,
  runtime: 0.5,
})
const failed = (at: number, uuid = 'a'): WorkerEvent => ({
  type: 'task-failed',
  ...base(at),
  uuid,
  exception: 'E()',
  traceback: 'T',
})
const retried = (at: number, uuid = 'a'): WorkerEvent => ({ type: 'task-retried', ...base(at), uuid, exception: 'E()' })
const pulse = (at: number, changes: Partial<WorkerPulse> = {}): WorkerEvent => ({
  type: 'worker-heartbeat',
  ...base(at),
  freq: 2,
  active: 1,
  processed: 7,
  loadavg: [1, 2, 3],
  swIdent: 'tq',
  swVer: '0.1.0',
  swSys: 'linux',
  ...changes,
})

function after(events: readonly WorkerEvent[], nowMs = 10_000, from: ClusterState = emptyCluster()): ClusterState {
  return reduceEvents(from, events, nowMs)
}

describe('a task', () => {
  test('goes through its life', () => {
    const life = [sent(1), received(2), started(3), succeeded(4)]
    const states = life.map((_, i) => after(life.slice(0, i + 1)).tasks.get('a')?.state)

    expect(states).toEqual(['PENDING', 'RECEIVED', 'STARTED', 'SUCCESS'])
    expect(after(life).tasks.get('a')).toMatchObject({
      name: 'tasks.add',
      args: '(1, 2)',
      queue: 'celery',
      client: 'gen9@h',
      worker: 'w1@h',
      result: '3',
      runtime: 0.5,
      sentMs: 1,
      receivedMs: 2,
      startedMs: 3,
      finishedMs: 4,
    })
  })

  test('that has ended is not moved back by an event that comes late', () => {
    const state = after([succeeded(4)])

    const task = after([sent(1), received(2), started(3)], 10_000, state).tasks.get('a')

    expect(task).toMatchObject({ state: 'SUCCESS', result: '3', name: 'tasks.add', startedMs: 3 })
  })

  test('that succeeded stays so when a second delivery of it runs and fails later', () => {
    const states = [started(5), failed(6)].map((later) => after([succeeded(4), later]).tasks.get('a')?.state)

    expect(states).toEqual(['SUCCESS', 'SUCCESS'])
  })

  test('that is retried starts again, and its last run decides', () => {
    const task = after([received(1), started(2), retried(3), received(4, 'a', 1), started(5)]).tasks.get('a')

    expect(task).toMatchObject({ state: 'STARTED', retries: 1, retriedMs: 3, exception: undefined })
  })

  test('whose events bear the same time is ordered by clock, then by the steps of its life', () => {
    const same = { timestampMs: 5 }
    const byClock = [
      { ...retried(2), ...same },
      { ...started(3), ...same },
    ]
    const byStep = [
      { ...started(2), ...same },
      { ...received(2), ...same },
    ]

    expect(after(byClock).tasks.get('a')?.state).toBe('STARTED')
    expect(after(byStep).tasks.get('a')?.state).toBe('STARTED')
  })

  test('ends in the same state whatever the order and the batches in which its events arrive', () => {
    const life = [
      sent(1),
      received(2),
      started(3),
      retried(4),
      received(5, 'a', 1),
      started(6),
      failed(7),
      started(8),
      succeeded(9),
      succeeded(9, 'a', '4'),
      { type: 'task-revoked', ...base(9), uuid: 'a', terminated: true, expired: false } satisfies WorkerEvent,
      { type: 'task-rejected', ...base(9), uuid: 'a', requeue: true } satisfies WorkerEvent,
    ].map((event, i) => ({ ...event, clock: i }))
    const some = fc.subarray(life, { minLength: 1 })
    const mixed = some.chain((events) =>
      fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length }), fc.nat(events.length)),
    )

    fc.assert(
      fc.property(mixed, ([events, shuffled, cut]) => {
        const inOrder = after(events)
        const inParts = after(shuffled.slice(cut), 10_000, after(shuffled.slice(0, cut)))
        // Twice, as a broker may deliver.
        const twice = after(events, 10_000, inParts)

        expect(inParts.tasks.get('a')).toEqual(inOrder.tasks.get('a'))
        expect(twice.tasks.get('a')).toEqual(inOrder.tasks.get('a'))
        expect(Object.entries(twice.counts).filter(([, n]) => n !== 0)).toEqual([[inOrder.tasks.get('a')?.state, 1]])
      }),
    )
  })

  test('keeps at most 2,048 characters of each text', () => {
    const long = 'x'.repeat(5000)
    const task = after([{ ...received(1), args: long } as WorkerEvent, succeeded(2, 'a', long)]).tasks.get('a')

    expect(task?.args).toHaveLength(2048)
    expect(task?.result).toHaveLength(2048)
    expect(task?.result?.endsWith('…')).toBe(true)
  })
})

describe('reduceEvents', () => {
  test('changes nothing of the state before', () => {
    const before = after([received(1), pulse(1)])
    const task = before.tasks.get('a')
    const copy = structuredClone(before)

    const next = after([started(2), succeeded(3, 'b'), pulse(2, { active: 9 })], 11_000, before)

    expect(before).toEqual(copy)
    expect(before.tasks.get('a')).toBe(task)
    expect(next.tasks.get('a')).not.toBe(task)
  })

  test('gives the same state for an empty batch', () => {
    const before = after([received(1)])

    expect(after([], 20_000, before)).toBe(before)
  })

  test('counts tasks by state', () => {
    const state = after([received(1, 'a'), received(1, 'b'), succeeded(2, 'b'), failed(2, 'c')])

    expect(state.counts).toMatchObject({ RECEIVED: 1, SUCCESS: 1, FAILURE: 1 })
  })

  test('lets the oldest tasks go when there are too many', () => {
    const small = emptyCluster({ maxTasks: 2 })

    const state = after([received(1, 'a'), received(2, 'b'), received(3, 'c'), started(4, 'a')], 10_000, small)

    expect([...state.tasks.keys()]).toEqual(['b', 'c'])
    expect(state.evicted).toBe(1)
    expect(state.counts).toMatchObject({ RECEIVED: 2, STARTED: 0 })
  })

  test('lets the workers go that were unseen for longest when there are too many', () => {
    const small = after([pulse(1, { hostname: 'old@h' })], 1000, emptyCluster({ maxWorkers: 2 }))

    const state = after([pulse(2, { hostname: 'x@h' }), pulse(2, { hostname: 'y@h' })], 2000, small)

    expect([...state.workers.keys()]).toEqual(['x@h', 'y@h'])
  })

  test('gives rates per second over whole seconds', () => {
    let state = emptyCluster()
    for (let second = 0; second < 100; second++) {
      state = after([received(second, `t${second}`), succeeded(second, `t${second}`)], second * 1000, state)
    }

    expect(ratesOf(state, 100_000)).toEqual({ received: 1, succeeded: 1, failed: 0, retried: 0 })
    expect(ratesOf(state, 105_000).received).toBe(0.5)
    expect(ratesOf(state, 200_000).received).toBe(0)
    expect(state.ticks).toHaveLength(60)
  })
})

describe('a worker', () => {
  const worker = (state: ClusterState, hostname = 'w1@h') => {
    const found = state.workers.get(hostname)
    if (!found) throw new Error(`${hostname} is unknown`)
    return found
  }

  test('is described by its heartbeat', () => {
    expect(worker(after([pulse(1)]))).toMatchObject({
      pid: 1,
      swIdent: 'tq',
      active: 1,
      processed: 7,
      loadavg: [1, 2, 3],
      offline: false,
      lastSeenMs: 10_000,
    })
  })

  test('is alive for two heartbeats after it was last heard of, by our own clock', () => {
    const found = worker(after([pulse(1)], 10_000))

    expect(isAlive(found, 14_000)).toBe(true)
    expect(isAlive(found, 14_001)).toBe(false)
  })

  test('is heard of through the events of its tasks, but not through those of clients', () => {
    const first = after([pulse(1)], 10_000)

    const state = after([started(5), sent(6)], 13_000, first)

    expect(worker(state).lastSeenMs).toBe(13_000)
    expect([...state.workers.keys()]).toEqual(['w1@h'])
  })

  test('that said goodbye is gone until a newer event takes it back', () => {
    const gone = after([pulse(1), pulse(2, { type: 'worker-offline' })])

    expect(isAlive(worker(gone), 10_000)).toBe(false)
    expect(isAlive(worker(after([pulse(1), started(2)], 10_000, gone)), 10_000)).toBe(false)
    expect(isAlive(worker(after([started(3)], 10_000, gone)), 10_000)).toBe(true)
    expect(isAlive(worker(after([pulse(3, { type: 'worker-online' })], 10_000, gone)), 10_000)).toBe(true)
  })

  test('keeps its newest figures when heartbeats overtake each other', () => {
    expect(worker(after([pulse(2, { processed: 9 }), pulse(1, { processed: 8 })])).processed).toBe(9)
  })
})
