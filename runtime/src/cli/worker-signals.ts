import { constants } from 'node:os'
import type { Logger } from '../core/logger.ts'
import type { Worker } from '../worker/worker.ts'

export interface WorkerSignalsDeps {
  readonly worker: Worker
  readonly logger: Logger
  /** For whoever sits at the terminal. */
  readonly note: (text: string) => void
  /** A terminal that is closed must not leave a restarted worker behind. */
  readonly isTerminal: boolean
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * What the signals of a worker do. TERM and the first INT: warm. QUIT and the second INT: cold, after the time of `workerSoftShutdownTimeout`;
 * one more: that time is over; one more: the process ends as it is. HUP: warm, and `wantsRestart` is true. USR1: what runs is written to
 * the log. `REMAP_SIGTERM=SIGQUIT` makes TERM a QUIT, for platforms that know no other signal.
 * Source: celery/apps/worker.py (Celery 5.6), install_worker_*_handler.
 */
export class WorkerSignals {
  readonly #deps: WorkerSignalsDeps
  #interrupts = 0
  #wantsRestart = false

  constructor(deps: WorkerSignalsDeps) {
    this.#deps = deps
    const { worker, logger, env, isTerminal } = deps
    const isRemapped = env.REMAP_SIGTERM === 'SIGQUIT'
    process.on('SIGTERM', () => (isRemapped ? this.#cold('SIGTERM') : void worker.stop()))
    process.on('SIGQUIT', () => this.#cold('SIGQUIT'))
    process.on('SIGINT', () => this.#interrupted())
    process.on('SIGHUP', () => {
      this.#wantsRestart = !isTerminal
      if (!isTerminal) logger.warn(`${worker.hostname} restarts when what runs has ended.`)
      void worker.stop()
    })
    // A listener also keeps Node from opening its inspector, which is what it does at this signal by itself.
    process.on('SIGUSR1', () => logger.warn(worker.describe()))
    // Between two turns of the loop no transaction is open: stopped here, it keeps nobody else from the file.
    process.on('SIGTSTP', () => process.kill(process.pid, 'SIGSTOP'))
  }

  /** It was told to stop in order to be started again. */
  get wantsRestart(): boolean {
    return this.#wantsRestart
  }

  #interrupted(): void {
    const { worker, note } = this.#deps
    if (++this.#interrupts > 1) return this.#cold('SIGINT')
    note(`\n${worker.hostname}: finishing what runs; once more to stop at once.`)
    void worker.stop()
  }

  #cold(signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT'): void {
    const { worker, note } = this.#deps
    this.#wantsRestart = false
    if (worker.hasGivenUp) {
      note(`${worker.hostname}: ended at once; what ran is delivered again when its lease is over.`)
      process.exit(128 + constants.signals[signal])
    }
    note(`${worker.hostname}: gives back what runs; once more to end without that.`)
    void worker.stopCold()
  }
}
