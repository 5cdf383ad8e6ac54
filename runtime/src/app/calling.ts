import type { ResultBackend } from '../backends/result-backend.ts'
import { taskId } from '../core/id.ts'
import { type SignatureData, withOptions } from '../core/signature.ts'
import { AsyncResult, type ResultSource, type RevokeOptions } from './async-result.ts'
import { freezeChain, type Signature } from './canvas.ts'
import { currentContext } from './context.ts'
import { publish, type PublishOptions } from './publish.ts'
import { type Call, type CallOptions, callOf, dataOf, emitSent, type Prepared, prepare } from './send.ts'
import type { AnyTask } from './task.ts'
import type { TqApp } from './tq.ts'

/** How calls run here instead of being sent. Given by the package's index, so that this floor does not reach up. */
export interface EagerRunner {
  /** Runs it and all that follows from it; resolves when it has ended, or at once for what another eager task sends. */
  run(prepared: Prepared, options: { readonly wait: boolean }): Promise<EagerRun>
  backend(): Promise<ResultBackend>
  close(): Promise<void>
}

export interface EagerRun {
  /** What a task ended with that failed; undefined otherwise and where nobody waited. */
  readonly error: Error | undefined
  /** Runs it took, retries included; 0 where nobody waited. */
  readonly attempts: number
  /** Virtual ms that its ETA and retries would have taken. */
  readonly simulatedMs: number
}

/** One of many calls: a signature, or a task (or its name) with arguments. */
export type ManyCall<R = unknown> =
  | Signature<[], R>
  | {
      readonly task: string | AnyTask
      readonly args?: readonly unknown[] | undefined
      readonly options?: CallOptions | undefined
    }

/** Sends the calls of one app, or runs them here while the app is eager. */
export class Caller {
  readonly #app: TqApp
  readonly #makeRunner: () => Promise<EagerRunner>
  #runner: Promise<EagerRunner> | undefined

  constructor(app: TqApp, makeRunner: () => Promise<EagerRunner>) {
    this.#app = app
    this.#makeRunner = makeRunner
  }

  async send<R>(call: Call): Promise<AsyncResult<R>> {
    const prepared = this.#prepared(call)
    const { afterCommit } = call.options
    if (afterCommit) {
      afterCommit.onCommit(() => this.#sendCommitted(prepared, call))
      return new AsyncResult<R>(this.source(), prepared.message.id)
    }
    if (this.#app.eager) return this.#runEager<R>(prepared, call.following !== true && currentContext() === undefined)
    await publish(this.#app, [prepared], call.options)
    await emitSent(this.#app, prepared)
    return new AsyncResult<R>(this.source(prepared.route.queue), prepared.message.id)
  }

  async sendMany<R>(calls: Iterable<ManyCall<R>>, options: PublishOptions): Promise<AsyncResult<R>[]> {
    const app = this.#app
    const all: Call[] = [...calls].map(callOfMany)
    if (app.eager) {
      const results: AsyncResult<R>[] = []
      for (const call of all) results.push(await this.send<R>(call))
      return results
    }
    const prepared = all.map((call) => this.#prepared(call))
    await publish(app, prepared, options)
    for (const one of prepared) await emitSent(app, one)
    const source = this.source()
    return prepared.map(({ message }) => new AsyncResult<R>(source, message.id))
  }

  /** A task, or a chain with its later steps frozen. */
  async sendSignature<R>(signature: SignatureData, options: CallOptions): Promise<AsyncResult<R>> {
    if (signature.kind === 'task') return this.send<R>(callOf(signature, options))
    if (signature.kind !== 'chain') {
      throw new TypeError(`A ${signature.kind} cannot be sent yet; tasks and chains can.`)
    }
    const { taskId: id, link, linkError, ...rest } = options
    const laid = withOptions(signature, {
      ...(id === undefined ? {} : { taskId: id }),
      link: [...(signature.options.link ?? []), ...dataOf(link)],
      linkError: [...(signature.options.linkError ?? []), ...dataOf(linkError)],
    })
    const frozen = freezeChain(laid, () => taskId(this.#app.clock.now()), this.#app.replyTo)
    await this.send({ ...callOf(frozen.first, rest), chain: frozen.rest })
    let result: AsyncResult<unknown> | undefined
    for (const step of frozen.ids) result = new AsyncResult(this.source(), step, result)
    return result as AsyncResult<R> // a chain has at least one step
  }

  /** What results of this app read from; `queue` is where the task was sent. */
  source(queue: string = this.#app.settings.taskDefaultQueue): ResultSource {
    const app = this.#app
    return {
      clock: app.clock,
      backend: async () => (app.eager ? (await this.#eagerRunner()).backend() : app.connections.backend()),
      revoke: (id: string, options: RevokeOptions) => app.control.revoke(id, options),
      explainWaiting: (id) => {
        this.#explainWaiting(id, queue).catch((error: unknown) => {
          // Who waits is told by the end of the waiting; this was to be a hint.
          app.logger.debug(`Could not find out who consumes queue '${queue}': ${String(error)}`)
        })
      },
    }
  }

  async close(): Promise<void> {
    const runner = this.#runner
    this.#runner = undefined
    await (await runner)?.close()
  }

  #prepared(call: Call): Prepared {
    const definition = call.definition ?? this.#app.registry.get(call.task)?.definition
    const prepared = prepare(this.#app, { ...call, definition })
    if (call.options.addToParent !== false) currentContext()?.children.push({ id: prepared.message.id })
    return prepared
  }

  /** Rejects for who awaits it; who does not must not be ended by a rejection that nobody handles. */
  #sendCommitted(prepared: Prepared, call: Call): Promise<void> {
    const app = this.#app
    const sent = (async () => {
      if (app.eager) await this.#runEager(prepared, true)
      else await publish(app, [prepared], call.options)
      if (!app.eager) await emitSent(app, prepared)
    })()
    sent.catch((error: unknown) => {
      const { task, id } = prepared.message
      app.logger.error(`The transaction was committed, but its task ${task}[${id}] was not sent: ${String(error)}`)
    })
    return sent
  }

  async #runEager<R>(prepared: Prepared, wait: boolean): Promise<AsyncResult<R>> {
    const runner = await this.#eagerRunner()
    const { error, attempts, simulatedMs } = await runner.run(prepared, { wait })
    if (error && this.#app.settings.taskEagerPropagates) throw error
    const source = { ...this.source(), backend: () => runner.backend() }
    return new AsyncResult<R>(source, prepared.message.id, undefined, { attempts, simulatedMs })
  }

  #eagerRunner(): Promise<EagerRunner> {
    this.#runner ??= this.#makeRunner()
    return this.#runner
  }

  async #explainWaiting(id: string, queue: string): Promise<void> {
    const { connections, router, logger } = this.#app
    // Every worker has a queue of its own there; nobody counts those.
    if (router.queues.get(queue).broadcast) return
    const transport = await connections.transport()
    const { consumers } = await transport.queueInfo(queue)
    if (consumers !== 0) return
    logger.warn(
      `Waiting for task ${id}, but no worker consumes queue '${queue}' on ${this.#app.brokerName()}. Start one: tq worker`,
    )
  }
}

function callOfMany(one: ManyCall): Call {
  if ('data' in one) {
    if (one.data.kind === 'task') return callOf(one.data, {})
    throw new TypeError(`sendMany() takes calls of single tasks, got a ${one.data.kind}; send that by itself.`)
  }
  const { task, args = [], options = {} } = one
  return typeof task === 'string'
    ? { task, args, options }
    : { task: task.taskName, definition: task.definition, args, options }
}
