import type { SignalledWorker, WorkerEvent } from '../app/signals.ts'
import type { TqApp } from '../app/tq.ts'

type Signal = 'celerydInit' | 'workerInit' | 'celerydAfterSetup' | 'workerReady' | 'workerShutdown'

/** Tells the listeners of a worker's signal; undefined once they have returned, else a promise. */
export function announceWorker(app: TqApp, signal: Signal, worker: SignalledWorker): Promise<void> | undefined {
  return app.signals.emit(signal, () => eventOf(app, worker))
}

/** `workerShuttingDown`. */
export function announceShutdown(app: TqApp, worker: SignalledWorker, how: 'Warm' | 'Cold'): Promise<void> | undefined {
  return app.signals.emit('workerShuttingDown', () => ({ ...eventOf(app, worker), how }))
}

function eventOf(app: TqApp, worker: SignalledWorker): WorkerEvent {
  return { sender: worker.hostname, worker, settings: app.settings }
}
