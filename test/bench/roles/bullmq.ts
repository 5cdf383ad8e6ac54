import { Queue, Worker } from 'bullmq'
import { type Mark, ownMark, serve } from '../role.ts'

let worker: Worker | undefined
const warm = Promise.withResolvers<Mark>()

serve({
  fill: async ({ port, count }: { port: number; count: number }) => {
    const queue = new Queue('bench', { connection: { host: '127.0.0.1', port } })
    for (let at = 0; at < count; at += 1000) {
      await queue.addBulk(Array.from({ length: 1000 }, (_, n) => ({ name: 'add', data: { x: at + n, y: 1 } })))
    }
    await queue.close()
  },
  work: async ({ port, concurrency, warmAt }: { port: number; concurrency: number; warmAt: number }) => {
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
  close: () => worker?.close(true),
})
