import { memoryUsage } from 'node:process'
import { isMainThread, parentPort } from 'node:worker_threads'
import { currentContext } from '../app/context.ts'
import type { TqApp } from '../app/tq.ts'
import { EncodeError, OperationalError } from '../core/errors.ts'
import type { Outcome } from '../core/outcome.ts'
import type { ChildSetup, FromChild, ToChild } from '../pools/child.ts'
import type { OnUpdate, PoolJob, RunTask } from '../pools/pool.ts'
import { toPlain } from '../serializers/plain-value.ts'
import { failureOf } from './failure.ts'
import { loadApp } from './loader.ts'
import { taskRunner } from './run-task.ts'

/** The inside of a pool's child: the user's code, loaded once, and one task at a time. */
class ChildRunner {
  readonly #send: (message: FromChild) => void
  readonly #storing = new Map<number, { resolve(): void; reject(error: Error): void }>()
  #app: TqApp | undefined
  #runTask: RunTask | undefined
  #seq = 0

  constructor(send: (message: FromChild) => void) {
    this.#send = send
  }

  hear(message: ToChild): void {
    switch (message.op) {
      case 'setup':
        return void this.#load(message.setup)
      case 'run':
        return void this.#run(message.job)
      case 'stored':
        return this.#stored(message.seq, message.error)
      case 'stop':
        return void this.#stop()
    }
  }

  // A rejection here is an unhandled one: it ends the child, with the reason on stderr.
  async #load({ app: place, include, brokerUrl, resultBackend }: ChildSetup): Promise<void> {
    const { app } = await loadApp({ app: place, include })
    app.configure({ brokerUrl, resultBackend })
    this.#app = app
    this.#runTask = taskRunner({ app, clock: app.clock, isEager: false, onUpdate: this.#onUpdate })
    process.on('unhandledRejection', (reason) => {
      const context = currentContext()
      if (context) context.fail(reason)
      else app.logger.error('A promise was rejected outside any task and nobody handled it.', { reason })
    })
    this.#send({ op: 'ready' })
  }

  async #run(job: PoolJob): Promise<void> {
    const app = this.#app
    const runTask = this.#runTask
    if (!app || !runTask) throw new Error('The pool sent a task before this child was ready.')
    this.#send({ op: 'started', atMs: app.clock.now() })
    const outcome = sendable(await runTask(job, new AbortController().signal), app.main)
    this.#send({ op: 'outcome', outcome, memoryKb: Math.round(memoryUsage.rss() / 1024) })
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
    await this.#app?.close().catch(() => undefined)
    process.exit(0)
  }
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

function main(): void {
  if (isMainThread) {
    const runner = new ChildRunner((message) => process.send?.(message))
    process.on('message', (message) => runner.hear(message as ToChild)) // the pool speaks this
    process.on('disconnect', () => process.exit(1))
    // Ctrl-C reaches the whole group; the worker decides what becomes of its children.
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => undefined)
  } else {
    const runner = new ChildRunner((message) => parentPort?.postMessage(message))
    parentPort?.on('message', (message: ToChild) => runner.hear(message))
  }
}

main()
