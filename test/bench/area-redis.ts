import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from '../helpers/services.ts'
import type { Area, Figures, Row, Scale } from './harness.ts'
import { percentile } from './harness.ts'
import { cpuUs, type Mark, type Role, until, withRole } from './role.ts'

const concurrencies = [1, 10, 100] as const
const aims = { 1: '>= 1.3 x BullMQ', 10: '>= 2.3 x BullMQ', 100: '>= 3 x BullMQ' } as const

export const redisArea: Area = {
  name: 'redis',
  title: 'Redis',
  method: [
    'A private server without persistence; client, worker and server are processes of their own, publish is awaited.',
    'process: pre-filled queue, timed from 5 % begun to the last result; late acknowledgement, results kept, result and ack',
    'in one script, default prefetch, log level warn, no remote control. BullMQ in the same run: its defaults, jobs kept.',
    'CPU us per task: all threads of the worker (schedstat); of the server INFO used_cpu.',
  ],
  rows: [
    { label: 'raw LPUSH, one in flight', figure: 'rawLpush', unit: '/s' },
    { label: 'raw LPUSH of 100 messages', figure: 'rawBulk', unit: '/s' },
    { label: 'raw RPOP 100 + SETEX 100', figure: 'rawConsume', unit: '/s' },
    {
      label: 'enqueue one by one',
      figure: 'enqueue',
      unit: '/s',
      raw: { figure: 'rawLpush', label: 'LPUSH' },
      aim: '>= 0.9 of raw',
      how: 'await add.delay(x, y) in a loop; the raw row pushes the same text.',
    },
    { label: '  client CPU', figure: 'enqueueCpu', unit: 'us' },
    {
      label: 'enqueue, 100 at once',
      figure: 'bulk',
      unit: '/s',
      raw: { figure: 'rawBulk', label: 'LPUSH of 100' },
      aim: '>= 250,000/s',
      how: 'await Promise.all of 100 delay() in a loop.',
    },
    { label: '  client CPU', figure: 'bulkCpu', unit: 'us' },
    ...concurrencies.flatMap((c): readonly Row[] => [
      {
        label: `process, c=${c}`,
        figure: `drain${c}`,
        unit: '/s',
        raw: { figure: `bullmq${c}`, label: 'BullMQ' },
        aim: aims[c],
      },
      {
        label: '  worker CPU per task',
        figure: `drain${c}Cpu`,
        unit: 'us',
        raw: { figure: `bullmq${c}Cpu`, label: 'BullMQ' },
        aim: c === 1 ? '' : '<= 15 us',
      },
      {
        label: '  Redis CPU per task',
        figure: `drain${c}Server`,
        unit: 'us',
        raw: { figure: `bullmq${c}Server`, label: 'BullMQ' },
        aim: c === 1 ? '' : '<= 11 us',
      },
    ]),
    {
      label: 'process, c=100, of the raw limit',
      figure: 'drain100',
      unit: '/s',
      raw: { figure: 'rawConsume', label: 'RPOP+SETEX' },
    },
    {
      label: 'process, c=100, events on',
      figure: 'events100',
      unit: '/s',
      raw: { figure: 'drain100', label: 'events off' },
      aim: '>= 0.85 of off',
      how: 'three events per task, batched as task.multi.',
    },
    { label: '  worker CPU per task', figure: 'events100Cpu', unit: 'us', aim: '<= 19 us' },
    {
      label: 'round trip p50',
      figure: 'tripP50',
      unit: 'ms',
      raw: { figure: 'pingP50', label: 'PING' },
      aim: '<= 0.25 ms',
      how: 'await (await add.delay(x, y)).get(), back to back, worker c=10 idle in between.',
    },
    {
      label: 'round trip p99',
      figure: 'tripP99',
      unit: 'ms',
      raw: { figure: 'pingP99', label: 'PING' },
      aim: '<= 1.5 ms',
    },
  ],
  run: async (scale) => ({
    ...(await withServer((server) => enqueue(server, scale))),
    ...(await drains(scale)),
    ...(await withServer((server) => roundTrip(server, scale))),
  }),
}

async function drains({ tasks }: Scale): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const c of concurrencies) {
    Object.assign(figures, named(`bullmq${c}`, await withServer((server) => drainBullmq(server, tasks, c))))
    Object.assign(figures, named(`drain${c}`, await withServer((server) => drain(server, tasks, c, false))))
  }
  Object.assign(figures, named('events100', await withServer((server) => drain(server, tasks, 100, true))))
  return figures
}

async function withServer<T>(fn: (server: RedisServer) => Promise<T>): Promise<T> {
  const server = await startRedis()
  try {
    return await fn(server)
  } finally {
    await server.stop()
  }
}

async function enqueue(server: RedisServer, { tasks }: Scale): Promise<Figures> {
  return withRole('tq', async (client) => {
    await client.ask('open', { brokerUrl: server.url })
    await client.ask('enqueue', { count: 100, inFlight: 1 })
    const text = await oneMessage(server)
    return withRole('redis', async (raw) => {
      await raw.ask('open', server.url)
      const count = tasks / 4
      await raw.ask('lpush', { count: 200, text })
      const rawLpush = await raw.ask<number>('lpush', { count, text })
      const one = await client.ask<Enqueued>('enqueue', { count, inFlight: 1 })
      const rawBulk = await raw.ask<number>('lpushBulk', { count: tasks, text })
      await client.ask('enqueue', { count: tasks / 4, inFlight: 100 })
      const many = await client.ask<Enqueued>('enqueue', { count: tasks, inFlight: 100 })
      const rawConsume = await raw.ask<number>('consume', { count: tasks, text })
      return {
        rawLpush,
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

interface Enqueued {
  readonly perSecond: number
  readonly cpuUs: number
}

async function oneMessage(server: RedisServer): Promise<string> {
  return withRedis(server, async (redis) => (await redis.lindex('celery', 0)) ?? '')
}

async function withRedis<T>(server: RedisServer, fn: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url)
  try {
    return await fn(redis)
  } finally {
    redis.disconnect()
  }
}

/** Throughput, worker and server CPU of a drain. */
interface Drained {
  readonly perSecond: number
  readonly cpuUs: number
  readonly serverUs: number
}

function named(name: string, { perSecond, cpuUs, serverUs }: Drained): Figures {
  return { [name]: perSecond, [`${name}Cpu`]: cpuUs, [`${name}Server`]: serverUs }
}

function drain(server: RedisServer, tasks: number, concurrency: number, events: boolean): Promise<Drained> {
  return withRole('tq', async (client) => {
    await client.ask('open', { brokerUrl: server.url })
    await client.ask('enqueue', { count: tasks - 1, inFlight: 100 })
    const filled = await withRedis(server, (redis) => redis.llen('celery'))
    return withRole('tq', async (worker) => {
      await worker.ask('open', { brokerUrl: server.url })
      const isDone = async (redis: Redis): Promise<boolean> =>
        (await redis.llen('celery')) + (await redis.hlen('unacked')) === 0
      return timed(server, worker, filled, { concurrency, events, warmAt: filled / 20 }, isDone)
    })
  })
}

function drainBullmq(server: RedisServer, tasks: number, concurrency: number): Promise<Drained> {
  const { port } = server
  return withRole('bullmq', async (client) => {
    await client.ask('fill', { port, count: tasks })
    return withRole('bullmq', (worker) =>
      timed(
        server,
        worker,
        tasks,
        { port, concurrency, warmAt: tasks / 20 },
        async (redis) => (await redis.zcard('bull:bench:completed')) >= tasks,
      ),
    )
  })
}

function timed(
  server: RedisServer,
  worker: Role,
  tasks: number,
  work: { readonly warmAt: number; readonly [option: string]: unknown },
  isDone: (redis: Redis) => Promise<boolean>,
): Promise<Drained> {
  const warmAt = Math.round(work.warmAt)
  return withRedis(server, async (redis) => {
    const warm = worker.ask<Mark>('warm')
    const working = worker.ask('work', { ...work, warmAt })
    const begin = await warm
    const serverBegin = await serverUs(redis)
    await working
    await until(() => isDone(redis))
    const endMs = performance.timeOrigin + performance.now()
    const workerUs = cpuUs(worker.pid) - begin.cpuUs
    const count = tasks - warmAt
    return {
      perSecond: (count * 1000) / (endMs - begin.atMs),
      cpuUs: workerUs / count,
      serverUs: ((await serverUs(redis)) - serverBegin) / count,
    }
  })
}

/** CPU time that the server has used, in us. */
export async function serverUs(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  const of = (name: string): number => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]) * 1e6
  return of('used_cpu_user') + of('used_cpu_sys')
}

async function roundTrip(server: RedisServer, { calls }: Scale): Promise<Figures> {
  return withRole('tq', async (worker) => {
    await worker.ask('open', { brokerUrl: server.url })
    await worker.ask('work', { concurrency: 10 })
    const pings = await withRole('redis', async (raw) => {
      await raw.ask('open', server.url)
      return raw.ask<number[]>('ping', { count: calls })
    })
    return withRole('tq', async (client) => {
      await client.ask('open', { brokerUrl: server.url })
      const trips = await client.ask<number[]>('roundTrips', { count: calls, pauseMs: 0 })
      return {
        pingP50: percentile(pings, 0.5),
        pingP99: percentile(pings, 0.99),
        tripP50: percentile(trips, 0.5),
        tripP99: percentile(trips, 0.99),
      }
    })
  })
}
