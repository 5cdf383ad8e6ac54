import type { Argument, CallSite, Parameter, Range } from './task-info.ts'

/**
 * An expression as data: what names, apps and tasks are made of, with everything else left as `open`. It is evaluated when
 * files are linked, so that a constant may live in another file and change on its own.
 */
export type Expr =
  | { readonly k: 'literal'; readonly v: string | number | boolean | null }
  | { readonly k: 'template'; readonly parts: readonly Expr[] }
  | { readonly k: 'add'; readonly left: Expr; readonly right: Expr }
  /** A binding of the same file. */
  | { readonly k: 'ref'; readonly to: string }
  | { readonly k: 'prop'; readonly of: Expr; readonly name: string }
  | { readonly k: 'element'; readonly of: Expr; readonly at: Expr }
  /** A key of null is a spread. */
  | { readonly k: 'object'; readonly entries: readonly (readonly [string | null, Expr])[] }
  /** `partial`: up to the first spread. */
  | { readonly k: 'array'; readonly items: readonly Expr[]; readonly partial?: true | undefined }
  | { readonly k: 'function'; readonly fn: FunctionInfo }
  /** `run` is its method of that name, which makes it the class of a task. */
  | {
      readonly k: 'class'
      readonly name: string
      readonly base?: Expr | undefined
      readonly statics: readonly (readonly [string, Expr])[]
      readonly run?: FunctionInfo | undefined
    }
  /** `id` is unique in its file. */
  | { readonly k: 'new'; readonly of: Expr; readonly args: readonly Expr[]; readonly id: string }
  /** `draft` is the index among the file's definitions, where the call may be one. */
  | { readonly k: 'call'; readonly of: Expr; readonly args: readonly Expr[]; readonly draft?: number | undefined }
  /** Can be assigned again. */
  | { readonly k: 'mutable'; readonly first: Expr }
  /** A value of which only the type is known. */
  | { readonly k: 'typed'; readonly type: Expr }
  /** `name` `*` is the module itself. */
  | { readonly k: 'import'; readonly from: string; readonly name: string; readonly typeOnly?: true | undefined }
  | { readonly k: 'global'; readonly name: string }
  /** Known at run time only. */
  | { readonly k: 'open' }

export interface FunctionInfo {
  /** What `fn.name` will be; empty for an anonymous function. */
  readonly name: string
  readonly parameters: readonly Parameter[]
  readonly returns?: string | undefined
  readonly doc?: string | undefined
}

/** A range as numbers, in the order of its fields: summaries hold thousands. */
export type Span = readonly [number, number, number, number, number, number]

/** The range that a span stands for. */
export function rangeOf([start, end, line, column, endLine, endColumn]: Span): Range {
  return { start, end, line, column, endLine, endColumn }
}

/** What a JSDoc comment says. Types only in JavaScript: TypeScript ignores them too. */
export interface Docs {
  readonly text?: string | undefined
  readonly returns?: string | undefined
  readonly parameters: Readonly<
    Record<string, { readonly text?: string; readonly type?: string; readonly optional?: true }>
  >
}

/** A call that may define a task; linking decides. */
export interface DefinitionDraft {
  readonly callee: Expr
  readonly args: readonly Expr[]
  /** The first argument, which may be the name; its text where it is neither a literal nor a function. */
  readonly first?: Span | undefined
  readonly firstText?: string | undefined
  readonly binding?: string | undefined
  /** The JSDoc of the binding; it wins over the function's own. */
  readonly docs?: Docs | undefined
  readonly conditional?: true | undefined
  readonly range: Span
  readonly site: Span
  /** A name imported from another file, or a local alias: worth looking at only where that turns out to be a task maker. */
  readonly alias?: true | undefined
}

/** A call that may send a task; linking decides. */
export interface CallDraft {
  readonly method: CallSite['method']
  /** What stands before the method. */
  readonly of: Expr
  readonly name?: Expr | undefined
  readonly args?: readonly (readonly [Span, Argument['type']?])[] | undefined
  readonly keywords?: true | undefined
  readonly within?: string | undefined
  readonly range: Span
  readonly nameRange: Span
}

export interface AppDraft {
  readonly expr: Expr
  readonly range: Span
}

/** All that linking needs of one file. Plain JSON: it is what the cache keeps. */
export interface FileSummary {
  /** Top-level bindings by name; inner ones that something refers to as `name~1`. */
  readonly bindings: Readonly<Record<string, Expr>>
  /** By exported name; `=` is `module.exports =` and `export =`. */
  readonly exports: Readonly<Record<string, Expr>>
  /** Sources of `export * from`. */
  readonly stars: readonly string[]
  readonly definitions: readonly DefinitionDraft[]
  readonly calls: readonly CallDraft[]
  readonly apps: readonly AppDraft[]
  readonly parseErrors: number
}

/** What other files can see of a summary; two that agree in it need no linking again of whoever imports them. */
export function surfaceOf(summary: FileSummary): string {
  const { bindings, exports, stars, definitions } = summary
  return JSON.stringify([bindings, exports, stars, definitions.map((one) => [one.callee, one.args, one.binding])])
}

/** Which names a file hands on, and whose. */
export function namesOf({ exports, stars }: FileSummary): string {
  return JSON.stringify([Object.keys(exports), stars])
}
