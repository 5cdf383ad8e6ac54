import { chain, chord, group, type SettingsInput, type Signature, Tq, type Worker } from 'tq-runtime'
import { serve } from '../role.ts'

type Defined = ReturnType<typeof define>

let app: Tq
let tasks: Defined
let worker: Worker | undefined

function define(owner: Tq) {
  return {
    part: owner.task('bench.part', async (n: number) => n),
    next: owner.task('bench.next', async (n: number) => n + 1),
    total: owner.task('bench.total', async (ns: readonly number[]) => ns.reduce((a, b) => a + b, 0)),
  }
}

const header = (count: number): Signature<[], number>[] => Array.from({ length: count }, (_, n) => tasks.part.s(n))

serve({
  open: (settings: SettingsInput) => {
    app = new Tq('bench', { taskAcksLate: true, workerEnableRemoteControl: false, ...settings })
    tasks = define(app)
  },
  work: async (options: { concurrency: number }) => {
    worker = await app.startWorker({ concurrency: options.concurrency, events: false })
  },
  /** From the first byte to the body's result, ms. */
  chord: async ({ count }: { count: number }) => {
    const begin = performance.now()
    const sum = await (await chord(header(count), tasks.total.s()).delay()).get({ timeout: 300 })
    if (sum !== (count * (count - 1)) / 2) throw new Error(`A chord of ${count} gave ${sum}.`)
    return performance.now() - begin
  },
  /** Until the broker has all of them, and until all results are here, ms. */
  group: async ({ count }: { count: number }) => {
    const begin = performance.now()
    const result = await group(header(count)).delay()
    const sentMs = performance.now() - begin
    const { length } = await result.get({ timeout: 300 })
    if (length !== count) throw new Error(`A group of ${count} gave ${length} results.`)
    return { sentMs, doneMs: performance.now() - begin }
  },
  /** Until the last step's result is here, ms. */
  chain: async ({ count }: { count: number }) => {
    const steps = Array.from({ length: count - 1 }, () => tasks.next.s())
    let whole = chain(tasks.part.s(0))
    for (const step of steps) whole = whole.pipe(step)
    const begin = performance.now()
    const last = await (await whole.delay()).get({ timeout: 300 })
    if (last !== count - 1) throw new Error(`A chain of ${count} gave ${last}.`)
    return performance.now() - begin
  },
  close: async () => {
    await worker?.stop(0)
    await app.close()
  },
})
