import { type AnySignature, joined, type Link, Signature } from './canvas.ts'
import type { GroupResult } from './group-result.ts'
import { chordSignature, groupSignature } from './normal-form.ts'
import type { TqApp } from './tq.ts'

/** Runs one after the other, each with the result of the one before. Up to eight steps are typed; beyond that use `pipe`. */
export function chain<N extends unknown[], A, Z>(a: Signature<N, A, Z>): Signature<N, A, Z>
export function chain<N extends unknown[], A, B, Z>(a: Signature<N, A, unknown>, b: Link<A, B, Z>): Signature<N, B, Z>
export function chain<N extends unknown[], A, B, C, Z>(
  a: Signature<N, A, unknown>,
  b: Link<A, B>,
  c: Link<B, C, Z>,
): Signature<N, C, Z>
export function chain<N extends unknown[], A, B, C, D, Z>(
  a: Signature<N, A, unknown>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D, Z>,
): Signature<N, D, Z>
export function chain<N extends unknown[], A, B, C, D, E, Z>(
  a: Signature<N, A, unknown>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E, Z>,
): Signature<N, E, Z>
export function chain<N extends unknown[], A, B, C, D, E, F, Z>(
  a: Signature<N, A, unknown>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
  f: Link<E, F, Z>,
): Signature<N, F, Z>
export function chain<N extends unknown[], A, B, C, D, E, F, G, Z>(
  a: Signature<N, A, unknown>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
  f: Link<E, F>,
  g: Link<F, G, Z>,
): Signature<N, G, Z>
export function chain<N extends unknown[], A, B, C, D, E, F, G, H, Z>(
  a: Signature<N, A, unknown>,
  b: Link<A, B>,
  c: Link<B, C>,
  d: Link<C, D>,
  e: Link<D, E>,
  f: Link<E, F>,
  g: Link<F, G>,
  h: Link<G, H, Z>,
): Signature<N, H, Z>
export function chain(first: AnySignature, ...rest: readonly AnySignature[]): unknown {
  return new Signature(first.app, joined([first.data, ...rest.map((one) => one.data)]))
}

/**
 * Runs all of them at once; gives their results in order. Members may still owe arguments, the same ones: a group in a chain gets
 * the result before it, and every member that owes something takes it. Groups among the members are spread. `app` is needed for an
 * empty list only.
 */
export function group<const M extends readonly AnySignature[]>(
  ...members: M
): Signature<NeedOf<M[number]>, GivesOf<M>, GroupResult<GivesOf<M>>>
export function group<M extends AnySignature>(
  members: Iterable<M>,
  app?: TqApp,
): Signature<NeedOf<M>, GivesOf<readonly M[]>, GroupResult<GivesOf<readonly M[]>>>
export function group(...given: readonly (AnySignature | Iterable<AnySignature> | TqApp | undefined)[]): unknown {
  const [first, app] = given
  const listed = first !== undefined && Symbol.iterator in first
  const members = (listed ? [...first] : given) as readonly AnySignature[] // the overloads say so
  const owner = members[0]?.app ?? (listed ? (app as TqApp | undefined) : undefined) // as above
  if (!owner) throw new TypeError('An empty group belongs to no app: give it as second argument, group(members, app).')
  return new Signature(owner, groupSignature(members.map((one) => one.data)))
}

/**
 * Runs the header's members at once and the body with the list of their results, in order; the result is the body's. An empty
 * header calls the body with an empty list. Without a body it is the group of its header. It needs a result backend that can
 * count: memory, SQLite or Redis.
 */
export function chord<N extends unknown[], P extends unknown[], Q, H>(
  header: Signature<N, P, GroupResult<P>>,
  body: Link<P, Q, H>,
): Signature<N, Q, H>
export function chord<const M extends readonly AnySignature[], Q, H>(
  header: M,
  body: Link<GivesOf<M>, Q, H>,
): Signature<NeedOf<M[number]>, Q, H>
export function chord<M extends AnySignature, Q, H>(
  header: Iterable<M>,
  body: Link<GivesOf<readonly M[]>, Q, H>,
): Signature<NeedOf<M>, Q, H>
export function chord<M extends AnySignature>(
  header: Iterable<M>,
): Signature<NeedOf<M>, GivesOf<readonly M[]>, GroupResult<GivesOf<readonly M[]>>>
export function chord(header: AnySignature | Iterable<AnySignature>, body?: AnySignature): unknown {
  if (!body) return Symbol.iterator in header ? group(header) : header
  if (Symbol.iterator in header) {
    const parts = Array.from(header, (one) => one.data)
    return new Signature(body.app, chordSignature(parts, body.data))
  }
  if (header.data.kind !== 'group') return new Signature(body.app, chordSignature([header.data], body.data))
  const { parts = [], options } = header.data
  return new Signature(body.app, { ...chordSignature(parts, body.data, options), args: header.data.args })
}

/** What members of a group owe together: what each of them takes that owes anything. */
export type NeedOf<S> = [Owing<S>] extends [never]
  ? []
  : Owing<S> extends (need: infer N extends unknown[]) => void
    ? N
    : never
type Owing<S> = S extends { readonly __need?: (need: infer N) => void }
  ? N extends []
    ? never
    : (need: N) => void
  : never

/** The results of a group's members, those of groups among them spread. */
export type GivesOf<M extends readonly unknown[]> = M extends readonly []
  ? []
  : M extends readonly [infer F, ...infer L]
    ? [...MemberGives<F>, ...GivesOf<L>]
    : MemberGives<M[number]>[number][]
type MemberGives<S> =
  S extends Signature<never, infer R, infer H> ? (H extends GroupResult<infer V extends unknown[]> ? V : [R]) : []
