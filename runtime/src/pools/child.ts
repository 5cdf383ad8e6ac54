import type { Clock } from '../core/clock.ts'
import type { LogLevel } from '../core/logger.ts'
import type { Outcome } from '../core/outcome.ts'
import type { PoolJob, StateUpdate } from './pool.ts'

/** A process or thread with the user's code in it, running one task at a time. */
export interface Child {
  /** Of the process; a thread has its parent's. */
  readonly pid: number
  send(message: ToChild): void
  /** Ends it. A process may survive SIGTERM; nothing survives SIGKILL. */
  kill(signal: NodeJS.Signals): void
  /** Whether ending it by this signal leaves it a chance to go on. */
  readonly canIgnore: boolean
}

export interface ChildEvents {
  onMessage(message: FromChild): void
  /** Once, whatever the reason, after the last message; `said` is the end of what it wrote to stderr before it was ready. */
  onEnd(end: ChildEnd): void
}

export interface ChildEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly said: string
}

/** Starts one. Never throws: what cannot be started ends at once. */
export type SpawnChild = (events: ChildEvents) => Child

/** What the user's code in a child is loaded from. Crosses by message: it may hold a password. */
export interface ChildSetup {
  /** `module[:export]` of the app. */
  readonly app: string
  /** Further globs relative to it, as `-I`. */
  readonly include: readonly string[]
  readonly brokerUrl: string
  readonly resultBackend: string
  /** From which level on a task's lines are written, where the app has no logger of its own. */
  readonly logLevel: LogLevel
}

export interface SpawnOptions {
  /** What a child runs: it takes `setup`, answers `ready` and takes jobs. */
  readonly entry: URL
  readonly setup: ChildSetup
  readonly clock: Clock
}

/** What crosses between a pool and its children, by structured clone. */
export type ToChild =
  | { readonly op: 'setup'; readonly setup: ChildSetup }
  | { readonly op: 'run'; readonly job: PoolJob }
  /** Answer to `update`. */
  | { readonly op: 'stored'; readonly seq: number; readonly error?: string | undefined }
  /** Close connections and end. */
  | { readonly op: 'stop' }

export type FromChild =
  | { readonly op: 'ready' }
  | { readonly op: 'update'; readonly seq: number; readonly update: StateUpdate }
  | {
      readonly op: 'outcome'
      readonly outcome: Outcome
      /** Resident memory after the run, KiB. */
      readonly memoryKb: number
    }
