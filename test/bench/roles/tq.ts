import { type SettingsInput, Tq, type Worker } from 'tq-runtime'
import { cpuUs, type Mark, ownMark, pause, serve } from '../role.ts'

type Defined = ReturnType<typeof define>

let app: Tq
let worker: Worker | undefined
let add: Defined['add']
let late: Defined['late']
let started = 0
let warmAt = Infinity
let warm = Promise.withResolvers<Mark>()
let lateness: number[] = []

function define(owner: Tq) {
  return {
    add: owner.task('bench.add', async (x: number, y: number) => {
      if (++started === warmAt) warm.resolve(ownMark())
      return x + y
    }),
    late: owner.task('bench.late', async (dueMs: number) => {
      started++
      return lateness.push(performance.timeOrigin + performance.now() - dueMs)
    }),
  }
}

serve({
  open: (settings: SettingsInput) => {
    app = new Tq('bench', { taskAcksLate: true, workerEnableRemoteControl: false, ...settings })
    ;({ add, late } = define(app))
  },
  /** Consumes; `warm` tells when `warmAt` tasks have begun. */
  work: async (options: { concurrency: number; warmAt?: number; events?: boolean }) => {
    warmAt = options.warmAt ?? Infinity
    worker = await app.startWorker({ concurrency: options.concurrency, events: options.events ?? false })
  },
  warm: () => warm.promise,
  cpu: () => cpuUs(process.pid),
  /** Waits for nobody: `inFlight` calls at once, or one after the other. Calls per second. */
  enqueue: async ({ count, inFlight }: { count: number; inFlight: number }) => {
    await add.delay(0, 0)
    const begin = ownMark()
    for (let at = 0; at < count; at += inFlight) {
      if (inFlight === 1) await add.delay(at, 1)
      else await Promise.all(Array.from({ length: inFlight }, (_, index) => add.delay(at + index, 1)))
    }
    const end = ownMark()
    return { perSecond: (count * 1000) / (end.atMs - begin.atMs), cpuUs: (end.cpuUs - begin.cpuUs) / count }
  },
  /** Calls and their results, 1,000 at once. */
  together: async ({ count }: { count: number }) => {
    const begin = ownMark()
    for (let at = 0; at < count; at += 1000) {
      await Promise.all(Array.from({ length: 1000 }, async (_, n) => (await add.delay(at + n, 1)).get()))
    }
    const end = ownMark()
    return { perSecond: (count * 1000) / (end.atMs - begin.atMs), cpuUs: (end.cpuUs - begin.cpuUs) / count }
  },
  /** Latencies (ms) of delay + get, one after the other. */
  roundTrips: async ({ count, pauseMs }: { count: number; pauseMs: number }) => {
    for (let warmUp = 0; warmUp < 200; warmUp++) await (await add.delay(warmUp, 1)).get()
    const found: number[] = []
    for (let call = 0; call < count; call++) {
      if (pauseMs > 0) await pause(Math.random() * pauseMs)
      const begin = performance.now()
      await (await add.delay(call, 1)).get()
      found.push(performance.now() - begin)
    }
    return found
  },
  /** Calls with a countdown, spread over time so that `perSecond` is not exceeded. */
  countdown: async ({ count, seconds, perSecond }: { count: number; seconds: number; perSecond: number }) => {
    const begin = performance.now()
    for (let at = 0; at < count; at += 100) {
      const ahead = (at / perSecond) * 1000 - (performance.now() - begin)
      if (ahead > 0) await pause(ahead)
      await Promise.all(
        Array.from({ length: 100 }, () => {
          const eta = new Date(Date.now() + seconds * 1000)
          return late.applyAsync([eta.getTime()], { eta })
        }),
      )
    }
  },
  lateness: () => lateness,
  started: () => started,
  reset: () => {
    started = 0
    lateness = []
    warm = Promise.withResolvers()
  },
  close: async () => {
    await worker?.stop(0)
    await app.close()
  },
})
