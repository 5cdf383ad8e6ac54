import { memoryUsage } from 'node:process'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import type { TqApp } from '../app/tq.ts'
import { EncodeError, OperationalError } from '../core/errors.ts'
import type { Outcome } from '../core/outcome.ts'
import type { ChildSetup, FromChild, ToChild } from '../pools/child.ts'
import type { OnUpdate, PoolJob, RunTask } from '../pools/pool.ts'
import { toPlain } from '../serializers/plain-value.ts'
import { announceProcess, announceProcessEnd } from './announce.ts'
import { failureOf } from './failure.ts'
import { guardProcess } from './guard-process.ts'
import { storeIfLarge } from './large-result.ts'
import { loadApp } from './loader.ts'
import { setUpLogging } from './logging.ts'
import { taskRunner } from './run-task.ts'

// Read at once: that of an orphan is another one.
const parentPid = process.ppid

/** The inside of a pool's child: the user's code, loaded once, and one task at a time. */
class ChildRunner {
  readonly #send: (message: FromChild) => void
  readonly #storing = new Map<number, { resolve(): void; reject(error: Error): void }>()
  #app: TqApp | undefined
  #runTask: RunTask | undefined
  #seq = 0
  #running: { readonly name: string; readonly sinceMs: number } | undefined
  #hostname = ''

  constructor(send: (message: FromChild) => void) {
    this.#send = send
  }

  hear(message: ToChild): void {
    switch (message.op) {
      case 'setup':
        return void this.#load(message.setup, message.index)
      case 'run':
        return void this.#run(message.job)
      case 'stored':
        return this.#stored(message.seq, message.error)
      case 'stop':
        return void this.#stop()
    }
  }

  // A rejection here is an unhandled one: it ends the child, with the reason on stderr.
  async #load(setup: ChildSetup, index: number): Promise<void> {
    const { app: place, include, brokerUrl, resultBackend, logLevel, logging } = setup
    const { app } = await loadApp({ app: place, include })
    app.configure({ brokerUrl, resultBackend })
    app.logLevel = logLevel
    if (logging) await setUpLogging(app, logging, index)
    this.#app = app
    this.#runTask = taskRunner({ app, clock: app.clock, isEager: false, onUpdate: this.#onUpdate })
    guardProcess(app)
    await announceProcess(app, setup.hostname)
    this.#hostname = setup.hostname
    this.#send({ op: 'ready' })
    if (isMainThread) watchParent()
  }

  async #run(job: PoolJob): Promise<void> {
    const app = this.#app
    const runTask = this.#runTask
    if (!app || !runTask) throw new Error('The pool sent a task before this child was ready.')
    this.#running = { name: `${job.message.task}[${job.message.id}]`, sinceMs: app.clock.monotonic() }
    const ended = await storeIfLarge(app, await runTask(job, new AbortController().signal), job.storing)
    const outcome = sendable(ended, app.main)
    this.#running = undefined
    this.#send({ op: 'outcome', outcome, memoryKb: memoryKb() })
  }

  /** Writes what it does to the log. A task that never yields keeps it from hearing of it. */
  describe(): void {
    const app = this.#app
    if (!app) return
    const { name, sinceMs } = this.#running ?? {}
    const seconds = sinceMs === undefined ? '' : ` for ${((app.clock.monotonic() - sinceMs) / 1000).toFixed(1)} s`
    app.logger.warn(
      `Child ${process.pid} (${Math.round(memoryKb() / 1024)} MB) ${name ? `runs ${name}${seconds}` : 'is idle'}.`,
    )
  }

  readonly #onUpdate: OnUpdate = (update) => {
    const seq = this.#seq++
    return new Promise((resolve, reject) => {
      this.#storing.set(seq, { resolve, reject })
      this.#send({ op: 'update', seq, update: { ...update, meta: toPlain(update.meta, asTheyAre) } })
    })
  }

  #stored(seq: number, error: string | undefined): void {
    const waiting = this.#storing.get(seq)
    this.#storing.delete(seq)
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(new OperationalError(error))
  }

  async #stop(): Promise<void> {
    if (this.#app) await announceProcessEnd(this.#app, this.#hostname)
    await this.#app?.close().catch(() => undefined)
    process.exit(0)
  }
}

/** What this child holds: a process its own memory, a thread its heap and the buffers beside it. */
function memoryKb(): number {
  if (isMainThread) return Math.round(memoryUsage.rss() / 1024)
  const { heapTotal, external } = memoryUsage()
  return Math.round((heapTotal + external) / 1024)
}

const asTheyAre = { number: (value: number) => value, bigint: (value: bigint) => value }

/** The outcome as data that can cross: what a serializer would refuse or turn into something else is refused or turned here. */
function sendable(outcome: Outcome, ownModule: string): Outcome {
  try {
    switch (outcome.kind) {
      case 'success':
        return { ...outcome, value: toPlain(outcome.value, asTheyAre) }
      case 'retry': {
        const { args, kwargs } = outcome.changes
        const changes = {
          ...outcome.changes,
          args: args?.map((arg) => toPlain(arg, asTheyAre)),
          kwargs:
            kwargs && Object.fromEntries(Object.entries(kwargs).map(([key, arg]) => [key, toPlain(arg, asTheyAre)])),
        }
        return { ...outcome, cause: { ...outcome.cause, error: undefined }, changes }
      }
      case 'failure':
      case 'timeout':
      case 'workerLost':
        return { ...outcome, failure: { ...outcome.failure, error: undefined } }
      case 'ignore':
      case 'reject':
      case 'revoked':
        return outcome
    }
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error
    const named = new EncodeError(error.path.replace(/^\./, ''), error.reason, { cause: error })
    const { stored, text, traceback } = failureOf(named, ownModule)
    return { kind: 'failure', failure: { stored, text, traceback }, children: outcome.children }
  }
}

// A task that computes hears no event, that of a worker's end neither; a thread of its own (about 10 MB) looks for it. Linux and
// macOS give an orphan another parent, on Windows the parent's id is free.
const watcher = `
  const { workerData: parent } = require('node:worker_threads')
  const isGone = () => {
    try {
      return process.ppid !== parent || !process.kill(parent, 0)
    } catch (error) {
      return error.code === 'ESRCH'
    }
  }
  setInterval(() => isGone() && process.kill(process.pid, 'SIGKILL'), 1000)
`

function watchParent(): void {
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }
  // Without it only an orphan that hangs lives on: no reason for a task to fail.
  new Worker(watcher, { eval: true, execArgv: [], workerData: parentPid, resourceLimits })
    .on('error', () => undefined)
    .unref()
}

function main(): void {
  if (isMainThread) {
    const runner = new ChildRunner((message) => process.send?.(message))
    process.on('message', (message) => runner.hear(message as ToChild)) // the pool speaks this
    process.on('disconnect', () => process.exit(1)) // the worker is gone
    // Ctrl-C reaches the whole group; the worker decides what becomes of its children.
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const) process.on(signal, () => undefined)
    // Node's own answer to this signal is to open its inspector; a listener keeps it from that.
    process.on('SIGUSR1', () => runner.describe())
  } else {
    const runner = new ChildRunner((message) => parentPort?.postMessage(message))
    parentPort?.on('message', (message: ToChild) => runner.hear(message))
  }
}

main()
