import { type SignatureData, type SignatureOptions, withArgs, withOptions } from '../core/signature.ts'
import { signatureToDict } from '../wire/canvas-dict.ts'
import type { AsyncResult } from './async-result.ts'
import type { CallOptions } from './send.ts'
import type { TqApp } from './tq.ts'

/** Marks a signature across two copies of the package. */
export const signatureBrand: unique symbol = Symbol.for('tq.Signature')

/**
 * A call that is not made yet. `Need` are the arguments it still owes, in front of those it holds; `R` what it will give.
 * Signatures are values: `set`, `pipe` and the rest give new ones.
 */
export class Signature<Need extends unknown[], R> {
  readonly [signatureBrand] = true
  readonly data: SignatureData
  readonly #app: TqApp
  declare readonly __need?: (need: Need) => void
  declare readonly __gives?: R

  constructor(app: TqApp, data: SignatureData) {
    this.#app = app
    this.data = data
  }

  /** Sends it with what it owes in front; resolves when the broker has it. */
  delay(...args: Need): Promise<AsyncResult<R>> {
    return this.applyAsync(args)
  }

  applyAsync(args: Need, options: CallOptions = {}): Promise<AsyncResult<R>> {
    return this.#app.sendSignature<R>(withArgs(this.data, args), options)
  }

  /** The same call with options laid over its own. */
  set(options: SignatureOptions): Signature<Need, R> {
    return new Signature(this.#app, withOptions(this.data, options))
  }

  /** What runs after it with its result as first argument: Python's `|`. */
  pipe<Q>(next: Link<R, Q>): Signature<Need, Q> {
    return new Signature(this.#app, chainData([this.data, next.data]))
  }

  /** Adds a callback: it is sent with the result when this call succeeds. */
  link(callback: Link<R, unknown>): Signature<Need, R> {
    const link = [...(this.data.options.link ?? []), callback.data]
    return new Signature(this.#app, withOptions(this.data, { link }))
  }

  /** Adds an error callback: it is sent with the id of this call when it fails. */
  linkError(callback: Signature<[string], unknown> | Signature<[], unknown>): Signature<Need, R> {
    const linkError = [...(this.data.options.linkError ?? []), callback.data]
    return new Signature(this.#app, withOptions(this.data, { linkError }))
  }

  /** Celery's dict, so that a signature can be an argument of a task. */
  toJSON(): Record<string, unknown> {
    return signatureToDict(this.data)
  }

  /** The app that sends it. */
  get app(): TqApp {
    return this.#app
  }
}

/** What may follow a step that gives `P`: a signature that owes exactly that, or nothing. */
export type Link<P, Q> = Signature<[P], Q> | Signature<[], Q>

/** Runs one after the other, each with the result of the one before. Up to eight steps are typed; beyond that use `pipe`. */
export function chain<N extends unknown[], A>(a: Signature<N, A>): Signature<N, A>
export function chain<N extends unknown[], A, B>(a: Signature<N, A>, b: Link<A, B>): Signature<N, B>
export function chain<N extends unknown[], A, B, C>(a: Signature<N, A>, b: Link<A, B>, c: Link<B, C>): Signature<N, C>
export function chain<N extends unknown[], A, B, C, D>(
  a: Signature<N, A>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
): Signature<N, D>
export function chain<N extends unknown[], A, B, C, D, E>(
  a: Signature<N, A>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
): Signature<N, E>
export function chain<N extends unknown[], A, B, C, D, E, F>(
  a: Signature<N, A>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
  f: Link<E, F>,
): Signature<N, F>
export function chain<N extends unknown[], A, B, C, D, E, F, G>(
  a: Signature<N, A>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
  f: Link<E, F>,
  g: Link<F, G>,
): Signature<N, G>
export function chain<N extends unknown[], A, B, C, D, E, F, G, H>(
  a: Signature<N, A>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
  f: Link<E, F>,
  g: Link<F, G>,
  h: Link<G, H>,
): Signature<N, H>
export function chain(first: Signature<unknown[], unknown>, ...rest: { readonly data: SignatureData }[]): unknown {
  return new Signature(first.app, chainData([first.data, ...rest.map((one) => one.data)]))
}

/** A chain of signatures; chains among them are spread, one alone is itself. Links of the chain go to its last step. */
export function chainData(steps: readonly SignatureData[]): SignatureData {
  const parts = steps.flatMap((step) => (step.kind === 'chain' && noOptions(step) ? (step.parts ?? []) : [step]))
  const [only] = parts
  if (parts.length === 1 && only) return only
  return { kind: 'chain', task: 'celery.chain', args: [], kwargs: {}, options: {}, immutable: false, parts }
}

function noOptions(step: SignatureData): boolean {
  return Object.values(step.options).every((value) => value === undefined)
}

export function taskData(
  task: string,
  args: readonly unknown[],
  options: { readonly immutable: boolean; readonly kwargs?: Readonly<Record<string, unknown>> | undefined },
): SignatureData {
  return { kind: 'task', task, args, kwargs: options.kwargs ?? {}, options: {}, immutable: options.immutable }
}

/** A chain made ready to be sent: the first step, the others frozen behind it, ids in order. */
export interface FrozenChain {
  readonly first: SignatureData
  readonly rest: readonly SignatureData[]
  readonly ids: readonly string[]
}

/** Gives every step its id and attaches links of the chain to its last step, error links to all of them. */
export function freezeChain(chain: SignatureData, newId: () => string, replyTo: string): FrozenChain {
  const parts = chain.parts ?? []
  const { link, linkError, taskId, ...common } = chain.options
  const frozen = parts.map((part, i) => {
    const step = i === 0 ? withArgs(part, chain.args) : part
    const isLast = i === parts.length - 1
    return withOptions(step, {
      ...definedOnly(common),
      ...definedOnly(step.options),
      taskId: step.options.taskId ?? (isLast && taskId !== undefined ? taskId : newId()),
      replyTo,
      link: freezeLinks([...(step.options.link ?? []), ...(isLast ? (link ?? []) : [])], newId),
      linkError: freezeLinks([...(step.options.linkError ?? []), ...(linkError ?? [])], newId),
    })
  })
  const [first, ...rest] = frozen
  if (!first) throw new TypeError('a chain needs at least one step')
  return { first, rest, ids: frozen.map((step) => step.options.taskId ?? '') }
}

/** Callbacks with ids of their own, so that a repeated delivery sends the same call and not a second one. */
export function freezeLinks(links: readonly SignatureData[], newId: () => string): readonly SignatureData[] {
  return links.map((one) => (one.options.taskId === undefined ? withOptions(one, { taskId: newId() }) : one))
}

function definedOnly(options: SignatureOptions): SignatureOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
