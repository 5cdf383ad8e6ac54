import { createClient, createWorker } from 'celery-node'
import { Redis } from 'ioredis'
import { cpuUs, ownMark, serve, until } from '../role.ts'

// It writes two lines for each task, which would be measured with it and hide the table.
console.info = () => undefined
console.log = () => undefined

let url = ''
let client: ReturnType<typeof createClient> | undefined
let worker: ReturnType<typeof createWorker> | undefined

serve({
  open: ({ port }: { port: number }) => {
    url = `redis://127.0.0.1:${port}/0`
  },
  /** `delay()` tells nobody when the broker has the message: the end is when the queue has them all. */
  enqueue: async ({ count, inFlight }: { count: number; inFlight: number }) => {
    const redis = new Redis(url)
    const task = opened().createTask('bench.add')
    const before = await redis.llen('celery')
    const begin = ownMark()
    for (let at = 0; at < count; at += inFlight) {
      for (let index = 0; index < inFlight; index++) task.delay(at + index, 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(async () => (await redis.llen('celery')) >= before + count)
    const end = ownMark()
    redis.disconnect()
    return { perSecond: (count * 1000) / (end.atMs - begin.atMs), cpuUs: (end.cpuUs - begin.cpuUs) / count }
  },
  work: () => {
    worker = createWorker(url, url)
    worker.register('bench.add', (x: number, y: number) => x + y)
    void worker.start()
  },
  roundTrips: async ({ count }: { count: number }) => {
    const task = opened().createTask('bench.add')
    const found: number[] = []
    for (let call = 0; call < count; call++) {
      const begin = performance.now()
      await task.delay(call, 1).get(60_000)
      found.push(performance.now() - begin)
    }
    return found
  },
  cpu: () => cpuUs(process.pid),
})

function opened(): ReturnType<typeof createClient> {
  client ??= createClient(url, url)
  return client
}
