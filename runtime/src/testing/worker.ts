import { VirtualClock } from '../core/virtual-clock.ts'
import type { Tq } from '../index.ts'
import type { Worker, WorkerOptions } from '../worker/worker.ts'
import { passUntil } from './memory-app.ts'

/** A worker for the length of a test: `await using one = await startWorker(app)`. */
export interface TestWorker extends AsyncDisposable {
  readonly worker: Worker
  /** Warm: what runs may end. */
  stop(): Promise<void>
}

/** Starts a worker of the app in this process; resolves when it consumes. Source: celery/contrib/testing/worker.py, start_worker. */
export async function startWorker(app: Tq, options: WorkerOptions = {}): Promise<TestWorker> {
  const worker = await app.startWorker(options)
  const stop = (): Promise<void> => inTime(app, worker.stop())
  return { worker, stop, [Symbol.asyncDispose]: stop }
}

/** Waits for it; on a virtual clock time passes meanwhile. */
export function inTime<T>({ clock }: Pick<Tq, 'clock'>, promise: Promise<T>): Promise<T> {
  return clock instanceof VirtualClock ? passUntil(clock, promise) : promise
}
