import BeeQueue from 'bee-queue'
import { cpuUs, ownMark, serve } from '../role.ts'

interface Sum {
  readonly x: number
  readonly y: number
}

let queue: BeeQueue<Sum>
let port = 0

serve({
  open: (given: { port: number }) => {
    port = given.port
  },
  enqueue: async ({ count, inFlight }: { count: number; inFlight: number }) => {
    queue ??= await opened({ isWorker: false, getEvents: false })
    await job(0).save()
    const begin = ownMark()
    for (let at = 0; at < count; at += inFlight) {
      if (inFlight === 1) await job(at).save()
      else await queue.saveAll(Array.from({ length: inFlight }, (_, index) => job(at + index)))
    }
    const end = ownMark()
    return { perSecond: (count * 1000) / (end.atMs - begin.atMs), cpuUs: (end.cpuUs - begin.cpuUs) / count }
  },
  work: async ({ concurrency }: { concurrency: number }) => {
    queue = await opened({ isWorker: true })
    queue.process(concurrency, async ({ data }: BeeQueue.Job<Sum>) => data.x + data.y)
  },
  roundTrips: async ({ count }: { count: number }) => {
    queue = await opened({ isWorker: false })
    const found: number[] = []
    for (let call = 0; call < count + 200; call++) {
      const begin = performance.now()
      const done = await answered(job(call))
      if (done && call >= 200) found.push(performance.now() - begin)
    }
    return found
  },
  cpu: () => cpuUs(process.pid),
  close: () => queue?.close(0),
})

function opened(settings: BeeQueue.QueueSettings): Promise<BeeQueue<Sum>> {
  return new BeeQueue<Sum>('bench', { redis: { host: '127.0.0.1', port }, ...settings }).ready()
}

function job(x: number): BeeQueue.Job<Sum> {
  return queue.createJob({ x, y: 1 })
}

/** Some events never arrive: such a call is left out after a second. */
async function answered(sent: BeeQueue.Job<Sum>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const lost = setTimeout(() => resolve(false), 1000)
    sent.on('succeeded', () => {
      clearTimeout(lost)
      resolve(true)
    })
    sent.save().catch(reject)
  })
}
