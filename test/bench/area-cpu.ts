import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { inFolder } from './area-sqlite.ts'
import type { Area } from './harness.ts'
import { pause, until, withRole } from './role.ts'

const processes = 2
const taskMs = 5
const count = 1000

export const cpuArea: Area = {
  name: 'cpu',
  title: `CPU: ${count.toLocaleString('en-US')} tasks of ${taskMs} ms on ${processes} processes`,
  method: [
    'SQLite, pre-filled queue, pool prefork, late acknowledgement, results kept; timed from 5 % done to the last message deleted.',
    'bare: forked processes that get the next piece of the same arithmetic when they have answered; the mean of before and after.',
  ],
  rows: [
    { label: 'bare processes', figure: 'bare', unit: '/s' },
    { label: 'prefork', figure: 'prefork', unit: '/s', raw: { figure: 'bare', label: 'bare' }, aim: '>= 0.95 of bare' },
  ],
  run: () =>
    withRole('cpu', async (role) => {
      const rounds = await role.ask<number>('calibrate', taskMs)
      const measureBare = (): Promise<number> => role.ask('bare', { count, rounds, processes })
      const before = await measureBare()
      const prefork = await inFolder((folder) => drain(join(folder, 'tq.db'), rounds))
      return { prefork, bare: (before + (await measureBare())) / 2 }
    }),
}

async function drain(path: string, rounds: number): Promise<number> {
  const brokerUrl = `sqlite://${path}`
  await withRole('cpu', async (client) => {
    await client.ask('open', brokerUrl)
    await client.ask('enqueue', { count, rounds })
  })
  return withRole('cpu', async (worker) => {
    await worker.ask('open', brokerUrl)
    const db = new DatabaseSync(path, { readOnly: true })
    const left = db.prepare('select count(*) as n from message')
    const open = (): number => Number(left.get()?.['n'])
    await worker.ask('work', processes)
    await until(() => open() <= count * 0.95)
    const [begun, beginMs] = [open(), performance.now()]
    while (open() > 0) await pause(5)
    const perSecond = (begun * 1000) / (performance.now() - beginMs)
    db.close()
    return perSecond
  })
}
