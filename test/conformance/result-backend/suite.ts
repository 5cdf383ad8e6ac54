import type { ResultBackend } from '../../../runtime/src/backends/result-backend.ts'
import type { TaskMeta } from '../../../runtime/src/core/states.ts'
import type { VirtualClock } from '../../../runtime/src/core/virtual-clock.ts'
import type { Transport } from '../../../runtime/src/transports/transport.ts'
import type { Condition } from '../../helpers/clock.ts'

export const hourMs = 3_600_000
export const ttl = { ttlMs: hourMs }

/** One empty store of results, made anew for each test. */
export interface ResultBackendFixture {
  /** A further client of the same store, over a connection of its own, not connected yet. The suite closes it. */
  open(): Promise<ResultBackend>
  /** The store's clock where it is a virtual one; absent where time is real. */
  readonly clock?: VirtualClock | undefined
  /** `waitFor` or `waitForOn(clock)` of helpers/clock.ts. */
  waitFor(condition: Condition): Promise<void>
  /** Called after the clients are closed. */
  cleanup(): Promise<void>
  /** A transport that carries out this backend's plans, not connected yet; absent where there is none. */
  readonly transport?: (() => Promise<Transport>) | undefined
}

/** What each part of the suite works with: the store of the test that runs, and its clients, which are closed after it. */
export interface ResultBackendSuite {
  readonly fixture: ResultBackendFixture
  readonly plans: boolean
  withPlans(title: string, run: () => Promise<void>): void
  withKeeping(title: string, run: () => Promise<void>): void
  connected(): Promise<ResultBackend>
  state(backend: ResultBackend, id: string): Promise<string | undefined>
  /** What of a meta arrives: all of it where results are kept. */
  told(meta: TaskMeta): TaskMeta
  /** When the test is over. */
  closeLater(client: { close(): Promise<void> }): void
  /** Starts to watch; `seen` grows while the test goes on. */
  watch(backend: ResultBackend, ids: readonly string[]): Watched
}

export interface Watched {
  readonly seen: TaskMeta[]
  ended: boolean
  failure: unknown
  abort(): void
}
