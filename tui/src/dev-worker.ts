import { type FSWatcher, watch } from 'node:fs'
import { dirname, sep } from 'node:path'
import { type EphemeralWorker, projectFolder, startEphemeralWorker } from 'tq-runtime/loader'

/** What happened to the worker, for the command log: plain text, not cleaned yet. */
export interface DevNote {
  readonly command: string
  readonly answer: string
  readonly failed?: boolean | undefined
  readonly quiet?: boolean | undefined
}

const settleMs = 200
const patienceMs = 5000
const ignored = /(?:^|[\\/])(?:node_modules|\.git|\.tq|dist|coverage)(?:[\\/]|$)/u
const relevant = /(?:\.[cm]?[jt]sx?|\.json|\.env)$/u

/** One worker at a time. The old one finishes what it runs; the new one starts when it is gone, so that no two codes mix. */
export class DevWorker {
  readonly #file: string
  readonly #folder: string
  readonly #tell: (note: DevNote) => void
  readonly #watcher: FSWatcher
  #worker: EphemeralWorker | undefined
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void>
  #isStopping = false

  constructor(file: string, tell: (note: DevNote) => void) {
    this.#file = file
    this.#tell = tell
    this.#folder = projectFolder(dirname(file))
    this.#turn = this.#start('tq worker')
    this.#watcher = watch(this.#folder, { recursive: true }, (_, name) => {
      if (name !== null && relevant.test(name) && !ignored.test(name)) this.#changed(name.split(sep).join('/'))
    })
    this.#watcher.on('error', (error) =>
      tell({ command: 'tq-tui dev', answer: `Files are no longer watched: ${error.message}`, failed: true }),
    )
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#timer)
    this.#watcher.close()
    await this.#turn
    // It ends with this process, too: nobody waits for ever for a long task.
    await Promise.race([this.#worker?.stop(), new Promise((resolve) => setTimeout(resolve, patienceMs).unref())])
  }

  #changed(name: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#turn = this.#turn.then(() => this.#restart(name))
    }, settleMs)
  }

  async #restart(name: string): Promise<void> {
    if (this.#isStopping) return
    const old = this.#worker
    this.#worker = undefined
    await old?.stop()
    await this.#start(`tq worker  (${name} changed)`)
  }

  async #start(command: string): Promise<void> {
    if (this.#isStopping) return
    try {
      this.#worker = await startEphemeralWorker(this.#file, {
        cwd: this.#folder,
        stays: true,
        onWarning: (text) => this.#tell({ command: 'worker', answer: text.trim(), failed: true, quiet: true }),
      })
      this.#tell({ command, answer: `${this.#worker.hostname} is ready` })
    } catch (error) {
      this.#tell({ command, answer: error instanceof Error ? error.message : String(error), failed: true })
    }
  }
}
