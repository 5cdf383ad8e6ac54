import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from '../helpers/services.ts'
import { serverUs } from './area-redis.ts'
import type { Area, Figures, Row, Scale } from './harness.ts'
import { percentile } from './harness.ts'
import { type Role, until, withRole } from './role.ts'

interface Peer {
  readonly key: string
  readonly label: string
  readonly role: string
  readonly concurrency: number
  /** What one can rely on where these figures were had. */
  readonly guarantees: string
  /** The share of the calls that are measured: the slow ones would take minutes. */
  readonly share: number
  /** Jobs that are not done yet, of `count`. */
  left(redis: Redis, count: number): Promise<number>
  /** It tells when the broker has a message. */
  readonly publishIsAwaited: boolean
}

const celeryLeft = async (redis: Redis): Promise<number> => (await redis.llen('celery')) + (await redis.hlen('unacked'))

const peers: readonly Peer[] = [
  {
    key: 'tq',
    label: 'tq',
    role: 'tq',
    concurrency: 10,
    guarantees: 'publish awaited, late ack, lease refreshed, result kept a day; async pool, c=10',
    share: 1,
    left: celeryLeft,
    publishIsAwaited: true,
  },
  {
    key: 'bullmq',
    label: 'BullMQ',
    role: 'bullmq',
    concurrency: 10,
    guarantees: 'add awaited, lock renewed, stalled jobs run again, jobs and results kept; c=10',
    share: 1,
    left: async (redis, count) => count - (await redis.zcard('bull:bench:completed')),
    publishIsAwaited: true,
  },
  {
    key: 'bee',
    label: 'bee-queue',
    role: 'bee',
    concurrency: 10,
    guarantees: 'save awaited, stalled jobs run again, job and result kept for ever, result events may be lost; c=10',
    share: 1,
    left: async (redis, count) => count - (await redis.scard('bq:bench:succeeded')),
    publishIsAwaited: true,
  },
  {
    key: 'celeryNode',
    label: 'celery.node',
    role: 'celery-node',
    concurrency: 0,
    guarantees: 'publish not awaited, no acknowledgement (a crash loses what was taken), result kept; unbounded',
    share: 1,
    left: async (redis, count) => count - (await results(redis)),
    publishIsAwaited: false,
  },
  {
    key: 'celery',
    label: 'Celery 5.2 prefork',
    role: 'celery',
    concurrency: 10,
    guarantees: 'publish awaited, late ack, result kept a day; prefork -c 10, without mingle, gossip and heartbeat',
    share: 0.2,
    left: celeryLeft,
    publishIsAwaited: true,
  },
  {
    key: 'solo',
    label: 'Celery 5.2 solo',
    role: 'celery',
    concurrency: 1,
    guarantees: 'as prefork, one task at a time',
    share: 0.2,
    left: celeryLeft,
    publishIsAwaited: true,
  },
]

/** tq beside the others: the same work on one private server, in turn. */
export const peersArea: Area = {
  name: 'peers',
  title: 'tq and its peers on Redis',
  method: [
    'One private server without persistence, emptied between the parts; in each run each peer takes its turn at each part.',
    'Client, worker and server are processes of their own. process: pre-filled queue, timed from 5 % done to all done.',
    'CPU us per task: all threads of the worker and its children (schedstat); of the server INFO used_cpu.',
  ],
  rows: [
    ...rowsOf('Enqueue', 'enqueue one by one', '/s', ({ publishIsAwaited, key }) => publishIsAwaited && key !== 'solo'),
    ...rowsOf('Bulk', 'enqueue, 100 at once', '/s', ({ role }) => role !== 'celery'),
    ...rowsOf('Drain', 'process', '/s'),
    ...rowsOf('Cpu', 'worker CPU per task', 'us'),
    ...rowsOf('Server', 'Redis CPU per task', 'us'),
    ...rowsOf('P50', 'round trip p50', 'ms'),
    ...rowsOf('P99', 'round trip p99', 'ms'),
  ],
  run: async (scale) => {
    const server = await startRedis()
    const redis = new Redis(server.url)
    try {
      let figures: Figures = {}
      for (const part of [enqueue, drain, roundTrip]) {
        for (const peer of peers) {
          await redis.flushall()
          figures = { ...figures, ...(await part(peer, server, redis, scale)) }
        }
      }
      return figures
    } finally {
      redis.disconnect()
      await server.stop()
    }
  },
}

type Part = (peer: Peer, server: RedisServer, redis: Redis, scale: Scale) => Promise<Figures>

function rowsOf(
  figure: string,
  what: string,
  unit: Row['unit'],
  has: (peer: Peer) => boolean = () => true,
): readonly Row[] {
  return peers.filter(has).map(({ key, label, guarantees }) => ({
    label: `${what}, ${label}`,
    figure: `${key}${figure}`,
    unit,
    raw: key === 'tq' ? undefined : { figure: `tq${figure}`, label: 'tq' },
    how: figure === 'Drain' ? guarantees : undefined,
  }))
}

const enqueue: Part = (peer, server, _, { tasks }) =>
  withPeer(peer, server, async (client) => {
    if (peer.key === 'solo') return {}
    const count = Math.round((tasks / 4) * peer.share)
    const one = peer.publishIsAwaited
      ? { [`${peer.key}Enqueue`]: (await client.ask<Enqueued>('enqueue', { count, inFlight: 1 })).perSecond }
      : {}
    if (peer.role === 'celery') return one
    const many = await client.ask<Enqueued>('enqueue', { count: tasks, inFlight: 100 })
    return { ...one, [`${peer.key}Bulk`]: many.perSecond }
  })

interface Enqueued {
  readonly perSecond: number
}

const drain: Part = async (peer, server, redis, { tasks }) => {
  const wanted = Math.round(tasks * peer.share)
  const count = await withPeer(peer, server, async (client) => {
    await client.ask('enqueue', { count: wanted, inFlight: 100 })
    return wanted + (peer.key === 'celeryNode' ? 0 : 1) // the others' first call warms up
  })
  return withPeer(peer, server, async (worker) => {
    await worker.ask('work', { port: server.port, concurrency: peer.concurrency })
    await until(async () => (await peer.left(redis, count)) <= count * 0.95)
    const begin = { left: await peer.left(redis, count), ms: performance.now(), ...(await used(worker, redis)) }
    await until(async () => (await peer.left(redis, count)) === 0)
    const end = { ms: performance.now(), ...(await used(worker, redis)) }
    return {
      [`${peer.key}Drain`]: (begin.left * 1000) / (end.ms - begin.ms),
      [`${peer.key}Cpu`]: (end.workerUs - begin.workerUs) / begin.left,
      [`${peer.key}Server`]: (end.serverUs - begin.serverUs) / begin.left,
    }
  })
}

const roundTrip: Part = (peer, server, _, { calls }) =>
  withPeer(peer, server, async (worker) => {
    await worker.ask('work', { port: server.port, concurrency: peer.concurrency })
    return withPeer(peer, server, async (client) => {
      // celery.node asks for a result every 500 ms.
      const count = peer.key === 'celeryNode' ? 10 : Math.round(calls * peer.share)
      const trips = await client.ask<number[]>('roundTrips', { count, pauseMs: 0 })
      return { [`${peer.key}P50`]: percentile(trips, 0.5), [`${peer.key}P99`]: percentile(trips, 0.99) }
    })
  })

function withPeer<T>(peer: Peer, server: RedisServer, fn: (role: Role) => Promise<T>): Promise<T> {
  return withRole(peer.role, async (role) => {
    await role.ask('open', peer.role === 'tq' ? { brokerUrl: server.url } : { port: server.port })
    return fn(role)
  })
}

async function used(worker: Role, redis: Redis): Promise<{ workerUs: number; serverUs: number }> {
  return { workerUs: await worker.ask<number>('cpu'), serverUs: await serverUs(redis) }
}

async function results(redis: Redis): Promise<number> {
  const others = (await redis.exists('celery')) + (await redis.exists('_kombu.binding.celery'))
  return (await redis.dbsize()) - others
}
