import { join } from 'node:path'
import { startRedis } from '../helpers/services.ts'
import { inFolder } from './area-sqlite.ts'
import type { Area, Figures, Row } from './harness.ts'
import { percentile } from './harness.ts'
import { pause, rssMb, until, withRole } from './role.ts'

const tasks = 10_000
const seconds = 5
const brokers = ['SQLite', 'Redis'] as const

export const etaArea: Area = {
  name: 'eta',
  title: `ETA: ${tasks.toLocaleString('en-US')} tasks with an ETA ${seconds} s ahead`,
  method: [
    'Sent by another process, 10,000/s at most; late acknowledgement, results kept, worker c=100. late: start of the',
    'function minus the ETA. RSS: highest of the worker (every 50 ms) minus that before the first message.',
  ],
  rows: brokers.flatMap((broker): readonly Row[] => [
    { label: `${broker}: late p50`, figure: `${broker}P50`, unit: 'ms' },
    { label: `${broker}: late p99`, figure: `${broker}P99`, unit: 'ms', aim: '<= 50 ms' },
    { label: `${broker}: RSS above idle`, figure: `${broker}Rss`, unit: 'MB', aim: '<= 20 MB' },
  ]),
  run: async () => ({
    ...(await inFolder((folder) => countdown(`sqlite://${join(folder, 'tq.db')}`, 'SQLite'))),
    ...(await onRedis()),
  }),
}

async function onRedis(): Promise<Figures> {
  const server = await startRedis()
  try {
    return await countdown(server.url, 'Redis')
  } finally {
    await server.stop()
  }
}

async function countdown(brokerUrl: string, name: string): Promise<Figures> {
  return withRole('tq', async (worker) => {
    await worker.ask('open', { brokerUrl })
    await worker.ask('work', { concurrency: 100 })
    return withRole('tq', async (client) => {
      await client.ask('open', { brokerUrl, taskSendSentEvent: false })
      await client.ask('roundTrips', { count: 1, pauseMs: 0 })
      await pause(300)
      await worker.ask('reset')
      const idle = rssMb(worker.pid)
      let peak = idle
      const sampling = setInterval(() => {
        peak = Math.max(peak, rssMb(worker.pid))
      }, 50)
      try {
        await client.ask('countdown', { count: tasks, seconds, perSecond: 10_000 })
        await pause(seconds * 1000 - 500)
        await until(async () => {
          await pause(100)
          return (await worker.ask<number>('started')) >= tasks
        })
      } finally {
        clearInterval(sampling)
      }
      const late = await worker.ask<number[]>('lateness')
      return {
        [`${name}P50`]: percentile(late, 0.5),
        [`${name}P99`]: percentile(late, 0.99),
        [`${name}Rss`]: peak - idle,
      }
    })
  })
}
