import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ParameterSchemas, Validation } from './validation.ts'

type In<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferInput<S> : never
type Out<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<S> : never

/** Arguments that a call gives by the option `validate: V`; `A` are those of the function, where V says nothing of them. */
export type GivenArguments<V, A extends unknown[]> = V extends StandardSchemaV1
  ? OptionalTail<[In<V>]>
  : V extends ParameterSchemas
    ? OptionalTail<Inputs<V>>
    : V extends { readonly args: infer S }
      ? S extends StandardSchemaV1
        ? AsList<In<S>>
        : S extends ParameterSchemas
          ? OptionalTail<Inputs<S>>
          : A
      : A

/** Arguments that the function gets by the option `validate: V`. */
export type ParsedArguments<V> = V extends StandardSchemaV1
  ? [Out<V>]
  : V extends ParameterSchemas
    ? Outputs<V>
    : V extends { readonly args: infer S }
      ? S extends StandardSchemaV1
        ? AsList<Out<S>>
        : S extends ParameterSchemas
          ? Outputs<S>
          : never[]
      : never[]

/** What the function must return by the option `validate: V`. */
export type ResultGiven<V> = V extends { readonly result: infer S extends StandardSchemaV1 }
  ? In<S> | Promise<In<S>>
  : unknown

/** What callers get, where the function returns `R`. */
export type ResultParsed<V, R> = V extends { readonly result: infer S extends StandardSchemaV1 }
  ? R extends PromiseLike<unknown>
    ? Promise<Out<S>>
    : Out<S>
  : R

/** A function that a task with `validate: V` can be made of. */
export type ValidatedFunction<V extends Validation> = (...args: ParsedArguments<V>) => ResultGiven<V>

/** As `ValidatedFunction`, with the running task first. */
export type BoundValidatedFunction<V extends Validation, S> = (self: S, ...args: ParsedArguments<V>) => ResultGiven<V>

type Inputs<S extends ParameterSchemas> = { -readonly [K in keyof S]: In<S[K]> }
type Outputs<S extends ParameterSchemas> = { -readonly [K in keyof S]: Out<S[K]> }
type AsList<T> = T extends readonly unknown[] ? [...T] : never

/** The last parameters need not be given where they may be undefined. */
type OptionalTail<A extends readonly unknown[]> = A extends [...infer Head, infer Last]
  ? undefined extends Last
    ? [...OptionalTail<Head>, Last?]
    : A
  : []
