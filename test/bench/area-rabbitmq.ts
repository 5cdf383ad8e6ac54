import { type RabbitmqServer, startRabbitmq } from '../helpers/rabbitmq.ts'
import { type Area, type Figures, percentile, type Row, type Scale } from './harness.ts'
import { cpuUs, type Mark, type Role, until, withRole } from './role.ts'

const concurrencies = [1, 10, 100] as const

/** Throughput and CPU of one process. */
interface Speed {
  readonly perSecond: number
  readonly cpuUs: number
}

export const rabbitmqArea: Area = {
  name: 'rabbitmq',
  title: 'RabbitMQ',
  method: [
    'A private node; client, worker and server are processes of their own; durable queue, persistent messages, publisher confirms.',
    'process: pre-filled queue, timed from 5 % begun to the last acknowledgement; late acknowledgement, results not kept, no events.',
    'The raw consumer takes the same messages at prefetch 100 and acknowledges each by itself.',
  ],
  rows: [
    { label: 'raw publish with confirm, one in flight', figure: 'rawPublish', unit: '/s' },
    {
      label: 'enqueue one by one',
      figure: 'enqueue',
      unit: '/s',
      raw: { figure: 'rawPublish', label: 'publish' },
      aim: '>= 0.9 of raw',
    },
    { label: '  client CPU', figure: 'enqueueCpu', unit: 'us' },
    { label: 'enqueue, 100 at once', figure: 'bulk', unit: '/s', how: 'await Promise.all of 100 delay() in a loop.' },
    { label: '  client CPU', figure: 'bulkCpu', unit: 'us' },
    ...concurrencies.flatMap((c): readonly Row[] => [
      {
        label: `process, c=${c}`,
        figure: `drain${c}`,
        unit: '/s',
        raw: { figure: 'rawConsume', label: 'raw consumer' },
        ...(c === 100 && { aim: '>= 0.9 of raw' }),
      },
      {
        label: '  worker CPU per task',
        figure: `drain${c}Cpu`,
        unit: 'us',
        raw: { figure: 'rawConsumeCpu', label: 'raw consumer' },
      },
    ]),
    {
      label: 'round trip p50, rpc results',
      figure: 'tripP50',
      unit: 'ms',
      how: 'await (await add.delay(x, y)).get(), back to back, worker c=10.',
    },
    { label: 'round trip p99, rpc results', figure: 'tripP99', unit: 'ms' },
  ],
  run: async (scale) => {
    const server = await startRabbitmq()
    try {
      return { ...(await throughput(server, scale)), ...(await roundTrip(server, scale)) }
    } finally {
      await server.stop()
    }
  },
}

async function throughput(server: RabbitmqServer, { tasks }: Scale): Promise<Figures> {
  const { url: brokerUrl } = server.vhost()
  const settings = { brokerUrl, resultBackend: 'disabled' }
  return withRole('amqp', (raw) =>
    withRole('tq', async (client) => {
      await raw.ask('open', brokerUrl)
      await client.ask('open', settings)
      const one = await client.ask<Speed>('enqueue', { count: tasks / 10, inFlight: 1 })
      await raw.ask('look')
      const rawPublish = await raw.ask<number>('publish', { count: tasks / 10 })
      const many = await client.ask<Speed>('enqueue', { count: tasks, inFlight: 100 })
      await raw.ask('purge')
      await client.ask('enqueue', { count: tasks - 1, inFlight: 100 })
      const consumed = await raw.ask<Speed>('consume', { count: tasks, warmAt: tasks / 20 })
      const figures: Record<string, number> = {
        rawPublish,
        enqueue: one.perSecond,
        enqueueCpu: one.cpuUs,
        bulk: many.perSecond,
        bulkCpu: many.cpuUs,
        rawConsume: consumed.perSecond,
        rawConsumeCpu: consumed.cpuUs,
      }
      for (const c of concurrencies) {
        await client.ask('enqueue', { count: tasks - 1, inFlight: 100 })
        const speed = await withRole('tq', async (worker) => {
          await worker.ask('open', settings)
          return drain(worker, tasks, c)
        })
        figures[`drain${c}`] = speed.perSecond
        figures[`drain${c}Cpu`] = speed.cpuUs
      }
      return figures
    }),
  )
}

async function drain(worker: Role, tasks: number, concurrency: number): Promise<Speed> {
  const warmAt = tasks / 20
  const warm = worker.ask<Mark>('warm')
  const working = worker.ask('work', { concurrency, warmAt })
  const begin = await warm
  await working
  // The last acknowledgements are on the wire when the last task has begun; a broker has no cheaper way to tell.
  await until(async () => (await worker.ask<number>('started')) >= tasks)
  const endMs = performance.timeOrigin + performance.now()
  const timed = tasks - warmAt
  return { perSecond: (timed * 1000) / (endMs - begin.atMs), cpuUs: (cpuUs(worker.pid) - begin.cpuUs) / timed }
}

async function roundTrip(server: RabbitmqServer, { calls }: Scale): Promise<Figures> {
  const settings = { brokerUrl: server.vhost().url, resultBackend: 'rpc://' }
  return withRole('tq', async (worker) => {
    await worker.ask('open', settings)
    await worker.ask('work', { concurrency: 10 })
    return withRole('tq', async (client) => {
      await client.ask('open', settings)
      const trips = await client.ask<number[]>('roundTrips', { count: calls, pauseMs: 0 })
      return { tripP50: percentile(trips, 0.5), tripP99: percentile(trips, 0.99) }
    })
  })
}
