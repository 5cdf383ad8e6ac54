/** Tails of parameters that a partial signature may hold. */
export type Tails<A extends unknown[]> =
  A extends Required<A> ? (number extends A['length'] ? A | [] : FixedTails<A>) : A | []
type FixedTails<A extends unknown[]> = A extends [unknown, ...infer R] ? A | FixedTails<R> : []
/** What is still owed, in front, after the tail `T` was given. */
export type Owed<A extends unknown[], T extends unknown[]> = T extends [] ? A : T extends A ? [] : Drop<A, T>
type Drop<A extends unknown[], T extends unknown[]> = T extends [...infer Head, unknown]
  ? A extends [...infer Front, unknown]
    ? Drop<Front, Head>
    : []
  : A
