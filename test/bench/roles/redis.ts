import { Redis } from 'ioredis'
import { ownMark, serve } from '../role.ts'

let redis: Redis

interface Volume {
  readonly count: number
  /** One message of tq's. */
  readonly text: string
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const begin = ownMark()
  await work()
  return (count * 1000) / (ownMark().atMs - begin.atMs)
}

serve({
  open: (url: string) => {
    redis = new Redis(url)
  },
  lpush: ({ count, text }: Volume) =>
    perSecond(count, async () => {
      for (let at = 0; at < count; at++) await redis.lpush('raw', text)
    }),
  lpushBulk: ({ count, text }: Volume) => {
    const batch = Array.from({ length: 100 }, () => text)
    return perSecond(count, async () => {
      for (let at = 0; at < count; at += 100) await redis.lpush('raw', ...batch)
    })
  },
  /** RPOP of 100, then SETEX of 100 results in one pipeline. */
  consume: ({ count }: Volume) => {
    const meta = JSON.stringify({ status: 'SUCCESS', result: 3, traceback: null, children: [], date_done: 'now' })
    let id = 0
    return perSecond(count, async () => {
      for (let at = 0; at < count; ) {
        const texts = (await redis.rpop('raw', 100)) ?? []
        if (texts.length === 0) return
        at += texts.length
        const pipeline = redis.pipeline()
        for (let n = 0; n < texts.length; n++) pipeline.setex(`raw-result-${id++}`, 86_400, meta)
        await pipeline.exec()
      }
    })
  },
  ping: async ({ count }: { count: number }) => {
    const found: number[] = []
    for (let at = 0; at < count; at++) {
      const begin = performance.now()
      await redis.ping()
      found.push(performance.now() - begin)
    }
    return found
  },
  close: () => redis.quit(),
})
