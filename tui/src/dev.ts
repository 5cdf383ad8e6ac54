import { type FSWatcher, watch } from 'node:fs'
import { dirname, sep } from 'node:path'
import { type EphemeralWorker, findProject, projectFolder, startEphemeralWorker } from 'tq-runtime/loader'
import { type ConsoleOptions, runConsole } from './console.ts'
import type { ConsoleSession } from './session.ts'
import { type Clean, clean, own } from './ui/text.ts'

type Note = ConsoleSession['note']

/** `tq-tui dev`: a worker that is started anew when a file of the project changes, and the console, as one process tree. */
export async function runDev(options: Omit<ConsoleOptions, 'startsWorker' | 'onReady'>): Promise<number> {
  const { place } = await findProject(options)
  if (place === undefined) {
    process.stderr.write('No tq app was found here. Name it with -A path/to/app.ts, or use --cwd.\n')
    return 1
  }
  let worker: DevWorker | undefined
  try {
    return await runConsole({
      ...options,
      startsWorker: false,
      onReady: (note) => {
        worker = new DevWorker(place.file, note)
      },
    })
  } finally {
    await worker?.stop()
  }
}

const settleMs = 200
const patienceMs = 5000
const ignored = /(?:^|[\\/])(?:node_modules|\.git|\.tq|dist|coverage)(?:[\\/]|$)/u
const relevant = /(?:\.[cm]?[jt]sx?|\.json|\.env)$/u

/** One worker at a time. The old one finishes what it runs; the new one starts when it is gone, so that no two codes mix. */
class DevWorker {
  readonly #file: string
  readonly #folder: string
  readonly #note: Note
  readonly #watcher: FSWatcher
  #worker: EphemeralWorker | undefined
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void>
  #isStopping = false

  constructor(file: string, note: Note) {
    this.#file = file
    this.#note = note
    this.#folder = projectFolder(dirname(file))
    this.#turn = this.#start(own`tq worker`)
    this.#watcher = watch(this.#folder, { recursive: true }, (_, name) => {
      if (name !== null && relevant.test(name) && !ignored.test(name)) this.#changed(name.split(sep).join('/'))
    })
    this.#watcher.on('error', (error) =>
      note(own`tq-tui dev`, clean(`Files are no longer watched: ${error.message}`), { failed: true }),
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
    await this.#start(own`tq worker  (${clean(name)} changed)`)
  }

  async #start(command: Clean): Promise<void> {
    if (this.#isStopping) return
    try {
      this.#worker = await startEphemeralWorker(this.#file, {
        cwd: this.#folder,
        stays: true,
        onWarning: (text) => this.#note(own`worker`, clean(text.trim()), { failed: true, quiet: true }),
      })
      this.#note(command, own`${clean(this.#worker.hostname)} is ready`)
    } catch (error) {
      this.#note(command, clean(error instanceof Error ? error.message : String(error)), { failed: true })
    }
  }
}
