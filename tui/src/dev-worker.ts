import { dirname } from 'node:path'
import { systemClock } from 'tq-runtime'
import { type EphemeralWorker, projectFolder, Reloading, startEphemeralWorker } from 'tq-runtime/loader'

/** What happened to the worker, for the command log: plain text, not cleaned yet. */
export interface DevNote {
  readonly command: string
  readonly answer: string
  readonly failed?: boolean | undefined
  readonly quiet?: boolean | undefined
}

const patienceMs = 5000

/** The worker of `tq-tui dev`, started anew when a file of the project changes; what becomes of it is told. */
export class DevWorker {
  readonly #reloading: Reloading

  constructor(file: string, tell: (note: DevNote) => void) {
    const folder = projectFolder(dirname(file))
    this.#reloading = new Reloading({
      folder,
      clock: systemClock,
      start: (changed) => start(file, folder, changed, tell),
      onDeaf: (error) =>
        tell({ command: 'tq-tui dev', answer: `Files are no longer watched: ${error.message}`, failed: true }),
    })
  }

  async stop(): Promise<void> {
    // It ends with this process, too: nobody waits for ever for a long task.
    await Promise.race([this.#reloading.stop(), new Promise((resolve) => setTimeout(resolve, patienceMs).unref())])
  }
}

async function start(
  file: string,
  cwd: string,
  changed: string | undefined,
  tell: (note: DevNote) => void,
): Promise<EphemeralWorker | undefined> {
  const command = changed === undefined ? 'tq worker' : `tq worker  (${changed} changed)`
  try {
    const worker = await startEphemeralWorker(file, {
      cwd,
      stays: true,
      onWarning: (text) => tell({ command: 'worker', answer: text.trim(), failed: true, quiet: true }),
    })
    tell({ command, answer: `${worker.hostname} is ready` })
    return worker
  } catch (error) {
    tell({ command, answer: error instanceof Error ? error.message : String(error), failed: true })
    return undefined
  }
}
