import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RedisServer, startRedis } from '../helpers/services.ts'
import type { Area, Figures, Row } from './harness.ts'
import { type Role, withRole } from './role.ts'

const sizes = [100, 1000, 10_000] as const
const concurrency = 100
/** The first ones warm both processes up. */
const warmUps = 3

const brokers = ['redis', 'sqlite'] as const
const titles = { redis: 'Redis', sqlite: 'SQLite' } as const

export const canvasArea: Area = {
  name: 'canvas',
  title: 'Canvas',
  method: [
    'Client and worker (c=100) are processes of their own; late acknowledgement, results kept, no events, a private server or a new file.',
    'chord and chain: from delay() to the last result in the client; parts give a number, the body adds them.',
    'cost per part: the time of a whole chord by the number of its parts.',
  ],
  rows: [
    { label: 'BullMQ flow of 1,000', figure: 'bullmqFlow', unit: 'ms' },
    ...brokers.flatMap((broker): readonly Row[] => [
      {
        label: `chord of 1,000, ${titles[broker]}`,
        figure: `${broker}Chord1000`,
        unit: 'ms',
        ...(broker === 'redis' && { raw: { figure: 'bullmqFlow', label: 'BullMQ flow' }, aim: '<= 130 ms' }),
      },
      ...sizes.map(
        (size): Row => ({
          label: `  per part of ${size.toLocaleString('en-US')}`,
          figure: `${broker}Part${size}`,
          unit: 'us',
          ...(size !== 1000 && { raw: { figure: `${broker}Part1000`, label: 'of 1,000' }, aim: 'flat' }),
        }),
      ),
      { label: `group of 10,000 sent, ${titles[broker]}`, figure: `${broker}GroupSent`, unit: 'ms' },
      { label: '  all results', figure: `${broker}GroupDone`, unit: 'ms' },
      { label: `chain of 100, ${titles[broker]}, per step`, figure: `${broker}Step100`, unit: 'us' },
      {
        label: `chain of 1,000, ${titles[broker]}, per step`,
        figure: `${broker}Step1000`,
        unit: 'us',
        raw: { figure: `${broker}Step100`, label: 'of 100' },
        aim: 'flat',
        how: 'every message of a chain carries what is left of it: that is the wire.',
      },
    ]),
  ],
  run: async () => {
    const redis = await withServer(async (server) => ({
      ...(await flow(server)),
      ...(await measured('redis', server.url)),
    }))
    const folder = mkdtempSync(join(tmpdir(), 'tq-bench-'))
    try {
      return { ...redis, ...(await measured('sqlite', `sqlite://${join(folder, 'tq.db')}`)) }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

function measured(name: (typeof brokers)[number], brokerUrl: string): Promise<Figures> {
  return withRole('canvas', async (worker) => {
    await worker.ask('open', { brokerUrl })
    await worker.ask('work', { concurrency })
    return withRole('canvas', async (client) => {
      await client.ask('open', { brokerUrl })
      for (let n = 0; n < warmUps; n++) await client.ask('chord', { count: 1000 })
      const figures: Record<string, number> = {}
      for (const count of sizes) {
        const ms = await best(client, 'chord', count)
        if (count === 1000) figures[`${name}Chord1000`] = ms
        figures[`${name}Part${count}`] = (ms * 1000) / count
      }
      const { sentMs, doneMs } = await client.ask<{ sentMs: number; doneMs: number }>('group', { count: 10_000 })
      figures[`${name}GroupSent`] = sentMs
      figures[`${name}GroupDone`] = doneMs
      for (const count of [100, 1000]) {
        figures[`${name}Step${count}`] = ((await best(client, 'chain', count)) * 1000) / count
      }
      return figures
    })
  })
}

/** The fastest of three: the others were disturbed. */
async function best(client: Role, op: string, count: number): Promise<number> {
  let least = Infinity
  for (let n = 0; n < 3; n++) least = Math.min(least, await client.ask<number>(op, { count }))
  return least
}

function flow({ port }: RedisServer): Promise<Figures> {
  return withRole('bullmq-flow', async (worker) => {
    await worker.ask('work', { port, concurrency })
    return withRole('bullmq-flow', async (client) => {
      for (let n = 0; n < warmUps; n++) await client.ask('flow', { port, count: 1000 })
      let least = Infinity
      for (let n = 0; n < 3; n++) least = Math.min(least, await client.ask<number>('flow', { port, count: 1000 }))
      return { bullmqFlow: least }
    })
  })
}

async function withServer<T>(fn: (server: RedisServer) => Promise<T>): Promise<T> {
  const server = await startRedis()
  try {
    return await fn(server)
  } finally {
    await server.stop()
  }
}
