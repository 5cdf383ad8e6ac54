/**
 * What the UI and the engine say to each other: one JSON object per line on file descriptor 3 of the engine.
 * Ids are chosen by the UI; every request but `interrupt` is answered exactly once with its id.
 */
export type Request = { readonly id: number } & RequestBody

export type RequestBody =
  | { readonly op: 'start'; readonly options: StartOptions }
  | { readonly op: 'eval'; readonly code: string; readonly width: number; readonly colours: boolean }
  | { readonly op: 'preview'; readonly code: string; readonly width: number }
  | { readonly op: 'complete'; readonly code: string; readonly at: number }
  | { readonly op: 'check'; readonly code: string }
  | { readonly op: 'describe'; readonly name: string }
  | { readonly op: 'tasks' }
  | { readonly op: 'eager'; readonly on: boolean }
  | { readonly op: 'worker' }
  | { readonly op: 'full'; readonly colours: boolean }
  | { readonly op: 'trace' }
  | { readonly op: 'asCli' }
  | { readonly op: 'close' }
  | { readonly op: 'interrupt'; readonly target: number }

export interface StartOptions {
  /** `module[:export]` of `-A`; absent: the loader searches. */
  readonly app?: string | undefined
  readonly cwd: string
  /** False: plain TypeScript, no app is looked for. */
  readonly loadApp: boolean
  readonly eager: boolean
  /** `now`: see to a worker as soon as the prompt stands; `later`: when the first result is followed. */
  readonly worker: 'now' | 'later'
  /** Module that exports `loadApp`; `tq-runtime/loader` unless a test brings its own. */
  readonly loader?: string | undefined
}

/** Bytes written to stdout and stderr by user code so far. The UI shows a value only after it has read that much. */
export interface Counts {
  readonly out: number
  readonly err: number
}

export interface TaskLine {
  readonly name: string
  readonly signature: string
  readonly place?: string | undefined
  readonly file?: string | undefined
  /** Undefined where a router decides for each call. */
  readonly queue?: string | undefined
  /** The name under which the task is in scope, when it has one. */
  readonly binding?: string | undefined
}

export interface Ready {
  readonly app?: string | undefined
  readonly file?: string | undefined
  readonly projectFolder: string
  readonly broker: string
  readonly tasks: readonly TaskLine[]
  readonly worker?: string | undefined
  readonly eager: boolean
  /** Sentences about what could not be loaded, ready to print. */
  readonly notes: readonly string[]
  /** True when an app was asked for by name and could not be had. */
  readonly failed: boolean
}

export interface FollowNote {
  readonly taskId: string
  readonly eager: boolean
  readonly worker?: string | undefined
  /** Of an eager call that was retried or had an ETA. */
  readonly simulated?: { readonly attempts: number; readonly simulatedMs: number } | undefined
}

export interface EvalValue {
  readonly text: string
  readonly type: string
  readonly ms: number
  readonly counts: Counts
  readonly bindings: number
  /** Set when the value is the result of a task that was followed. */
  readonly followed?: FollowNote | undefined
  /** Set when the value is an AsyncResult that was not followed: its id. */
  readonly unfollowed?: string | undefined
  readonly cut?: boolean | undefined
}

export interface EvalError {
  /** `task`: the followed task failed; `interrupted`: stopped by the user. */
  readonly kind: 'syntax' | 'throw' | 'task' | 'interrupted'
  readonly text: string
  readonly line?: number | undefined
  readonly column?: number | undefined
}

export type EvalAnswer =
  | ({ readonly id: number } & EvalValue)
  | {
      readonly id: number
      readonly error: EvalError
      readonly counts: Counts
      readonly ms: number
      readonly bindings: number
      readonly followed?: FollowNote | undefined
    }
  | { readonly id: number; readonly incomplete: true }

export interface Completion {
  readonly names: readonly string[]
  /** Offset at which the word to replace begins. */
  readonly from: number
  /** Signature of the call the cursor stands in. */
  readonly hint?: string | undefined
}

/** Answer type by operation. */
export interface Answers {
  readonly start: Ready
  readonly eval: EvalAnswer
  readonly preview: { readonly text?: string | undefined }
  readonly complete: Completion
  readonly check: { readonly state: 'finished' | 'unfinished' | 'wrong' }
  readonly describe: { readonly text: string }
  readonly tasks: { readonly tasks: readonly TaskLine[] }
  readonly eager: { readonly eager: boolean; readonly problem?: string | undefined }
  readonly worker: { readonly worker?: string | undefined; readonly problem?: string | undefined }
  readonly full: { readonly text: string }
  readonly trace: { readonly text: string }
  readonly asCli: { readonly text: string; readonly problem?: string | undefined }
  readonly close: Record<string, never>
}

export type EngineEvent =
  | { readonly event: 'unhandledRejection' | 'uncaughtException'; readonly text: string; readonly counts: Counts }
  | { readonly event: 'following'; readonly id: number; readonly taskId: string }
  | { readonly event: 'state'; readonly id: number; readonly state: string }
  | { readonly event: 'note'; readonly text: string }
  | { readonly event: 'worker'; readonly text: string }

export type FromEngine = EngineEvent | ({ readonly id: number } & object)

/** Splits a byte stream into JSON lines; the rest of an unfinished line waits for the next chunk. */
export function lineReader(onLine: (line: string) => void): (chunk: string) => void {
  let rest = ''
  return (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') onLine(line)
  }
}
