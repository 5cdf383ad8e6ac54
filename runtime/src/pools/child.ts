import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { LogLevel, LogSetup } from '../core/logger.ts'
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
  /** Once, whatever the reason, after the last message; `said` is the end of what it wrote to stderr. */
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
  /** Node name of the worker. */
  readonly hostname: string
  /** Further globs relative to it, as `-I`. */
  readonly include: readonly string[]
  readonly brokerUrl: string
  readonly resultBackend: string
  /** From which level on a task's lines are written, where the app has no logger of its own. */
  readonly logLevel: LogLevel
  /** How it logs, where the worker set that up. */
  readonly logging?: LogSetup | undefined
}

export interface SpawnOptions {
  /** What a child runs: it takes `setup`, answers `ready` and takes jobs. */
  readonly entry: URL
  readonly setup: ChildSetup
  readonly clock: Clock
  /** Takes what children write to stderr. Default it is written to this process's. */
  readonly onOutput?: ((text: string) => void) | undefined
}

/** What crosses between a pool and its children, by structured clone. */
export type ToChild =
  /** `index` is 1 and up, the lowest that no other living child of the pool has. */
  | { readonly op: 'setup'; readonly setup: ChildSetup; readonly index: number }
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

/** Numbers for children: the lowest that is free. */
export class ChildNumbers {
  readonly #taken = new Set<number>()

  take(): number {
    let number = 1
    while (this.#taken.has(number)) number++
    this.#taken.add(number)
    return number
  }

  free(number: number): void {
    this.#taken.delete(number)
  }
}

/** This process's environment with its cache of compiled code, which children do not inherit by themselves: it is most of their start. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir()
  return folder === undefined ? process.env : { NODE_COMPILE_CACHE: dirname(folder), ...process.env }
}
