import { systemClock, type Timer } from 'tq-runtime'
import { statSync } from 'node:fs'
import type { Editor } from './editor.ts'
import type { FilesChangedParams } from './protocol.ts'
import { messageOf } from './texts.ts'
import type { OwnWorker, OwnWorkers, StartWorker, WorkerPlace } from './workers.ts'

/** Several files are saved at once, and a formatter saves again. */
const settleMs = 300
/** As long as a worker that came by itself waits for the next task. */
const recentMs = 60_000

interface Wanted {
  readonly place: WorkerPlace
  readonly options: StartWorker
}

/**
 * Replaces workers that were started here when the code they have loaded is no longer that of their folder. After a change the new one
 * is started first and the old one ends when that consumes; a run that comes sooner has the old one stop at once. What an old one runs
 * comes to its end.
 */
export class WorkerRenewal {
  readonly #editor: Editor
  readonly #workers: OwnWorkers
  /** When source of a workspace folder changed last, epoch ms. */
  readonly #changes = new Map<string, number>()
  readonly #usedMs = new Map<string, number>()
  readonly #replacing = new Map<OwnWorker, Promise<void>>()
  /** Those of a person that could not be started again: the next change may have mended what kept them. */
  readonly #missing = new Set<Wanted>()
  #settling: Timer | undefined

  constructor(editor: Editor, workers: OwnWorkers) {
    this.#editor = editor
    this.#workers = workers
  }

  /** `folder` is the workspace's. */
  filesChanged(folder: string, events: FilesChangedParams['events']): void {
    const times = events.filter(({ file }) => isLoaded(file)).map(changedMs)
    const latest = Math.max(...times)
    if (times.length === 0 || latest <= (this.#changes.get(folder) ?? 0)) return
    this.#changes.set(folder, latest)
    this.#settle()
  }

  /** One has become ready; what it loads may have changed since it was started. */
  started(worker: OwnWorker): void {
    if (this.#isStale(worker)) this.#settle()
  }

  /**
   * Before a task is sent. `retired` resolves when no worker of ours with old code takes it, `replaced` when those in their place are
   * there, or cannot be.
   */
  beforeRun(target: string): { readonly retired: Promise<unknown>; readonly replaced: Promise<unknown> } {
    this.#usedMs.set(target, systemClock.monotonic())
    const all = this.#workers.of(target)
    const stale = all.filter((worker) => this.#isStale(worker))
    const replaced = Promise.all(stale.map((worker) => this.#replace(worker)))
    // Also those that stop already.
    const retired = Promise.all([...stale, ...all.filter((worker) => worker.isRetired())].map((one) => one.retire()))
    return { retired, replaced }
  }

  close(): void {
    this.#settling?.cancel()
  }

  #settle(): void {
    this.#settling?.cancel()
    this.#settling = systemClock.timer(settleMs, () => this.#renew())
  }

  #renew(): void {
    const nowMs = systemClock.monotonic()
    for (const worker of this.#workers.all()) {
      if (!this.#isStale(worker)) continue
      const isWanted = worker.options.stays === true || this.#isNeeded(worker.target, nowMs)
      if (isWanted) void this.#replace(worker)
      else {
        this.#editor.log(
          'info',
          `Worker ${worker.hostname} stops: its code has changed. The next run starts another one.`,
        )
        void worker.retire()
      }
    }
    for (const wanted of this.#missing) {
      this.#missing.delete(wanted)
      void this.#start(wanted).then((isThere) => isThere || this.#missing.add(wanted))
    }
  }

  /** A task was run there a moment ago, and no worker of a person would take the next one. */
  #isNeeded(target: string, nowMs: number): boolean {
    const isRecent = nowMs - (this.#usedMs.get(target) ?? -Infinity) < recentMs
    return isRecent && !this.#workers.of(target).some(({ options }) => options.stays === true)
  }

  /** Settles when another one consumes in its place, or cannot. */
  #replace(worker: OwnWorker): Promise<void> {
    const known = this.#replacing.get(worker)
    if (known) return known
    this.#editor.log(
      'info',
      `Worker ${worker.hostname} is replaced: its code has changed. What it runs comes to its end.`,
    )
    const { place, options } = worker
    const replacing = this.#start(worker).then((isThere) => {
      // One with old code is better than none, until a task is sent.
      if (isThere) void worker.retire()
      else if (worker.isRetired() && options.stays === true) this.#missing.add({ place, options })
      this.#replacing.delete(worker)
    })
    this.#replacing.set(worker, replacing)
    return replacing
  }

  async #start({ place, options }: Wanted): Promise<boolean> {
    try {
      await this.#workers.start(place, options)
      return true
    } catch (error) {
      const next = options.stays === true ? ' It is tried again when a file changes.' : ''
      this.#editor.log('error', `${messageOf(error)}${next}`)
      return false
    }
  }

  #isStale(worker: OwnWorker): boolean {
    return !worker.isEnding() && (this.#changes.get(worker.place.folder) ?? 0) > worker.startedMs
  }
}

/** Whether a worker may have loaded it. */
function isLoaded(file: string): boolean {
  if (/(?:^|[\\/])(?:package\.json|\.env)$/.test(file)) return true
  return /\.[cm]?[jt]sx?$/.test(file) && !/\.(?:test|spec|bench|d)\.[cm]?[jt]sx?$/.test(file)
}

/** A file that was renamed has kept the time of its text. */
function changedMs({ file, kind }: FilesChangedParams['events'][number]): number {
  const stat = kind === 'deleted' ? undefined : statSync(file, { throwIfNoEntry: false })
  return stat ? Math.max(stat.mtimeMs, stat.ctimeMs) : systemClock.now()
}
