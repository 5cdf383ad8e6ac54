import type { ResultBackend } from '../backends/result-backend.ts'
import type { KeyStore } from '../transports/key-store.ts'
import { ChannelError } from '../core/errors.ts'
import { relatedIds, taskId } from '../core/id.ts'
import type { Message } from '../core/message.ts'
import { type SignatureData, withOptions } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import { applyCanvas } from './apply-canvas.ts'
import { AsyncResult, type ResultSource, type RevokeOptions } from './async-result.ts'
import { withBodyOptions } from './body-options.ts'
import type { Signature } from './canvas.ts'
import { currentContext } from './context.ts'
import { EagerResult } from './eager-result.ts'
import { type FreezeOptions, frozen, type Plan, planOf } from './freeze.ts'
import { resultOf } from './group-result.ts'
import { builtIn } from './mapping.ts'
import { chainSignature, endsInGroup, endsOf, normalise } from './normal-form.ts'
import { publish, type PublishOptions } from './publish.ts'
import { type Call, type CallOptions, callOf, dataOf, emitSent, type Prepared, prepare } from './send.ts'
import { stamped } from './stamping.ts'
import type { AnyTask } from './task.ts'
import { outlineOf } from './workflow-outline.ts'
import { storeRecord } from './workflow-records.ts'
import type { TqApp } from './tq.ts'
import { type Claiming, UniqueCalls, type UniqueClaim, uniqueClaimOf, uniqueHeaders } from './unique.ts'

/** How calls run here instead of being sent. Given by the package's index, so that this floor does not reach up. */
export interface EagerRunner {
  /** Runs it and all that follows from it; resolves when it has ended, or at once for what another eager task sends. */
  run(prepared: Prepared, options: { readonly wait: boolean }): Promise<EagerRun>
  backend(): Promise<ResultBackend>
  keyStore(): Promise<KeyStore>
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
  /** It may have been sent before, under the same ids. */
  readonly repeated?: boolean | undefined
}

/** One of many calls: a signature of any kind, or a task (or its name) with arguments. */
export type ManyCall<R = unknown, H = unknown> =
  | Signature<[], R, H>
  | {
      readonly task: string | AnyTask
      readonly args?: readonly unknown[] | undefined
      readonly options?: CallOptions | undefined
    }

/** The handle on one of many calls. */
export type HandleOf<C> = C extends Signature<[], unknown, infer H> ? H : AsyncResult<unknown>

/** One of many, made ready: its messages, and the plan of a canvas. */
interface Unit {
  readonly prepared: readonly Claiming[]
  readonly plan?: KeyedPlan | undefined
}

/** Sends the calls of one app, or runs them here while the app is eager. */
export class Caller {
  readonly #app: TqApp
  readonly #makeRunner: () => Promise<EagerRunner>
  readonly #unique: UniqueCalls
  #runner: Promise<EagerRunner> | undefined

  constructor(app: TqApp, makeRunner: () => Promise<EagerRunner>) {
    this.#app = app
    this.#makeRunner = makeRunner
    this.#unique = new UniqueCalls(app, () => this.#keyStore())
  }

  async send<R>(call: Call): Promise<AsyncResult<R>> {
    const prepared = this.#prepared(call)
    const { afterCommit } = call.options
    if (afterCommit) {
      afterCommit.onCommit(() => this.#sendCommitted(prepared, call))
      return new AsyncResult<R>(this.source(), prepared.message.id)
    }
    const first = await this.#unique.firstOf(prepared)
    if (first !== undefined) return this.#inPlace<R>(prepared, first)
    if (this.#app.eager) return this.#runEager<R>(prepared, call.following !== true && currentContext() === undefined)
    await this.#unique.sending([prepared], () => publish(this.#app, [prepared], call.options))
    await emitSent(this.#app, prepared)
    return new AsyncResult<R>(this.source(prepared.route.queue), prepared.message.id)
  }

  async sendMany(calls: Iterable<ManyCall>, options: PublishOptions): Promise<unknown[]> {
    const app = this.#app
    if (app.eager) {
      const handles: unknown[] = []
      for (const one of calls) {
        handles.push(await ('data' in one ? this.sendSignature(one.data, {}) : this.send(callOfMany(one))))
      }
      return handles
    }
    const units = Array.from(calls, (one) => this.#unitOf(one))
    const plans = units.flatMap(({ plan }) => plan ?? [])
    if (plans.some(({ joins }) => joins)) await this.#requireChords()
    const { fresh, ids } = await this.#unique.freshOf(units.flatMap(({ prepared }) => prepared))
    await this.#unique.sending(fresh, async () => {
      await Promise.all(units.map(async ({ plan, prepared }) => plan && this.#openChords(plan, prepared)))
      await Promise.all([publish(app, fresh, options), ...plans.map((plan) => this.#writeDown(plan))])
    })
    for (const one of fresh) await emitSent(app, one)
    const source = this.source()
    let at = 0
    return units.map(({ plan, prepared }) => {
      // A plan may have several messages; a call has one, or stands for one that is under way.
      const id = ids[at] ?? ''
      at += prepared.length
      return plan ? source.resultOf(plan.result) : new AsyncResult(source, id)
    })
  }

  #unitOf(one: ManyCall): Unit {
    if (!('data' in one)) return { prepared: [this.#prepared(callOfMany(one))] }
    const { data } = one
    if (data.kind === 'task' && data.options.chain === undefined) {
      return { prepared: [this.#prepared(callOf(data, {}))] }
    }
    const plan = this.#planOf(data)
    const prepared = this.#preparedPlan(plan, {})
    currentContext()?.children.push(plan.child)
    return { plan, prepared }
  }

  /** A task or a canvas. Callbacks, stamps and the id are of the whole; the other options of what is sent now, and of a chord's body. */
  async sendSignature<H>(signature: SignatureData, options: CallOptions): Promise<H> {
    if (signature.kind === 'task' && signature.options.chain === undefined) {
      return (await this.send(callOf(signature, options))) as H // a task's handle is an AsyncResult
    }
    const { taskId: id, link, linkError, stamps, ...rest } = options
    const whole = withBodyOptions(stamps ? stamped(signature, stamps) : signature, rest)
    const laid = withOptions(whole, {
      ...(id === undefined ? {} : { taskId: id }),
      link: [...(signature.options.link ?? []), ...dataOf(link)],
      linkError: [...(signature.options.linkError ?? []), ...dataOf(linkError)],
    })
    const plan = this.#planOf(laid)
    await this.#recorded(plan, () => this.#sendPlan(plan, rest))
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
    const plan = this.#planOf(chainSignature([whole, ...chain]))
    await this.#recorded(plan, () => this.#sendPlan(plan, lineage, lineage))
  }

  /** One part more for the chord of the running task. Source: celery/app/task.py, Task.add_to_chord. */
  async sendPart<H>(running: Message, signature: SignatureData): Promise<H> {
    const { groupId, groupIndex, chord, rootId, id: parentId } = running
    if (chord === undefined || groupId === undefined) {
      throw new TypeError(`${running.task}[${running.id}] is in no chord's header: there is nothing to add to.`)
    }
    const part = normalise({ ...chainSignature([signature]), options: { groupId, groupIndex, chord } })
    const plan = this.#planOf(part)
    await (await this.backend()).growChord({ groupId }, endsOf(part).length, plan.places)
    await this.#recorded(plan, () => this.#sendPlan(plan, { rootId, parentId }, { rootId, parentId }))
    return this.source().resultOf(plan.result) as H // as its type says
  }

  /** The signature with all of its ids, and the handle on what it will give. */
  freeze<H>(signature: SignatureData): { readonly signature: SignatureData; readonly result: H } {
    const how = this.#freezing()
    const whole = frozen(signature, how)
    const { result } = planOf(whole, how)
    return { signature: whole, result: this.source().resultOf(result) as H } // as its type says
  }

  #freezing(): FreezeOptions {
    const app = this.#app
    return { newId: relatedIds(app.clock.now()), replyTo: app.replyTo }
  }

  #planOf(signature: SignatureData): KeyedPlan {
    const how = this.#freezing()
    return { key: how.newId(), ...planOf(signature, how) }
  }

  /** Beside the sending, and not needed for it: what is written down lets `app.workflow()` explain the canvas later. */
  async #recorded(plan: KeyedPlan, send: () => Promise<void>): Promise<void> {
    const app = this.#app
    const recording = app.eager ? undefined : this.#writeDown(plan)
    await send()
    await recording
  }

  /** Resolves in any case: see `#recorded`. */
  async #writeDown(plan: KeyedPlan): Promise<void> {
    if (plan.calls.length === 0) return
    await this.#record(plan).catch((error: unknown) => {
      this.#app.logger.debug(`What canvas ${plan.result.id} consists of was not written down: ${String(error)}`)
    })
  }

  async #record({ whole, key }: KeyedPlan): Promise<void> {
    const backend = await this.backend()
    if (backend.countsChords === false) return // nor does it keep groups
    const { settings, clock } = this.#app
    const record = { outline: outlineOf(whole), sentAtMs: clock.now(), parentId: currentContext()?.message.id }
    await storeRecord(backend, key, record, { ttlMs: settings.resultExpires * 1000 })
  }

  /** `lineage` is given for what a worker sends. */
  async #sendPlan(plan: Plan, options: CallOptions, lineage?: Lineage): Promise<void> {
    const app = this.#app
    if (plan.calls.length === 0) return
    if (plan.joins) await this.#requireChords()
    const prepared = this.#preparedPlan(plan, options, lineage)
    const { afterCommit } = options
    const send = (): Promise<void> => this.#sendPrepared(plan, prepared, options, lineage !== undefined)
    if (!afterCommit) return send()
    afterCommit.onCommit(() => logged(app, prepared[0], send()))
  }

  #preparedPlan({ calls }: Plan, options: CallOptions, lineage?: Lineage): Prepared[] {
    const app = this.#app
    return calls.map(({ signature, chain }) => {
      const { definition } = app.registry.get(signature.task) ?? {}
      return prepare(app, { ...callOf(signature, options), ...lineage, definition, chain })
    })
  }

  /** Before any member is published: the last one to end has to find the number. */
  async #openChords({ chords }: Plan, prepared: readonly Prepared[]): Promise<void> {
    if (chords.length === 0) return
    const backend = await this.backend()
    const rootId = prepared[0]?.message.rootId ?? ''
    const ttlMs = this.#app.settings.resultExpires * 1000
    await Promise.all(
      chords.map(({ groupId, size, body: signature, places }) =>
        backend.openChord({ groupId }, size, { ttlMs, body: { signature, rootId }, places }),
      ),
    )
  }

  async #sendPrepared(
    plan: Plan,
    prepared: readonly Prepared[],
    options: CallOptions,
    following: boolean,
  ): Promise<void> {
    const app = this.#app
    await this.#openChords(plan, prepared)
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
      revokeByStampedHeaders: (headers, options) => app.control.revokeByStampedHeaders(headers, options),
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

  #prepared(call: Call): Claiming {
    const task = this.#app.registry.get(call.task)
    const definition = call.definition ?? task?.definition
    const whole = { ...call, definition }
    const unique = uniqueClaimOf(whole, task)
    const prepared = prepare(this.#app, unique ? this.#marked(whole, unique) : whole)
    if (call.options.addToParent !== false) currentContext()?.children.push({ id: prepared.message.id })
    return { ...prepared, unique }
  }

  #marked(call: Call, unique: UniqueClaim): Call {
    const id = call.options.taskId ?? taskId(this.#app.clock.now())
    const headers = { ...call.options.headers, ...uniqueHeaders(id, unique) }
    return { ...call, options: { ...call.options, taskId: id, headers } }
  }

  /** The result of the call that is under way already. */
  #inPlace<R>({ message, route }: Prepared, first: string): AsyncResult<R> {
    const children = currentContext()?.children ?? []
    const at = children.findIndex(({ id }) => id === message.id)
    if (at >= 0) children[at] = { id: first }
    return new AsyncResult<R>(this.source(route.queue), first)
  }

  async #keyStore(): Promise<KeyStore> {
    return this.#app.eager ? (await this.#eagerRunner()).keyStore() : this.#app.connections.keyStore()
  }

  /** Runs a call here, whatever the app's mode. Its own calls go where calls of the app go. */
  async apply<R>(call: Call, propagates: boolean): Promise<EagerResult<R>> {
    return this.#applyBy(await this.#applier(), call, propagates)
  }

  /** As `apply`, for a canvas: see `applyCanvas`. */
  async applySignature<H>(signature: SignatureData): Promise<H> {
    const runner = await this.#applier()
    const source = { ...this.source(), backend: () => runner.backend() }
    const runTask = (one: SignatureData): Promise<AsyncResult<unknown>> => this.#applyBy(runner, callOf(one, {}), false)
    return (await applyCanvas({ runTask, source }, signature)) as H // as the signature's type says
  }

  #applier(): Promise<EagerRunner> {
    return currentContext() ? this.#makeRunner() : this.#eagerRunner()
  }

  async #applyBy<R>(runner: EagerRunner, call: Call, propagates: boolean): Promise<EagerResult<R>> {
    const definition = call.definition ?? this.#app.registry.get(call.task)?.definition
    const prepared = prepare(this.#app, { ...call, definition })
    const { error, attempts, simulatedMs } = await runner.run(prepared, { wait: true })
    if (error && propagates) throw error
    const { id, task: name } = prepared.message
    const backend = await runner.backend()
    const [stored] = await backend.fetch([id])
    const source = { ...this.source(), backend: async () => backend }
    return new EagerResult<R>(source, id, { attempts, simulatedMs }, { name, stored })
  }

  #sendCommitted(prepared: Claiming, call: Call): Promise<void> {
    const app = this.#app
    const sent = (async () => {
      const first = await this.#unique.firstOf(prepared)
      if (first !== undefined) return this.#unique.storeDuplicate(prepared, first)
      if (app.eager) await this.#runEager(prepared, true)
      else await this.#unique.sending([prepared], () => publish(app, [prepared], call.options))
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

/** `key` is related to the ids that the plan made. */
type KeyedPlan = Plan & { readonly key: string }

function callOfMany({ task, args = [], options = {} }: Exclude<ManyCall, { readonly data: unknown }>): Call {
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
