import type { AutoscaleRange } from './autoscale.ts'
import type { PoolName } from './make-pool.ts'

export interface WorkerOptions {
  /** Node name; `%h` host, `%n` its first part, `%d` its domain. Default `celery@%h`. */
  readonly hostname?: string | undefined
  /** Default those of the setting `taskQueues`; where it is unset the default queue and those that tasks name in their options. */
  readonly queues?: readonly string[] | undefined
  /** Not these of them. */
  readonly excludeQueues?: readonly string[] | undefined
  /** Default the setting `workerPool`. */
  readonly pool?: PoolName | undefined
  /** Default (and 0) the setting `workerConcurrency`, else 100 on the async pool and the number of cores on others. */
  readonly concurrency?: number | undefined
  /** A child of the pool is replaced after so many tasks. Default the setting `workerMaxTasksPerChild`. */
  readonly maxTasksPerChild?: number | undefined
  /** A child that holds more (KiB) is replaced. Default the setting `workerMaxMemoryPerChild`. */
  readonly maxMemoryPerChild?: number | undefined
  /** Grows and shrinks the pool with the demand; it starts with `min`. */
  readonly autoscale?: AutoscaleRange | undefined
  /** Further task modules that children import: globs relative to the app's file. */
  readonly include?: readonly string[] | undefined
  /** Default the setting `workerPrefetchMultiplier`. */
  readonly prefetchMultiplier?: number | 'auto' | undefined
  /** Holds only what it has a free slot for. Default the setting `workerDisablePrefetch`. */
  readonly disablePrefetch?: boolean | undefined
  /** Emit task events. Default the setting `workerSendTaskEvents`. */
  readonly events?: boolean | undefined
  /** Between heartbeats (s); false sends none, and nobody hears that it lives. Default the setting `workerHeartbeatInterval`. */
  readonly heartbeat?: number | false | undefined
  /** Asks the other workers at its start for the revoked ids that they know. Default true; on an embedded broker there is nobody to ask. */
  readonly mingle?: boolean | undefined
  /** File in which revoked ids and the logical clock outlive the worker. Default the setting `workerStateDb`. */
  readonly stateDb?: string | undefined
  /** Deletes what waits in its queues before it consumes them. */
  readonly purge?: boolean | undefined
  /** Ends by itself after this long without a task (ms). Default never. */
  readonly idleMs?: number | undefined
  /** Called when it consumes, before it says so in the log. */
  readonly onReady?: (() => void) | undefined
}
