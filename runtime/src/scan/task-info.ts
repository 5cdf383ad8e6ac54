/** What the scanner says. Plain data, JSON-able: it crosses processes and is printed by `tq scan --json`. */

/** A stretch of one file. Offsets are UTF-16 units of the text without a byte order mark; lines and columns start at 1. */
export interface Range {
  readonly start: number
  readonly end: number
  readonly line: number
  readonly column: number
  readonly endLine: number
  readonly endColumn: number
}

/**
 * How a task comes by its name. `literal`: written at the definition. `constant`: worked out from constants. `automatic`: from the
 * module and the function, by the runtime's own rule. `mutable`: the first value of a `let`. `dynamic`: known at run time
 * only, never guessed. `missing`: there is no name and none can be derived, so importing the file throws.
 */
export type Naming = 'literal' | 'constant' | 'automatic' | 'mutable' | 'dynamic' | 'missing'

export interface Parameter {
  readonly name: string
  /** As written, or the type of a literal default; undefined where only a type checker would know. */
  readonly type?: string | undefined
  readonly optional?: true | undefined
  readonly rest?: true | undefined
  /** The default value as written. */
  readonly default?: string | undefined
  /** Text of `@param`. */
  readonly doc?: string | undefined
}

/** One task definition. */
export interface TaskInfo {
  /** Stable while the definition keeps its binding: `src/mail.ts#send`. */
  readonly id: string
  /** `shared` belongs to whichever app adopts it; `external` is implemented elsewhere. */
  readonly kind: 'task' | 'shared' | 'external'
  /** Undefined where it is dynamic or missing. */
  readonly name?: string | undefined
  readonly naming: Naming
  /** The name's expression as written, where it is not a plain literal. */
  readonly nameText?: string | undefined
  /** Id of the app; undefined for shared tasks and where the app comes as a parameter. */
  readonly app?: string | undefined
  /** What it is bound to in its file: `send`, `Jobs.send`; undefined for a bare call. */
  readonly binding?: string | undefined
  /** Without `self`. */
  readonly parameters: readonly Parameter[]
  /** Set when the function's source was not found: the parameters are unknown rather than none. */
  readonly opaque?: true | undefined
  /** Gets `self` first. */
  readonly bound?: true | undefined
  readonly returns?: string | undefined
  /** `mail.send(mail: Mail): string`. */
  readonly signature: string
  /** Text of the JSDoc, without tags. */
  readonly doc?: string | undefined
  /** Options with constant values; `null` inside stands for itself. */
  readonly options: Readonly<Record<string, unknown>>
  /** Names of options whose values are not constant. */
  readonly openOptions?: readonly string[] | undefined
  /** Inside an `if`, a `switch` or a function: it may not run. */
  readonly conditional?: true | undefined
  /** In a test or fixture: never part of a collision. */
  readonly inTest?: true | undefined
  /** From the last text that could be parsed; ranges may be off by what was typed since. */
  readonly stale?: true | undefined
  readonly file: string
  /** The call `app.task(...)`. */
  readonly range: Range
  /** The binding's name, else the callee: where a lens or an error goes. */
  readonly site: Range
  readonly nameRange?: Range | undefined
}

export interface Argument {
  readonly range: Range
  /** Of a literal; undefined for any other expression. */
  readonly type?: 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object' | 'bigint' | undefined
}

/** One place that calls a task. */
export interface CallSite {
  readonly method: 'delay' | 'applyAsync' | 's' | 'si' | 'sendTask' | 'signature'
  /** Name of the task; undefined where it is dynamic. */
  readonly task?: string | undefined
  /** Id of the definition, where there is exactly one. */
  readonly target?: string | undefined
  /** A task that comes as a parameter, or a name known at run time only. */
  readonly dynamic?: true | undefined
  /** The call's own arguments; for `applyAsync`, `sendTask` and `signature` those of the list, undefined when it is not written out. */
  readonly args?: readonly Argument[] | undefined
  /** With `kwargs`, so that fewer arguments than parameters may be right. */
  readonly keywords?: true | undefined
  /** The function around it, for a call hierarchy. */
  readonly within?: string | undefined
  readonly stale?: true | undefined
  readonly file: string
  readonly range: Range
  /** The task's name or the object before `.delay`. */
  readonly nameRange: Range
}

export interface AppInfo {
  /** `src/app.ts#app`. */
  readonly id: string
  /** Undefined where it is not constant. */
  readonly main?: string | undefined
  readonly file: string
  readonly range: Range
}

export type DiagnosticCode =
  | 'duplicate-task'
  | 'possible-duplicate'
  | 'anonymous-task'
  | 'outside-app'
  | 'explicit-names'
  | 'dynamic-name'
  | 'params-mismatch'
  | 'unknown-task'
  | 'argument-count'
  | 'argument-type'

export interface RelatedPlace {
  readonly file: string
  readonly range: Range
  readonly message: string
}

export interface Diagnostic {
  readonly code: DiagnosticCode
  readonly severity: 'error' | 'warn' | 'info'
  readonly message: string
  readonly file: string
  readonly range: Range
  /** The task's name it is about. */
  readonly task?: string | undefined
  /** What to write instead. */
  readonly suggestion?: string | undefined
  readonly related: readonly RelatedPlace[]
}

/** A file that was not read. */
export interface SkippedFile {
  readonly file: string
  /** `too-deep`: nested so deeply that it cannot be walked. */
  readonly reason: 'too-large' | 'minified' | 'unreadable' | 'too-deep'
  readonly bytes: number
}

/** Everything about a folder. Files are relative to it, with `/`; lists are in order of file and place. */
export interface ScanResult {
  readonly folder: string
  /** Counts up with every change. */
  readonly generation: number
  readonly apps: readonly AppInfo[]
  readonly tasks: readonly TaskInfo[]
  readonly calls: readonly CallSite[]
  readonly diagnostics: readonly Diagnostic[]
  readonly skipped: readonly SkippedFile[]
  readonly stale: readonly string[]
  /** Source files that were listed, and those of them that were parsed or came from the cache. */
  readonly files: { readonly listed: number; readonly parsed: number; readonly cached: number }
}

/** What a change changed. Lists that are per file replace what was known of that file. */
export interface ScanDiff {
  readonly generation: number
  /** Versions of the open buffers that this diff has seen. */
  readonly versions: Readonly<Record<string, number>>
  readonly added: readonly TaskInfo[]
  readonly changed: readonly TaskInfo[]
  /** Ids. */
  readonly removed: readonly string[]
  readonly calls: readonly { readonly file: string; readonly calls: readonly CallSite[] }[]
  readonly diagnostics: readonly { readonly file: string; readonly diagnostics: readonly Diagnostic[] }[]
  /** The whole list, where it changed. */
  readonly apps?: readonly AppInfo[] | undefined
  readonly skipped?: readonly SkippedFile[] | undefined
  readonly stale?: readonly string[] | undefined
}
