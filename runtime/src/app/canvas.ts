import { type SignatureData, type SignatureOptions, withArgs, withOptions } from '../core/signature.ts'
import type { Stamps } from '../core/stamps.ts'
import { signatureToDict } from '../wire/canvas-dict.ts'
import type { AsyncResult } from './async-result.ts'
import { chainSignature } from './normal-form.ts'
import type { CallOptions } from './call-options.ts'
import { signatureText } from './signature-text.ts'
import { stamped, type StampOptions } from './stamping.ts'
import type { Owed, Tails } from './task.ts'
import type { TqApp } from './tq.ts'

/** Marks a signature across two copies of the package. */
export const signatureBrand: unique symbol = Symbol.for('tq.Signature')

/**
 * A call that is not made yet. `Need` are the arguments it still owes, in front of those it holds; `R` what it will give, and `H`
 * the handle on it: an AsyncResult, or a GroupResult for what ends in a group. Signatures are values: `set`, `pipe` and the rest
 * give new ones.
 */
export class Signature<Need extends unknown[], R, H = AsyncResult<R>> {
  readonly [signatureBrand] = true
  readonly data: SignatureData
  readonly #app: TqApp
  declare readonly __need?: (need: Need) => void
  declare readonly __gives?: R
  declare readonly __handle?: H

  constructor(app: TqApp, data: SignatureData) {
    this.#app = app
    this.data = data
  }

  /** Sends it with what it owes in front; resolves when the broker has it. A group hands it to every member, a chord to its header. */
  delay(...args: Need): Promise<H> {
    return this.applyAsync(args)
  }

  /**
   * As `delay`, with options: for a chain those of its first step, for a group those of every member, for a chord also of its body; but `taskId`, `link` and
   * `linkError` are of the whole. Rejects with ChannelError for a chord on a result backend that cannot count (rpc, disabled).
   */
  applyAsync(args: Need, options: CallOptions = {}): Promise<H> {
    return this.#app.sendSignature<H>(withArgs(this.data, args), options)
  }

  /**
   * Runs it here instead of sending it, step by step, whatever the app's mode; resolves when it has ended. Rejects with the error of a
   * chord's part that failed; otherwise an error is in the handle. Callbacks are sent as ever.
   */
  apply(...args: Need): Promise<H> {
    return this.#app.applySignature<H>(withArgs(this.data, args))
  }

  /** The same call with options laid over its own. */
  set(options: SignatureOptions): Signature<Need, R, H> {
    return this.#with(withOptions(this.data, options))
  }

  /** What runs after it with its result as first argument: Python's `|`. After a group that is a chord: it gets all results. */
  pipe<Q, J>(next: Link<R, Q, J>): Signature<Need, Q, J> {
    return new Signature(this.#app, joined([this.data, next.data]))
  }

  /**
   * Of a group: its members start one after the other, `start` seconds from now and then every `step` seconds; none later than `stop`.
   * Source: celery/canvas.py, group.skew.
   */
  skew(start = 1, stop = Infinity, step = 1): Signature<Need, R, H> {
    const parts = this.data.parts?.map((part, i) => withOptions(part, { countdown: Math.min(start + i * step, stop) }))
    return this.#with(this.data.kind === 'group' ? { ...this.data, parts } : this.data)
  }

  /**
   * Adds a callback: it is sent with the result when this call succeeds. On a chain it is one of its last step, on a chord of its
   * body; a group takes none (TypeError when it is sent).
   */
  link(callback: Link<R, unknown>): Signature<Need, R, H> {
    const link = [...(this.data.options.link ?? []), callback.data]
    return this.#with(withOptions(this.data, { link }))
  }

  /**
   * Adds an error callback: it is sent with the id of this call when it fails. On a chain it is one of every step, on a group of
   * every member, on a chord of its body, and of its header where `taskAllowErrorCbOnChordHeader` is set.
   * Source: celery/canvas.py, _chord.link_error.
   */
  linkError(callback: Signature<[string], unknown, unknown> | Signature<[], unknown, unknown>): Signature<Need, R, H> {
    return this.#with(withErrback(this.data, callback.data, this.#app.settings.taskAllowErrorCbOnChordHeader))
  }

  /** Celery's name for `linkError`. */
  onError(callback: Signature<[string], unknown, unknown> | Signature<[], unknown, unknown>): Signature<Need, R, H> {
    return this.linkError(callback)
  }

  /** The same call with arguments put in front of its own, the last ones of those that it owes; with none of them a copy. */
  clone<T extends Tails<Need>>(
    args: T,
    options?: { readonly kwargs?: Readonly<Record<string, unknown>> | undefined },
  ): Signature<Owed<Need, T>, R, H>
  clone(): Signature<Need, R, H>
  clone(
    args: readonly unknown[] = [],
    { kwargs }: { readonly kwargs?: SignatureData['kwargs'] | undefined } = {},
  ): unknown {
    const data = withArgs(this.data, args)
    return this.#with(kwargs && !data.immutable ? { ...data, kwargs: { ...data.kwargs, ...kwargs } } : data)
  }

  /**
   * Labels every task in it, callbacks that are linked already included: `sig.stamp({ order: 17 })`. A stamp that a task has stays
   * behind the new one, unless `appendStamps` makes a list of both. Throws TypeError for a stamp that is called like an option.
   */
  stamp(stamps: Stamps, options: StampOptions = {}): Signature<Need, R, H> {
    return this.#with(stamped(this.data, stamps, options))
  }

  /**
   * The call with all of its ids, and the handle on what it will give, before it is sent. Sent twice it has the same ids twice.
   * `taskId` is the id of the result.
   */
  freeze(taskId?: string): { readonly signature: Signature<Need, R, H>; readonly result: H } {
    const data = taskId === undefined ? this.data : withOptions(this.data, { taskId })
    const { signature, result } = this.#app.freezeSignature<H>(data)
    return { signature: this.#with(signature), result }
  }

  /** In one line, as Celery prints it; arguments that are redacted are hidden. */
  toString(): string {
    return signatureText(this.#app, this.data)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Signature { ${this.toString()} }`
  }

  /** Celery's dict, so that a signature can be an argument of a task. */
  toJSON(): Record<string, unknown> {
    return signatureToDict(this.data)
  }

  /** The app that sends it. */
  get app(): TqApp {
    return this.#app
  }

  #with(data: SignatureData): Signature<Need, R, H> {
    return new Signature(this.#app, data)
  }
}

function withErrback(signature: SignatureData, errback: SignatureData, onHeader: boolean): SignatureData {
  const linkError = [...(signature.options.linkError ?? []), errback]
  if (signature.kind !== 'chord') return withOptions(signature, { linkError })
  const { parts = [], body } = signature
  return {
    ...signature,
    // A chord in the header sees to its own header and body. Celery makes the header's callbacks immutable: they get no id.
    parts: parts.map((part) => (onHeader || part.kind === 'chord' ? withErrback(part, errback, onHeader) : part)),
    body: body && withErrback(body, errback, onHeader),
  }
}

/** What may follow a step that gives `P`: a signature that owes exactly that, or nothing. */
export type Link<P, Q, H = unknown> = Signature<[P], Q, H> | Signature<[], Q, H>

/** A signature whatever its types. */
export type AnySignature = Signature<never, unknown, unknown>

/** A chain of these; chains among them are spread unless they have options of their own, and one alone is itself. */
export function joined(steps: readonly SignatureData[]): SignatureData {
  const isPlain = ({ options }: SignatureData): boolean => Object.values(options).every((value) => value === undefined)
  const parts = steps.flatMap((step) => (step.kind === 'chain' && isPlain(step) ? (step.parts ?? []) : [step]))
  const [only] = parts
  return parts.length === 1 && only ? only : chainSignature(parts)
}

/** A task signature. */
export function taskData(
  task: string,
  args: readonly unknown[],
  options: { readonly immutable: boolean; readonly kwargs?: Readonly<Record<string, unknown>> | undefined },
): SignatureData {
  return { kind: 'task', task, args, kwargs: options.kwargs ?? {}, options: {}, immutable: options.immutable }
}
