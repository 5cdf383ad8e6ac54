/**
 * An eager run and a worker's run of one call leave the same traces. For every task of the shop each change of the stored record
 * (of the tasks that it sends, too) and each event are compared, field by field and in order.
 *
 * What differs, and is made the same before comparing:
 * - ids of tasks: numbered in the order in which they appear
 * - who ran it: `hostname`, `worker`, `pid` (an eager task runs in the caller, `gen<pid>@host`)
 * - times and durations: `doneAtMs`, `timestampMs`, `runtime`; an `eta` becomes its distance from the event that tells it
 * - `clock` and `utcoffset` of events
 * - the traceback's frames behind the first: that one is the user's, the others are ours
 * - the order between tasks: each task's events are in order, those of parent and child may mingle either way. `task-sent` is
 *   put first, since it is the sender's event and may reach a monitor before or after the worker's first one
 */
import { beforeAll, expect, test, vi } from 'vitest'
import { randomId } from '../../runtime/src/core/id.ts'
import type { TaskMeta } from '../../runtime/src/core/states.ts'
import type { WorkerEvent } from '../../runtime/src/events/event.ts'
import { subscribeEvents } from '../../runtime/src/events/receiver.ts'
import { type AnyTask, AsyncResult, type Clock } from '../../runtime/src/index.ts'
import { passUntil, VirtualClock } from '../../runtime/src/testing.ts'
import { app } from '../examples/shop/src/app.ts'
import * as images from '../examples/shop/src/tasks/images.ts'
import * as mail from '../examples/shop/src/tasks/mail.ts'
import * as math from '../examples/shop/src/tasks/math.ts'
import * as orders from '../examples/shop/src/tasks/orders.ts'
import * as reports from '../examples/shop/src/tasks/reports.ts'

// The shop's tasks, on an app in memory whose retries take no time.
vi.mock('../examples/shop/src/app.ts', async () => {
  const testing = await import('../../runtime/src/testing.ts')
  const clock = new testing.VirtualClock()
  const settings = { taskAcksLate: true, taskTrackStarted: true, taskStoreEagerResult: true }
  return { app: testing.memoryApp('shop', { clock, ...settings }) }
})

const clock = virtual(app.clock)
const pass = <T>(promise: Promise<T>): Promise<T> => passUntil(clock, promise)

const events: WorkerEvent[] = []
beforeAll(async () => {
  await subscribeEvents(await app.connections.transport(), (batch) => events.push(...batch))
  await app.startWorker({ hostname: 'w1@test' })
  return () => pass(app.close())
})

const order = {
  id: 'o-7',
  customer: { name: 'Ada', email: 'ada@example.com' },
  items: [
    { name: 'cup', cents: 900, count: 2 },
    { name: 'pot', cents: 3100, count: 1 },
  ],
}
const day = new Date(Date.UTC(2026, 0, 31, 23, 59))

const calls = [
  ['math.add', math.add, [2, 2], 'SUCCESS'],
  ['math.mul', math.mul, [2, -0.5], 'SUCCESS'],
  ['math.xsum', math.xsum, [[1, 2, 3]], 'SUCCESS'],
  ['mail.send', mail.send, [{ to: 'a@b.c', subject: 'Größe', body: '"x"\n' }], 'SUCCESS'],
  ['mail.send of no address', mail.send, [{ to: 'nobody', subject: '' }], 'FAILURE'],
  ['mail.digest with a date', mail.digest, ['a@b.c', day], 'SUCCESS'],
  ['orders.charge', orders.charge, ['o-1', 500], 'SUCCESS'],
  ['orders.charge of nothing', orders.charge, ['o-1', 0], 'FAILURE'],
  ['orders.checkout, which sends orders.charge', orders.checkout, [order], 'SUCCESS'],
  ['orders.checkout, whose charge fails', orders.checkout, [{ ...order, items: [] }], 'SUCCESS'],
  ['orders.checkout of half an order', orders.checkout, [{ id: 'o-1' }], 'FAILURE'],
  ['orders.flaky(2)', orders.flaky, [2], 'SUCCESS'],
  ['orders.flaky(3), which fails after three retries', orders.flaky, [3], 'FAILURE'],
  ['reports.daily', reports.daily, ['2026-01-31'], 'SUCCESS'],
  ['reports.export with its progress', reports.exportRows, [10], 'SUCCESS'],
  ['reports.slow', reports.slow, [2], 'SUCCESS'],
  ['reports.slow, ended by its soft limit', reports.slow, [90], 'FAILURE'],
  ['img.fetch', images.fetch, ['https://example.com/a.png'], 'SUCCESS'],
  ['img.fetch of no URL', images.fetch, ['a.png'], 'FAILURE'],
  ['img.resize', images.resize, ['ab12', 640], 'SUCCESS'],
  ['img.publish', images.publish, [['a', 'b']], 'SUCCESS'],
  ['too few arguments', math.add, [2], 'FAILURE'],
] as const

test('every task of the shop is among the calls', () => {
  const called = new Set(calls.map(([, task]) => task.taskName))

  expect([...called].sort()).toEqual(app.tasks().map(({ taskName }) => taskName))
  expect(called.size).toBe(14)
})

test.each(calls)('%s', async (_, task, args, state) => {
  const onWorker = await traces(task, args, { eager: false })
  const eagerly = await traces(task, args, { eager: true })

  expect(eagerly).toEqual(onWorker)
  // The comparison means nothing if both saw nothing.
  expect(onWorker.metas.findLast((meta) => meta.id === 'id 1')).toMatchObject({ state })
  expect(onWorker.events.length).toBeGreaterThanOrEqual(4)
})

test('flaky(3) tells its three retries', async () => {
  const eagerly = await traces(orders.flaky, [3], { eager: true })

  expect(eagerly.metas.map(({ state }) => state)).toEqual([
    'STARTED',
    'RETRY',
    'STARTED',
    'RETRY',
    'STARTED',
    'RETRY',
    'STARTED',
    'FAILURE',
  ])
  expect(eagerly.events.map(({ type }) => type)).toEqual([
    'task-sent',
    'task-received',
    'task-started',
    'task-retried',
    'task-received',
    'task-started',
    'task-retried',
    'task-received',
    'task-started',
    'task-retried',
    'task-received',
    'task-started',
    'task-failed',
  ])
})

function virtual(given: Clock): VirtualClock {
  if (!(given instanceof VirtualClock)) throw new TypeError('expected the shop on a virtual clock')
  return given
}

type Fields = Readonly<Record<string, unknown>>

/** Every change of the records and every event of one call, made comparable. */
async function traces(task: AnyTask, args: readonly unknown[], { eager }: { readonly eager: boolean }) {
  const id = randomId()
  const metas: TaskMeta[] = []
  events.length = 0
  app.eager = eager
  const watching = (async () => {
    for await (const meta of app.result(id).updates()) metas.push(meta)
  })()
  await clock.advance(0)

  await pass(app.sendTask(task.taskName, args, {}, { taskId: id }))
  await pass(watching)
  for (const child of await app.result(id).children()) {
    if (child instanceof AsyncResult) await pass(child.whenReady((meta) => metas.push(meta)))
  }
  await clock.advance(0)
  app.eager = false

  const own = events.filter((event) => 'uuid' in event)
  const ids = [...new Set([id, ...own.map(({ uuid }) => uuid)])]
  const inOrder = ids.flatMap((one) => own.filter(({ uuid }) => uuid === one).sort(sentFirst))
  return numbered(ids, { metas: metas.map(comparable), events: inOrder.map(comparable) })
}

function sentFirst(a: WorkerEvent, b: WorkerEvent): number {
  return Number(b.type === 'task-sent') - Number(a.type === 'task-sent')
}

function comparable(record: TaskMeta | WorkerEvent): Fields {
  const fields: Record<string, unknown> = { ...record }
  for (const name of ['doneAtMs', 'timestampMs', 'runtime', 'clock', 'utcoffset', 'hostname', 'worker', 'pid']) {
    if (fields[name] !== undefined) fields[name] = `some ${name}`
  }
  if ('timestampMs' in record && typeof fields.eta === 'string') {
    fields.eta = `${Date.parse(fields.eta) - record.timestampMs} ms from now`
  }
  if (fields.state === 'STARTED') fields.result = Object.keys(fields.result ?? {})
  if (typeof fields.traceback === 'string') fields.traceback = firstFrame(fields.traceback)
  return fields
}

function firstFrame(traceback: string): string {
  let frames = 0
  return traceback
    .split('\n')
    .filter((line) => !/^\s+at /.test(line) || frames++ === 0)
    .join('\n')
}

/** The same with each id replaced by its number, wherever it stands. */
function numbered<T extends { readonly metas: readonly Fields[]; readonly events: readonly Fields[] }>(
  ids: readonly string[],
  value: T,
): T {
  const text = JSON.stringify(value, (_, part: unknown) => (part === undefined ? '(undefined)' : part))
  return JSON.parse(ids.reduce((all, id, at) => all.replaceAll(id, `id ${at + 1}`), text)) as T // the same shape
}
