import type { WorkerEvent } from '../../../runtime/src/monitor.ts'
import { newState } from '../../../tui/src/state.ts'
import { Store } from '../../../tui/src/store.ts'
import { own } from '../../../tui/src/ui/text.ts'

/** The moment of every screen: 2026-01-31 14:05:09 UTC. */
export const nowMs = Date.UTC(2026, 0, 31, 14, 5, 9)

interface Base {
  readonly hostname: string
  readonly pid: number
  readonly clock: number
  readonly timestampMs: number
  readonly utcoffset: number
}

function base(agoMs: number, hostname = 'w1@box'): Base {
  return { hostname, pid: 4711, clock: 0, timestampMs: nowMs - agoMs, utcoffset: 0 }
}

export function beat(hostname: string, agoMs: number, active = 0): WorkerEvent {
  const figures = { freq: 2, active, processed: 1234, loadavg: [0.5, 0.25, 0.125] }
  return {
    type: 'worker-heartbeat',
    ...base(agoMs, hostname),
    ...figures,
    swIdent: 'tq',
    swVer: '0.1.0',
    swSys: 'linux-x64',
  }
}

export function sent(uuid: string, name: string, agoMs: number, args = '(2, 2)', queue = 'celery'): WorkerEvent {
  const call = { uuid, name, args, kwargs: '{}', retries: 0, queue, exchange: '', routingKey: queue }
  return { type: 'task-sent', ...base(agoMs, 'gen1@box'), ...call }
}

export function received(uuid: string, name: string, agoMs: number, args = '(2, 2)'): WorkerEvent {
  return { type: 'task-received', ...base(agoMs), uuid, name, args, kwargs: '{}', retries: 0 }
}

export function started(uuid: string, agoMs: number): WorkerEvent {
  return { type: 'task-started', ...base(agoMs), uuid }
}

export function succeeded(uuid: string, agoMs: number, result = '4', runtime = 0.003): WorkerEvent {
  return { type: 'task-succeeded', ...base(agoMs), uuid, result, runtime }
}

export function failed(uuid: string, agoMs: number, exception = "Error('SMTP 421')"): WorkerEvent {
  const traceback = 'Error: SMTP 421\n    at send (src/mail.ts:42:11)\n    at run (node:internal/x:1:2)'
  return { type: 'task-failed', ...base(agoMs), uuid, exception, traceback }
}

/** Text that an attacker would send. */
export const hostile =
  '\u001b[2J\u001b[8mhidden\u202e 日本語日本語 👨‍👩‍👧‍👦 ☁️ a\u0301\u0301\u0301\u0301\u0301\u0301\r\nFAKE'

const id = (n: number): string => `019c0000-0000-7000-8000-${String(n).padStart(12, '0')}`
export const taskId = id

/** A cluster with one of everything: oldest events first. */
export function fixtureEvents(): readonly WorkerEvent[] {
  return [
    beat('w1@box', 500, 1),
    sent(id(1), 'math.add', 600_000),
    received(id(1), 'math.add', 599_990),
    succeeded(id(1), 599_980),
    sent(id(2), 'mail.send', 90_000, "({'to': 'a@b.c', 'subject': 'hi'},)", 'mail'),
    received(id(2), 'mail.send', 89_000, "({'to': 'a@b.c', 'subject': 'hi'},)"),
    failed(id(2), 88_000),
    sent(id(3), 'img.resize', 5000, "('k/12.png', 100)", 'img'),
    received(id(3), 'img.resize', 4900, "('k/12.png', 100)"),
    started(id(3), 4000),
    sent(id(4), 'orders.flaky', 3500, '(3,)'),
    received(id(4), 'orders.flaky', 3400, '(3,)'),
    { type: 'task-retried', ...base(3000), uuid: id(4), exception: "Error('odd input')" },
    sent(id(5), 'reports.slow', 2500, '(30,)'),
    { type: 'task-revoked', ...base(2000), uuid: id(5), terminated: true, expired: false },
    received(id(6), `evil.${hostile}`, 1500, `('${hostile}',)`),
    sent(id(7), 'mail.digest', 1000, "('a@b.c', '2026-01-31T00:00:00+00:00')", 'mail'),
  ]
}

export interface FixtureOptions {
  readonly columns?: number
  readonly rows?: number
  readonly isReadOnly?: boolean
  readonly isEmpty?: boolean
}

/** A connected store with the cluster of `fixtureEvents`, and a worker that was last heard of four minutes ago. */
export function fixtureStore({
  columns = 80,
  rows = 24,
  isReadOnly = false,
  isEmpty = false,
}: FixtureOptions = {}): Store {
  const broker = own`redis://localhost:6379/0`
  const store = new Store(newState({ broker, nowMs, size: { columns, rows }, isReadOnly }))
  store.dispatch({ on: 'connection', connection: { state: 'live', broker, sinceMs: nowMs } })
  if (isEmpty) return store
  store.dispatch({ on: 'history', events: [beat('w2@box', 240_000, 3)], nowMs })
  store.dispatch({ on: 'events', events: fixtureEvents(), nowMs, dropped: 0 })
  store.dispatch({ on: 'slots', slots: new Map([['w1@box', 4]]) })
  store.dispatch({
    on: 'queues',
    queues: [
      { name: 'celery', ready: 12, held: 4, parked: 1, consumers: 1, oldestMs: 61_000 },
      { name: 'mail', ready: 3, held: 0, parked: 0, consumers: 0, oldestMs: 1000 },
    ],
  })
  return store
}
