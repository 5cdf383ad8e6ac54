import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Area, Figures, Row, Scale } from './harness.ts'
import { percentile } from './harness.ts'
import { cpuUs, type Mark, pause, until, withRole } from './role.ts'

const concurrencies = [1, 10, 100] as const
const aims = { 1: '>= 15,000/s', 10: '>= 40,000/s', 100: '>= 60,000/s' } as const

export const sqliteArea: Area = {
  name: 'sqlite',
  title: 'SQLite (the embedded broker)',
  method: [
    'A new file per measurement on the file system of the temporary folder; WAL, synchronous=normal. Client and worker are',
    'processes of their own, publish is awaited. process: pre-filled queue, timed from 5 % begun to the last message deleted;',
    'late acknowledgement, results kept, result and ack in one commit, log level warn, events off unless the row says on.',
    'raw: the same tables and message, claim + result + ack of 100 messages per commit, nothing decoded, nobody woken.',
  ],
  rows: [
    { label: 'raw insert of 1', figure: 'rawInsert', unit: '/s' },
    { label: 'raw insert of 100', figure: 'rawBulk', unit: '/s' },
    { label: 'raw claim + ack + result of 100', figure: 'rawConsume', unit: '/s' },
    { label: 'enqueue one by one', figure: 'enqueue', unit: '/s', raw: { figure: 'rawInsert', label: 'insert' } },
    { label: '  client CPU', figure: 'enqueueCpu', unit: 'us' },
    { label: 'enqueue, 100 at once', figure: 'bulk', unit: '/s', raw: { figure: 'rawBulk', label: 'insert of 100' } },
    { label: '  client CPU', figure: 'bulkCpu', unit: 'us' },
    ...concurrencies.flatMap((c): readonly Row[] => [
      {
        label: `process, c=${c}`,
        figure: `drain${c}`,
        unit: '/s',
        raw: { figure: 'rawConsume', label: 'raw of 100' },
        aim: aims[c],
      },
      { label: '  worker CPU per task', figure: `drain${c}Cpu`, unit: 'us' },
    ]),
    {
      label: 'process, c=100, events on',
      figure: 'events100',
      unit: '/s',
      raw: { figure: 'drain100', label: 'events off' },
      aim: '>= 0.85 of off',
      how: 'the default on SQLite; three events per task, batched.',
    },
    { label: '  worker CPU per task', figure: 'events100Cpu', unit: 'us' },
    {
      label: 'delay to result p50',
      figure: 'tripP50',
      unit: 'ms',
      aim: '<= 1 ms',
      how: 'await (await add.delay(x, y)).get(), back to back, worker c=10.',
    },
    { label: 'delay to result p99', figure: 'tripP99', unit: 'ms', aim: '<= 5 ms' },
    {
      label: 'the same with pauses, p50',
      figure: 'pausedP50',
      unit: 'ms',
      aim: '<= 1 ms',
      how: 'pauses of 0 to 10 ms: everybody sleeps when the call comes.',
    },
    { label: 'the same with pauses, p99', figure: 'pausedP99', unit: 'ms', aim: '<= 5 ms' },
    { label: 'idle worker CPU', figure: 'idle', unit: '%', aim: '<= 0.2 %', how: 'share of one core, events on.' },
  ],
  run: async (scale) => ({
    ...(await inFolder((folder) => enqueue(folder, scale))),
    ...(await drains(scale)),
    ...(await inFolder((folder) => roundTrips(folder, scale))),
  }),
}

async function drains({ tasks }: Scale): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const c of concurrencies) {
    Object.assign(figures, await inFolder((folder) => drain(folder, tasks, c, false, `drain${c}`)))
  }
  return { ...figures, ...(await inFolder((folder) => drain(folder, tasks, 100, true, 'events100'))) }
}

export async function inFolder<T>(fn: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
  try {
    return await fn(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function enqueue(folder: string, { tasks }: Scale): Promise<Figures> {
  const path = join(folder, 'tq.db')
  return withRole('tq', async (client) => {
    await client.ask('open', { brokerUrl: `sqlite://${path}`, taskSendSentEvent: false })
    await client.ask('enqueue', { count: 200, inFlight: 1 })
    const text = oneMessage(path)
    return withRole('sqlite', async (raw) => {
      await raw.ask('open', join(folder, 'raw.db'))
      const count = tasks / 2
      const rawInsert = await raw.ask<number>('insert', { count, batch: 1, text })
      const one = await client.ask<Mark & { perSecond: number }>('enqueue', { count, inFlight: 1 })
      const rawBulk = await raw.ask<number>('insert', { count: tasks, batch: 100, text })
      await client.ask('enqueue', { count: tasks / 4, inFlight: 100 })
      const many = await client.ask<Mark & { perSecond: number }>('enqueue', { count: tasks, inFlight: 100 })
      const rawConsume = await raw.ask<number>('consume', { count: tasks, batch: 100, text })
      return {
        rawInsert,
        rawBulk,
        rawConsume,
        enqueue: one.perSecond,
        enqueueCpu: one.cpuUs,
        bulk: many.perSecond,
        bulkCpu: many.cpuUs,
      }
    })
  })
}

function oneMessage(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    return String(db.prepare('select body from message limit 1').get()?.['body'])
  } finally {
    db.close()
  }
}

async function drain(
  folder: string,
  tasks: number,
  concurrency: number,
  events: boolean,
  name: string,
): Promise<Figures> {
  const path = join(folder, 'tq.db')
  const brokerUrl = `sqlite://${path}`
  await withRole('tq', async (client) => {
    await client.ask('open', { brokerUrl, taskSendSentEvent: false })
    await client.ask('enqueue', { count: tasks - 1, inFlight: 100 })
  })
  return withRole('tq', async (worker) => {
    await worker.ask('open', { brokerUrl })
    const db = new DatabaseSync(path, { readOnly: true })
    const left = db.prepare('select count(*) as n from message')
    const warmAt = Math.round(tasks / 20)
    const warm = worker.ask<Mark>('warm')
    const working = worker.ask('work', { concurrency, events, warmAt })
    const begin = await warm
    await working
    const any = db.prepare('select 1 from message limit 1')
    await until(() => any.get() === undefined)
    const endMs = performance.timeOrigin + performance.now()
    const workerUs = cpuUs(worker.pid) - begin.cpuUs
    if (left.get()?.['n'] !== 0) throw new Error('Messages are left.')
    db.close()
    const count = tasks - warmAt
    return { [name]: (count * 1000) / (endMs - begin.atMs), [`${name}Cpu`]: workerUs / count }
  })
}

async function roundTrips(folder: string, { calls, idleMs }: Scale): Promise<Figures> {
  const brokerUrl = `sqlite://${join(folder, 'tq.db')}`
  return withRole('tq', async (worker) => {
    await worker.ask('open', { brokerUrl })
    await worker.ask('work', { concurrency: 10, events: true })
    return withRole('tq', async (client) => {
      await client.ask('open', { brokerUrl })
      const trips = await client.ask<number[]>('roundTrips', { count: calls, pauseMs: 0 })
      const paused = await client.ask<number[]>('roundTrips', { count: Math.min(calls, 400), pauseMs: 10 })
      await pause(500)
      const begin = cpuUs(worker.pid)
      await pause(idleMs)
      return {
        tripP50: percentile(trips, 0.5),
        tripP99: percentile(trips, 0.99),
        pausedP50: percentile(paused, 0.5),
        pausedP99: percentile(paused, 0.99),
        idle: (cpuUs(worker.pid) - begin) / (idleMs * 10),
      }
    })
  })
}
