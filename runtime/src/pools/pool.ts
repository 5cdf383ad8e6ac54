import type { Message } from '../core/message.ts'
import type { Outcome } from '../core/outcome.ts'
import type { DeliveryInfo } from '../transports/transport.ts'

/** Runs tasks, so many at a time. Knows nothing of queues, results or retries. */
export interface Pool {
  readonly name: string
  readonly capacity: number
  readonly busy: number
  start(): Promise<void>
  /** Starts at once; the caller keeps `busy` below `capacity`. */
  run(job: PoolJob): PoolRun
  grow(by: number): Promise<void>
  shrink(by: number): Promise<void>
  /** `drain` waits for what runs until `deadlineMs` (monotonic), `kill` does not. Returns the unfinished. */
  stop(mode: 'drain' | 'kill', deadlineMs: number): Promise<readonly PoolJob[]>
}

/** All that a run needs, as plain data: it may cross to another process. */
export interface PoolJob {
  readonly message: Message
  readonly deliveryInfo: DeliveryInfo
  readonly hostname: string
}

export interface PoolRun {
  readonly accepted: Promise<{ readonly pid: number; readonly atMs: number }>
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
  /** Ends the run; what its outcome becomes is the pool's business (`workerLost`, or `revoked` with reason `terminated`). */
  terminate(signal: NodeJS.Signals): void
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
