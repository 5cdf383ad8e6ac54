import { ChannelError, EncodeError } from '../core/errors.ts'
import { derivedIds, relatedIds, timeOfId } from '../core/id.ts'
import type { Message } from '../core/message.ts'
import { type SignatureData, withOptions } from '../core/signature.ts'
import type { ResultRef } from '../core/states.ts'
import { encodeJson } from '../serializers/json-encode.ts'
import { signatureToDict } from '../wire/canvas-dict.ts'
import { withBodyOptions } from './body-options.ts'
import type { CallOptions } from './call-options.ts'
import { loggedSending } from './commit-sending.ts'
import { currentContext, type TaskContext } from './context.ts'
import type { EagerCalls } from './eager-calls.ts'
import { frozen, type Plan, planOf } from './freeze.ts'
import { builtIn } from './mapping.ts'
import { chainSignature, endsInGroup, endsOf, normalise } from './normal-form.ts'
import { publish } from './publish.ts'
import { type Call, callOf, dataOf, emitSent, type Prepared, prepare } from './send.ts'
import { stamped } from './stamping.ts'
import type { TqApp } from './tq.ts'
import { whenValid } from './valid-calls.ts'
import { outlineOf } from './workflow-outline.ts'
import { storeRecord } from './workflow-records.ts'

/** What a worker gives to the calls that come after a task. */
export interface Lineage {
  readonly rootId: string
  readonly parentId: string | undefined
  readonly replacedTaskNesting?: number | undefined
  /** It may have been sent before, under the same ids. */
  readonly repeated?: boolean | undefined
}

/** `key` is related to the ids that the plan made. */
export type KeyedPlan = Plan & { readonly key: string }

/** The task that adds to its chord. */
export type RunningPart = Pick<TaskContext, 'message' | 'deliveryInfo'>

/** Sends canvases: what of them starts now is published, their chords are opened before, and what they consist of is written down. */
export class CanvasCalls {
  readonly #app: TqApp
  readonly #eager: EagerCalls
  /** How often each run, by its message, has sent what. */
  readonly #sentBy = new WeakMap<Message, Map<string, number>>()

  constructor(app: TqApp, eager: EagerCalls) {
    this.#app = app
    this.#eager = eager
  }

  /** Callbacks, stamps and the id are of the whole; the other options of what is sent now, and of a chord's body. */
  async send(signature: SignatureData, options: CallOptions): Promise<ResultRef> {
    const { taskId: id, link, linkError, stamps, ...rest } = options
    const whole = withBodyOptions(stamps ? stamped(signature, stamps) : signature, rest)
    const laid = withOptions(whole, {
      ...(id === undefined ? {} : { taskId: id }),
      link: [...(signature.options.link ?? []), ...dataOf(link)],
      linkError: [...(signature.options.linkError ?? []), ...dataOf(linkError)],
    })
    const plan = this.planOf(laid)
    const prepared = await this.#prepared(plan, rest)
    await this.#publish(plan, prepared, rest, { following: false, recorded: plan })
    if (options.addToParent !== false) currentContext()?.children.push(plan.child)
    return plan.result
  }

  /** What comes after a task that has ended. Resolves with what is to be known as its child. */
  async sendFollowing(signature: SignatureData, lineage: Lineage): Promise<ResultRef> {
    const plan = this.planOf(signature)
    const prepared = await this.#prepared(plan, lineage, { lineage, following: true })
    await this.#publish(plan, prepared, lineage, { following: true })
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
    const plan = this.planOf(chainSignature([whole, ...chain]))
    const prepared = await this.#prepared(plan, lineage, { lineage })
    await this.#publish(plan, prepared, lineage, { following: true, recorded: plan })
  }

  /**
   * One part more for the chord of the running task. A run that is repeated after a crash sends the part under the same ids, which the
   * chord counts once; a retry is another run, whose parts are others. Source: celery/app/task.py, Task.add_to_chord.
   */
  async sendPart({ message, deliveryInfo }: RunningPart, signature: SignatureData): Promise<ResultRef> {
    const { groupId, groupIndex, chord, rootId, id: parentId } = message
    if (chord === undefined || groupId === undefined) {
      throw new TypeError(`${message.task}[${message.id}] is in no chord's header: there is nothing to add to.`)
    }
    const part = normalise({ ...chainSignature([signature]), options: { groupId, groupIndex, chord } })
    const plan = this.planOf(part, this.#idsOfRun(message, signature))
    const lineage = { rootId, parentId, repeated: message.repeated || deliveryInfo.redelivered || undefined }
    const prepared = await this.#prepared(plan, lineage, { lineage })
    await (await this.#app.resultBackend()).growChord({ groupId }, endsOf(part).length, plan.places)
    await this.#publish(plan, prepared, lineage, { following: true, recorded: plan })
    return plan.result
  }

  /** By what is sent, too: a run that goes another way the second time must not have the one taken for the other. */
  #idsOfRun(message: Message, signature: SignatureData): () => string {
    const sent = this.#sentBy.get(message) ?? new Map<string, number>()
    this.#sentBy.set(message, sent)
    const text = textOf(signature)
    if (text === undefined) return relatedIds(this.#app.clock.now())
    const times = (sent.get(text) ?? 0) + 1
    sent.set(text, times)
    const { id, retries, replacedTaskNesting } = message
    return derivedIds([id, retries, replacedTaskNesting, times, text].join('\n'), timeOfId(id) ?? 0)
  }

  /** The signature with all of its ids, and what it will give. */
  freeze(signature: SignatureData): { readonly signature: SignatureData; readonly result: ResultRef } {
    const { clock, replyTo } = this.#app
    const how = { newId: relatedIds(clock.now()), replyTo }
    const whole = frozen(signature, how)
    return { signature: whole, result: planOf(whole, how).result }
  }

  /** With ids of its own. */
  planOf(signature: SignatureData, newId = relatedIds(this.#app.clock.now())): KeyedPlan {
    return { key: newId(), ...planOf(signature, { newId, replyTo: this.#app.replyTo }) }
  }

  /** The calls that a canvas starts with. `lineage` is given for what a worker sends. */
  callsOf({ calls }: Plan, options: CallOptions, { lineage, following }: CalledBy = {}): readonly Call[] {
    const { registry } = this.#app
    return calls.map(({ signature, chain }) => {
      const known = registry.get(signature.task)
      return { ...callOf(signature, options), ...lineage, known, chain, following }
    })
  }

  /** Before any member is published: the last one to end has to find the number. */
  async openChords({ chords }: Plan, prepared: readonly Prepared[]): Promise<void> {
    if (chords.length === 0) return
    const backend = await this.#app.resultBackend()
    const rootId = prepared[0]?.message.rootId ?? ''
    const ttlMs = this.#app.settings.resultExpires * 1000
    await Promise.all(
      chords.map(({ groupId, size, body: signature, places }) =>
        backend.openChord({ groupId }, size, { ttlMs, body: { signature, rootId }, places }),
      ),
    )
  }

  /** Resolves in any case: beside the sending, and not needed for it. What is written down lets `app.workflow()` explain the canvas later. */
  async writeDown(plan: KeyedPlan): Promise<void> {
    if (plan.calls.length === 0) return
    await this.#record(plan).catch((error: unknown) => {
      this.#app.logger.debug(`What canvas ${plan.result.id} consists of was not written down: ${String(error)}`)
    })
  }

  /** Celery refuses them where they are made; here it is known once the backend is. Source: celery/backends/rpc.py. */
  async requireChords(): Promise<void> {
    const { countsChords, name } = await this.#app.resultBackend()
    if (countsChords !== false) return
    throw new ChannelError(
      `A chord needs a result backend that can count its header; '${name}' cannot. Use redis, sqlite or memory as backend, ` +
        'and mind that a group followed by a task is a chord.',
    )
  }

  async #prepared(plan: Plan, options: CallOptions, by: CalledBy = {}): Promise<readonly Prepared[]> {
    const app = this.#app
    if (plan.calls.length === 0) return []
    if (plan.joins) await this.requireChords()
    const calls = this.callsOf(plan, options, by)
    return whenValid(app, calls, () => calls.map((call) => prepare(app, call)))
  }

  async #publish(
    plan: Plan,
    prepared: readonly Prepared[],
    options: CallOptions,
    by: { readonly following: boolean; readonly recorded?: KeyedPlan },
  ): Promise<void> {
    if (prepared.length === 0) return
    const { afterCommit } = options
    const send = async (): Promise<void> => {
      const recording = by.recorded && !this.#app.eager ? this.writeDown(by.recorded) : undefined
      await this.#publishNow(plan, prepared, options, by)
      await recording
    }
    if (!afterCommit) return send()
    afterCommit.onCommit(() => loggedSending(this.#app, prepared[0], send()))
  }

  async #publishNow(
    plan: Plan,
    prepared: readonly Prepared[],
    options: CallOptions,
    { following }: { readonly following: boolean },
  ): Promise<void> {
    const app = this.#app
    await this.openChords(plan, prepared)
    if (!app.eager) {
      await publish(app, prepared, options)
      for (const one of prepared) await emitSent(app, one)
      return
    }
    const wait = !following && currentContext() === undefined
    let failed: Error | undefined
    for (const one of prepared) {
      const { error } = await this.#eager.run(one, { wait })
      failed ??= error
    }
    if (failed && app.settings.taskEagerPropagates) throw failed
  }

  async #record({ whole, key }: KeyedPlan): Promise<void> {
    const backend = await this.#app.resultBackend()
    if (backend.countsChords === false) return // nor does it keep groups
    const { settings, clock } = this.#app
    const record = { outline: outlineOf(whole), sentAtMs: clock.now(), parentId: currentContext()?.message.id }
    await storeRecord(backend, key, record, { ttlMs: settings.resultExpires * 1000 })
  }
}

/** The text that is the same for the same signature; undefined for what JSON has no form for. */
function textOf(signature: SignatureData): string | undefined {
  try {
    return encodeJson(signatureToDict(signature), 'typed')
  } catch (error) {
    if (error instanceof EncodeError) return undefined
    throw error
  }
}

/** Who makes the calls of a canvas: `following` is a worker that goes on after a task. */
interface CalledBy {
  readonly lineage?: Lineage | undefined
  readonly following?: true | undefined
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
