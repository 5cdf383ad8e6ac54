import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'tq-runtime'
import { serve } from '../role.ts'
import { app, spin } from './cpu/app.ts'
import { compute } from './cpu/compute.ts'

interface Work {
  readonly count: number
  readonly rounds: number
}

let worker: Worker | undefined

serve({
  open: (brokerUrl: string) => app.configure({ brokerUrl }),
  enqueue: async ({ count, rounds }: Work) => {
    for (let at = 0; at < count; at++) await spin.delay(at, rounds)
  },
  work: async (concurrency: number) => {
    worker = await app.startWorker({ pool: 'prefork', concurrency, events: false })
  },
  /** Rounds that take `ms` here, the best of some tries. */
  calibrate: (ms: number) => {
    const rounds = 1_000_000
    compute(1, rounds)
    const times = Array.from({ length: 20 }, (_, seed) => {
      const begin = performance.now()
      compute(seed, rounds)
      return performance.now() - begin
    })
    return Math.round((rounds * ms) / Math.min(...times))
  },
  /** The same on forked processes and nothing else: each gets its next when it has answered. Per second. */
  bare: ({ count, rounds, processes }: Work & { processes: number }) => bare(count, rounds, processes),
  close: async () => {
    await worker?.stop(0)
    await app.close()
  },
})

async function bare(count: number, rounds: number, processes: number): Promise<number> {
  const file = fileURLToPath(new URL('cpu/bare-child.ts', import.meta.url))
  const children = Array.from({ length: processes }, () => fork(file, []))
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('message', resolve))))
  const begin = performance.now()
  let sent = 0
  await Promise.all(
    children.map(async (child) => {
      while (sent < count) {
        const answer = new Promise((resolve) => child.once('message', resolve))
        child.send({ seed: sent++, rounds })
        await answer
      }
    }),
  )
  const perSecond = (count * 1000) / (performance.now() - begin)
  for (const child of children) child.disconnect()
  return perSecond
}
