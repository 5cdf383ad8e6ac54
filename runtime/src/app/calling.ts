import type { ResultBackend } from '../backends/result-backend.ts'
import { taskId } from '../core/id.ts'
import type { Message } from '../core/message.ts'
import type { SignatureData } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import type { KeyStore } from '../transports/key-store.ts'
import { AsyncResult, type ResultSource } from './async-result.ts'
import type { CallOptions } from './call-options.ts'
import type { Signature } from './canvas.ts'
import { CanvasCalls, type KeyedPlan, type Lineage, type RunningPart } from './canvas-calls.ts'
import { loggedSending } from './commit-sending.ts'
import { currentContext } from './context.ts'
import { EagerCalls, type EagerRunner } from './eager-calls.ts'
import type { EagerResult } from './eager-result.ts'
import { chainSignature } from './normal-form.ts'
import { publish, type PublishOptions } from './publish.ts'
import { resultSource } from './result-source.ts'
import { type Call, callOf, emitSent, type Prepared, prepare } from './send.ts'
import type { AnyTask } from './task.ts'
import type { TqApp } from './tq.ts'
import { type Claiming, UniqueCalls, uniqueClaimOf, uniqueHeaders } from './unique.ts'
import { whenValid } from './valid-calls.ts'

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

/** One of many: its calls, and the plan of a canvas. */
interface Unit {
  readonly calls: readonly Call[]
  readonly plan?: KeyedPlan | undefined
}

/** A unit whose calls are ready to be sent. */
interface ReadyUnit extends Unit {
  readonly prepared: readonly Claiming[]
}

/** Sends the calls of one app, or runs them here while the app is eager. */
export class Caller {
  readonly #app: TqApp
  readonly #eager: EagerCalls
  readonly #canvases: CanvasCalls
  readonly #unique: UniqueCalls

  constructor(app: TqApp, makeRunner: () => Promise<EagerRunner>) {
    this.#app = app
    this.#eager = new EagerCalls(app, makeRunner)
    this.#canvases = new CanvasCalls(app, this.#eager)
    this.#unique = new UniqueCalls(app, () => this.#keyStore())
  }

  async send<R>(call: Call): Promise<AsyncResult<R>> {
    const prepared = await whenValid(this.#app, [call], () => this.#prepared(call))
    const { afterCommit } = call.options
    if (afterCommit) {
      afterCommit.onCommit(() => this.#sendCommitted(prepared, call))
      return new AsyncResult<R>(this.source(), prepared.message.id)
    }
    const first = await this.#unique.firstOf(prepared)
    if (first !== undefined) return this.#inPlace<R>(prepared, first)
    if (this.#app.eager)
      return this.#runEager<R>(prepared, { wait: call.following !== true && currentContext() === undefined })
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
    const given = Array.from(calls, (one) => this.#unitOf(one))
    const all = given.flatMap((unit) => unit.calls)
    const units = await whenValid(app, all, () => given.map((unit) => this.#readyUnit(unit)))
    const plans = units.flatMap(({ plan }) => plan ?? [])
    const canvases = this.#canvases
    if (plans.some(({ joins }) => joins)) await canvases.requireChords()
    const { fresh, ids } = await this.#unique.freshOf(units.flatMap(({ prepared }) => prepared))
    await this.#unique.sending(fresh, async () => {
      await Promise.all(units.map(async ({ plan, prepared }) => plan && canvases.openChords(plan, prepared)))
      await Promise.all([publish(app, fresh, options), ...plans.map((plan) => canvases.writeDown(plan))])
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
    if (!('data' in one)) return { calls: [callOfMany(one)] }
    const { data } = one
    if (isOneTask(data)) return { calls: [callOf(data, {})] }
    const plan = this.#canvases.planOf(data)
    return { plan, calls: this.#canvases.callsOf(plan, {}) }
  }

  #readyUnit({ plan, calls }: Unit): ReadyUnit {
    if (!plan) return { calls, prepared: calls.map((call) => this.#prepared(call)) }
    const prepared = calls.map((call) => prepare(this.#app, call))
    currentContext()?.children.push(plan.child)
    return { plan, calls, prepared }
  }

  /** A task or a canvas: see CanvasCalls. */
  async sendSignature<H>(signature: SignatureData, options: CallOptions): Promise<H> {
    if (isOneTask(signature)) return (await this.send(callOf(signature, options))) as H // a task's handle is an AsyncResult
    return this.#handle<H>(await this.#canvases.send(signature, options))
  }

  /** What comes after a task that has ended, and the frozen steps behind it. Resolves with what is to be known as its child. */
  async sendFollowing(
    signature: SignatureData,
    lineage: Lineage,
    steps: readonly SignatureData[] = [],
  ): Promise<ResultRef> {
    if (isOneTask(signature)) {
      const { id } = await this.send({ ...callOf(signature, lineage), ...lineage, chain: steps, following: true })
      return { id }
    }
    const whole = steps.length === 0 ? signature : chainSignature([signature, ...steps])
    return this.#canvases.sendFollowing(whole, lineage)
  }

  /** See CanvasCalls. */
  sendReplacement(replaced: Message, signature: SignatureData): Promise<void> {
    return this.#canvases.sendReplacement(replaced, signature)
  }

  /** See CanvasCalls. */
  async sendPart<H>(running: RunningPart, signature: SignatureData): Promise<H> {
    return this.#handle<H>(await this.#canvases.sendPart(running, signature))
  }

  /** The signature with all of its ids, and the handle on what it will give. */
  freeze<H>(given: SignatureData): { readonly signature: SignatureData; readonly result: H } {
    const { signature, result } = this.#canvases.freeze(given)
    return { signature, result: this.#handle<H>(result) }
  }

  /** Runs a call here, whatever the app's mode. */
  apply<R>(call: Call, propagates: boolean): Promise<EagerResult<R>> {
    return this.#eager.apply(call, this.source(), propagates)
  }

  /** As `apply`, for a canvas. */
  async applySignature<H>(signature: SignatureData): Promise<H> {
    return (await this.#eager.applySignature(signature, this.source())) as H // as the signature's type says
  }

  /** Where this app's results are kept, the eager ones while it is eager. */
  async backend(): Promise<ResultBackend> {
    return this.#app.eager ? this.#eager.backend() : this.#app.connections.backend()
  }

  /** What results of this app read from; `queue` is where the task was sent. */
  source(queue: string = this.#app.settings.taskDefaultQueue): ResultSource {
    const eager = this.#app.eager ? this.#eager.backend() : undefined
    return resultSource(this.#app, () => eager ?? this.backend(), queue)
  }

  async close(): Promise<void> {
    await this.#eager.close()
  }

  /** A group's handle where the canvas ends in a group, as its type says. */
  #handle<H>(result: ResultRef): H {
    return this.source().resultOf(result) as H
  }

  #prepared(given: Call): Claiming {
    const call = given.known ? given : { ...given, known: this.#app.registry.get(given.task) }
    const claiming = this.#claiming(call)
    if (call.options.addToParent !== false) currentContext()?.children.push({ id: claiming.message.id })
    return claiming
  }

  #claiming(call: Call): Claiming {
    const unique = uniqueClaimOf(call)
    if (!unique) return prepare(this.#app, call)
    const id = call.options.taskId ?? taskId(this.#app.clock.now())
    const headers = { ...call.options.headers, ...uniqueHeaders(id, unique) }
    return { ...prepare(this.#app, { ...call, options: { ...call.options, taskId: id, headers } }), unique }
  }

  /** The result of the call that is under way already. */
  #inPlace<R>({ message, route }: Prepared, first: string): AsyncResult<R> {
    const children = currentContext()?.children ?? []
    const at = children.findIndex(({ id }) => id === message.id)
    if (at >= 0) children[at] = { id: first }
    return new AsyncResult<R>(this.source(route.queue), first)
  }

  async #keyStore(): Promise<KeyStore> {
    return this.#app.eager ? this.#eager.keyStore() : this.#app.connections.keyStore()
  }

  #sendCommitted(prepared: Claiming, call: Call): Promise<void> {
    const app = this.#app
    const sent = (async () => {
      const first = await this.#unique.firstOf(prepared)
      if (first !== undefined) return this.#unique.storeDuplicate(prepared, first)
      if (app.eager) await this.#runEager(prepared, { wait: true })
      else await this.#unique.sending([prepared], () => publish(app, [prepared], call.options))
      if (!app.eager) await emitSent(app, prepared)
    })()
    return loggedSending(app, prepared, sent)
  }

  async #runEager<R>(prepared: Prepared, options: { readonly wait: boolean }): Promise<AsyncResult<R>> {
    const { error, attempts, simulatedMs } = await this.#eager.run(prepared, options)
    if (error && this.#app.settings.taskEagerPropagates) throw error
    const source = { ...this.source(), backend: () => this.#eager.backend() }
    return new AsyncResult<R>(source, prepared.message.id, undefined, { attempts, simulatedMs })
  }
}

function isOneTask({ kind, options }: SignatureData): boolean {
  return kind === 'task' && options.chain === undefined
}

function callOfMany({ task, args = [], options = {} }: Exclude<ManyCall, { readonly data: unknown }>): Call {
  return typeof task === 'string' ? { task, args, options } : { task: task.taskName, known: task, args, options }
}
