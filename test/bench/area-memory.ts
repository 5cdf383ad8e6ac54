import type { Area } from './harness.ts'
import { withRole } from './role.ts'

export const memoryArea: Area = {
  name: 'memory',
  title: 'memory:// for reference',
  method: [
    'Client, broker, worker (c=100) and results in one process, no I/O: what everything but the broker costs. 1,000 delay() at',
    'once, then all their results; CPU of the whole process.',
  ],
  rows: [
    { label: 'delay + run + result', figure: 'both', unit: '/s' },
    { label: '  CPU per task', figure: 'cpu', unit: 'us' },
    { label: 'a lone call', figure: 'trip', unit: 'ms', how: 'median of await (await add.delay(x, y)).get().' },
  ],
  run: ({ tasks, calls }) =>
    withRole('tq', async (role) => {
      await role.ask('open', { brokerUrl: 'memory://', taskSendSentEvent: false })
      await role.ask('work', { concurrency: 100 })
      const trips = await role.ask<number[]>('roundTrips', { count: calls, pauseMs: 0 })
      const { perSecond, cpuUs } = await role.ask<{ perSecond: number; cpuUs: number }>('together', { count: tasks })
      return { both: perSecond, cpu: cpuUs, trip: trips.toSorted((a, b) => a - b)[trips.length >> 1] ?? NaN }
    }),
}
