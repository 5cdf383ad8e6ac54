import type { Message } from '../core/message.ts'
import type { Outcome } from '../core/outcome.ts'
import type { TaskMeta } from '../core/states.ts'
import type { DeliveryInfo } from '../transports/transport.ts'

/** Runs tasks, so many at a time. Knows nothing of queues, results or retries. */
export interface Pool {
  readonly name: string
  readonly capacity: number
  readonly busy: number
  /** Tasks run outside this thread: while it settles one, the next can run already. */
  readonly runsElsewhere: boolean
  /** Processes that tasks run in. */
  readonly pids: readonly number[]
  /** Resolves when it can run a task. Rejects with LoadError when its children cannot be started. */
  start(): Promise<void>
  /** Starts at once; the caller keeps `busy` below `capacity`. Once the pool stops nothing starts: the outcome is `revoked`. */
  run(job: PoolJob): PoolRun
  grow(by: number): Promise<void>
  /** To one at least; what runs goes on. */
  shrink(by: number): Promise<void>
  /** Loads the user's code anew where the pool has it in children; what runs ends first. */
  restart(): Promise<void>
  /** `drain` waits for what runs until `deadlineMs` (monotonic), `kill` does not. Returns the unfinished. */
  stop(mode: 'drain' | 'kill', deadlineMs: number): Promise<readonly PoolJob[]>
}

/** All that a run needs, as plain data: it may cross to another process. */
export interface PoolJob {
  readonly message: Message
  readonly deliveryInfo: DeliveryInfo
  readonly hostname: string
  /** The run's signal aborts after this. */
  readonly softSeconds?: number | undefined
  /** What a child needs to store a large value by itself; undefined: it hands over any. */
  readonly storing?: JobStoring | undefined
}

/** The record of a success but for its value, and how it is stored. */
export interface JobStoring {
  readonly meta: TaskMeta
  readonly ttlMs: number
  readonly replyTo: string
}

export interface PoolRun {
  readonly accepted: Promise<{ readonly pid: number; readonly atMs: number }>
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
  /** Ends the run; what its outcome becomes is the pool's business (`workerLost`, or `revoked` with reason `terminated`). */
  terminate(signal: NodeJS.Signals): void
  /** The hard time limit is over: ends the run, its outcome is `timeout`. In this process code cannot be ended against its will: its signal aborts. */
  expire(seconds: number): void
}

/** What a run tells while it runs. Resolves when it is stored. */
export type OnUpdate = (update: StateUpdate) => Promise<void>

export interface StateUpdate {
  readonly taskId: string
  readonly state: string
  readonly meta: unknown
}

/** What an in-process pool is given to run: the user's function with everything around it. Never rejects. */
export type RunTask = (job: PoolJob, signal: AbortSignal) => Promise<Outcome>
