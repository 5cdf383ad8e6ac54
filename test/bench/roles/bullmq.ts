import { Queue, QueueEvents, Worker } from 'bullmq'
import { cpuUs, type Mark, ownMark, serve } from '../role.ts'

let worker: Worker | undefined
const warm = Promise.withResolvers<Mark>()
let client: Queue | undefined
let events: QueueEvents | undefined
let port = 0

serve({
  fill: async ({ port, count }: { port: number; count: number }) => {
    const queue = new Queue('bench', { connection: { host: '127.0.0.1', port } })
    for (let at = 0; at < count; at += 1000) {
      await queue.addBulk(Array.from({ length: 1000 }, (_, n) => ({ name: 'add', data: { x: at + n, y: 1 } })))
    }
    await queue.close()
  },
  open: (given: { port: number }) => {
    port = given.port
  },
  /** `inFlight` jobs by one addBulk, or one after the other. */
  enqueue: async ({ count, inFlight }: { count: number; inFlight: number }) => {
    const queue = opened()
    await queue.add('add', { x: 0, y: 0 })
    const begin = ownMark()
    for (let at = 0; at < count; at += inFlight) {
      if (inFlight === 1) await queue.add('add', { x: at, y: 1 })
      else await queue.addBulk(Array.from({ length: inFlight }, (_, n) => ({ name: 'add', data: { x: at + n, y: 1 } })))
    }
    const end = ownMark()
    return { perSecond: (count * 1000) / (end.atMs - begin.atMs), cpuUs: (end.cpuUs - begin.cpuUs) / count }
  },
  roundTrips: async ({ count }: { count: number }) => {
    const queue = opened()
    events = new QueueEvents('bench', { connection: { host: '127.0.0.1', port } })
    await events.waitUntilReady()
    const found: number[] = []
    for (let call = 0; call < count + 200; call++) {
      const begin = performance.now()
      const job = await queue.add('add', { x: call, y: 1 })
      await job.waitUntilFinished(events)
      if (call >= 200) found.push(performance.now() - begin)
    }
    return found
  },
  cpu: () => cpuUs(process.pid),
  work: async ({ port, concurrency, warmAt = Infinity }: { port: number; concurrency: number; warmAt?: number }) => {
    let started = 0
    worker = new Worker<{ x: number; y: number }>(
      'bench',
      async ({ data }) => {
        if (++started === warmAt) warm.resolve(ownMark())
        return data.x + data.y
      },
      { connection: { host: '127.0.0.1', port, maxRetriesPerRequest: null }, concurrency },
    )
    worker.on('error', () => undefined)
    await worker.waitUntilReady()
  },
  warm: () => warm.promise,
  close: async () => {
    await worker?.close(true)
    await events?.close()
    await client?.close()
  },
})

function opened(): Queue {
  client ??= new Queue('bench', { connection: { host: '127.0.0.1', port } })
  return client
}
