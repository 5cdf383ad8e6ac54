import type { ResultBackend } from '../backends/result-backend.ts'
import { ChannelError } from '../core/errors.ts'
import { taskId } from '../core/id.ts'
import type { Message } from '../core/message.ts'
import { type SignatureData, withOptions } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import { AsyncResult, type ResultSource, type RevokeOptions } from './async-result.ts'
import type { Signature } from './canvas.ts'
import { currentContext } from './context.ts'
import { type Plan, planOf } from './freeze.ts'
import { resultOf } from './group-result.ts'
import { builtIn } from './mapping.ts'
import { chainSignature, endsInGroup, endsOf, normalise } from './normal-form.ts'
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

/** What a worker gives to the calls that come after a task. */
export interface Lineage {
  readonly rootId: string
  readonly parentId: string | undefined
  readonly replacedTaskNesting?: number | undefined
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

  /** A task or a canvas. Callbacks and the id are of the whole; the other options of what is sent now. */
  async sendSignature<H>(signature: SignatureData, options: CallOptions): Promise<H> {
    if (signature.kind === 'task' && signature.options.chain === undefined) {
      return (await this.send(callOf(signature, options))) as H // a task's handle is an AsyncResult
    }
    const { taskId: id, link, linkError, ...rest } = options
    const laid = withOptions(signature, {
      ...(id === undefined ? {} : { taskId: id }),
      link: [...(signature.options.link ?? []), ...dataOf(link)],
      linkError: [...(signature.options.linkError ?? []), ...dataOf(linkError)],
    })
    const plan = this.#planOf(laid)
    await this.#sendPlan(plan, rest)
    if (options.addToParent !== false) currentContext()?.children.push(plan.child)
    return this.source().resultOf(plan.result) as H // a group's handle where the canvas ends in a group, as its type says
  }

  /** What comes after a task that has ended, and the frozen steps behind it. Resolves with what is to be known as its child. */
  async sendFollowing(
    signature: SignatureData,
    lineage: Lineage,
    steps: readonly SignatureData[] = [],
  ): Promise<ResultRef> {
    if (signature.kind === 'task' && signature.options.chain === undefined) {
      const { id } = await this.send({ ...callOf(signature, lineage), ...lineage, chain: steps, following: true })
      return { id }
    }
    const plan = this.#planOf(steps.length === 0 ? signature : chainSignature([signature, ...steps]))
    await this.#sendPlan(plan, lineage, lineage)
    return plan.child
  }

  /**
   * The canvas under the id of the task that it replaces, with its callbacks, what followed it, and its place in a group or chord.
   * Source: celery/app/task.py, Task.replace.
   */
  async sendReplacement(replaced: Message, signature: SignatureData): Promise<void> {
    const { id, rootId, parentId, callbacks, errbacks, chain, groupId, groupIndex, chord } = replaced
    if (signature.options.chord) throw new TypeError('What replaces a task must not be part of a chord itself.')
    const gathered = endsInGroup(normalise(signature)) ? [signature, first] : [signature]
    const options = {
      taskId: id,
      link: callbacks,
      linkError: errbacks,
      ...(chain.length === 0 ? { groupId, groupIndex, chord } : {}),
    }
    const whole = { ...chainSignature(gathered), options }
    const lineage = { rootId, parentId, replacedTaskNesting: replaced.replacedTaskNesting + 1 }
    await this.#sendPlan(this.#planOf(chainSignature([whole, ...chain])), lineage, lineage)
  }

  /** One part more for the chord of the running task. Source: celery/app/task.py, Task.add_to_chord. */
  async sendPart<H>(running: Message, signature: SignatureData): Promise<H> {
    const { groupId, groupIndex, chord, rootId, id: parentId } = running
    if (chord === undefined || groupId === undefined) {
      throw new TypeError(`${running.task}[${running.id}] is in no chord's header: there is nothing to add to.`)
    }
    const part = normalise({ ...chainSignature([signature]), options: { groupId, groupIndex, chord } })
    const plan = this.#planOf(part)
    await (await this.backend()).growChord({ groupId }, endsOf(part).length)
    await this.#sendPlan(plan, { rootId, parentId }, { rootId, parentId })
    return this.source().resultOf(plan.result) as H // as its type says
  }

  #planOf(signature: SignatureData): Plan {
    const app = this.#app
    return planOf(signature, { newId: () => taskId(app.clock.now()), replyTo: app.replyTo })
  }

  /** `lineage` is given for what a worker sends. */
  async #sendPlan(plan: Plan, options: CallOptions, lineage?: Lineage): Promise<void> {
    const app = this.#app
    if (plan.calls.length === 0) return
    if (plan.joins) await this.#requireChords()
    const prepared = plan.calls.map(({ signature, chain }) => {
      const { definition } = app.registry.get(signature.task) ?? {}
      return prepare(app, { ...callOf(signature, options), ...lineage, definition, chain })
    })
    const { afterCommit } = options
    const send = (): Promise<void> => this.#sendPrepared(plan, prepared, options, lineage !== undefined)
    if (!afterCommit) return send()
    afterCommit.onCommit(() => logged(app, prepared[0], send()))
  }

  async #sendPrepared(
    { chords }: Plan,
    prepared: readonly Prepared[],
    options: CallOptions,
    following: boolean,
  ): Promise<void> {
    const app = this.#app
    const backend = await this.backend()
    // Before any member is published: the last one to end has to find the number.
    for (const { groupId, size } of chords) {
      await backend.openChord({ groupId }, size, { ttlMs: app.settings.resultExpires * 1000 })
    }
    if (!app.eager) {
      await publish(app, prepared, options)
      for (const one of prepared) await emitSent(app, one)
      return
    }
    const runner = await this.#eagerRunner()
    const wait = !following && currentContext() === undefined
    let failed: Error | undefined
    for (const one of prepared) {
      const { error } = await runner.run(one, { wait })
      failed ??= error
    }
    if (failed && app.settings.taskEagerPropagates) throw failed
  }

  /** Celery refuses them where they are made; here it is known once the backend is. Source: celery/backends/rpc.py. */
  async #requireChords(): Promise<void> {
    const { countsChords, name } = await this.backend()
    if (countsChords !== false) return
    throw new ChannelError(
      `A chord needs a result backend that can count its header; '${name}' cannot. Use redis, sqlite or memory as backend, ` +
        'and mind that a group followed by a task is a chord.',
    )
  }

  /** Where this app's results are kept, the eager ones while it is eager. */
  async backend(): Promise<ResultBackend> {
    return this.#app.eager ? (await this.#eagerRunner()).backend() : this.#app.connections.backend()
  }

  /** What results of this app read from; `queue` is where the task was sent. */
  source(queue: string = this.#app.settings.taskDefaultQueue): ResultSource {
    const app = this.#app
    const backend = app.eager ? this.#eagerRunner().then((runner) => runner.backend()) : undefined
    const source: ResultSource = {
      clock: app.clock,
      resultExpires: app.settings.resultExpires,
      resultOf: (ref) => resultOf(source, ref),
      backend: () => backend ?? this.backend(),
      revoke: (id: string, options: RevokeOptions) => app.control.revoke(id, options),
      explainWaiting: (id) => {
        this.#explainWaiting(id, queue).catch((error: unknown) => {
          // Who waits is told by the end of the waiting; this was to be a hint.
          app.logger.debug(`Could not find out who consumes queue '${queue}': ${String(error)}`)
        })
      },
    }
    return source
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

  #sendCommitted(prepared: Prepared, call: Call): Promise<void> {
    const app = this.#app
    const sent = (async () => {
      if (app.eager) await this.#runEager(prepared, true)
      else await publish(app, [prepared], call.options)
      if (!app.eager) await emitSent(app, prepared)
    })()
    return logged(app, prepared, sent)
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

/** Of a group: one task that gives its results. */
const first: SignatureData = {
  kind: 'task',
  task: builtIn.accumulate,
  args: [],
  kwargs: { index: 0 },
  options: {},
  immutable: false,
}

/** Rejects for who awaits it; who does not must not be ended by a rejection that nobody handles. */
function logged(app: TqApp, prepared: Prepared | undefined, sent: Promise<void>): Promise<void> {
  sent.catch((error: unknown) => {
    const { task, id } = prepared?.message ?? {}
    app.logger.error(`The transaction was committed, but its task ${task}[${id}] was not sent: ${String(error)}`)
  })
  return sent
}
