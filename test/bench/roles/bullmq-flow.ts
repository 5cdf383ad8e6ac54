import { FlowProducer, QueueEvents, Worker } from 'bullmq'
import { serve } from '../role.ts'

let close: () => Promise<unknown> = async () => undefined

serve({
  /** A worker: children give their number, the parent the sum of them. */
  work: ({ port, concurrency }: { port: number; concurrency: number }) => {
    const worker = new Worker<{ n: number }, number>(
      'bench',
      async (job) => {
        if (job.name === 'part') return job.data.n
        return Object.values(await job.getChildrenValues<number>()).reduce((a, b) => a + b, 0)
      },
      { connection: { port }, concurrency },
    )
    close = () => worker.close(true)
    return worker.waitUntilReady().then(() => undefined)
  },
  /** A flow of a parent with `count` children, from the first byte to the parent's value, ms. */
  flow: async ({ port, count }: { port: number; count: number }) => {
    const [producer, events] = [
      new FlowProducer({ connection: { port } }),
      new QueueEvents('bench', { connection: { port } }),
    ]
    close = () => Promise.all([producer.close(), events.close()])
    await events.waitUntilReady()
    const children = Array.from({ length: count }, (_, n) => ({ name: 'part', queueName: 'bench', data: { n } }))
    const begin = performance.now()
    const { job } = await producer.add({ name: 'total', queueName: 'bench', children })
    const sum = await job.waitUntilFinished(events)
    if (sum !== (count * (count - 1)) / 2) throw new Error(`A flow of ${count} gave ${sum}.`)
    return performance.now() - begin
  },
  close: () => close(),
})
