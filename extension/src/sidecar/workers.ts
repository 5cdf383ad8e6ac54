import { systemClock } from 'tq-runtime'
import { type EphemeralWorker, startEphemeralWorker } from 'tq-runtime/loader'
import { createRequire, getCompileCacheDir } from 'node:module'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Editor } from './editor.ts'
import type { NodeChooser } from './node-choice.ts'
import { OutputLimit } from './output.ts'

/** Where a worker's code is. */
export interface WorkerPlace {
  /** Of the target. */
  readonly target: string
  /** The workspace folder. */
  readonly folder: string
  /** The app's module. */
  readonly file: string
  /** As `-A`: `file` or `file:export`. */
  readonly app: string
  /** The folder of its package.json. */
  readonly project: string
}

export interface OwnWorker {
  readonly hostname: string
  readonly pid: number
  readonly target: string
  readonly place: WorkerPlace
  readonly options: StartWorker
  /** When its process was started, epoch ms: it has the code of then. */
  readonly startedMs: number
  /** Aborts when its process has ended. */
  readonly ended: AbortSignal
  /** It takes nothing more since `retire`. */
  isRetired(): boolean
  /** It takes nothing more, since `retire` or `stop`. */
  isEnding(): boolean
  /** Has it take nothing more and end with what it runs, however long that takes; resolves when it takes nothing more. */
  retire(): Promise<void>
  stop(): Promise<void>
}

export interface OwnWorkersDeps {
  readonly editor: Editor
  readonly nodes: NodeChooser
  readonly onReady: (worker: OwnWorker) => void
  readonly onEnd: (worker: OwnWorker) => void
}

/** Of one that is started: whether it stays, and for whom. */
export interface StartWorker {
  readonly stays?: boolean | undefined
  readonly queues?: readonly string[] | undefined
}

const patienceMs = 15_000
const graceMs = 5000
/** An idle one is gone by then; a busy one has heard the signal. */
const retireMs = 300

/** The workers that were started from here, of trusted workspaces. They end with the sidecar. */
export class OwnWorkers {
  readonly #deps: OwnWorkersDeps
  readonly #workers = new Set<OwnWorker>()
  /** Node names of those that were retired and have ended. */
  readonly replaced = new Set<string>()
  /** Those that are not ready yet, and what ends them. */
  readonly #starting = new Map<Promise<OwnWorker>, AbortController>()
  #isClosed = false

  constructor(deps: OwnWorkersDeps) {
    this.#deps = deps
  }

  of(target: string): readonly OwnWorker[] {
    return [...this.#workers].filter((worker) => worker.target === target)
  }

  all(): readonly OwnWorker[] {
    return [...this.#workers]
  }

  /** Node names of all of them. */
  hostnames(): ReadonlySet<string> {
    return new Set([...this.#workers].map(({ hostname }) => hostname))
  }

  /** Rejects when it ends before it consumes, or does not within 15 s. */
  start(place: WorkerPlace, options: StartWorker = {}): Promise<OwnWorker> {
    const giveUp = new AbortController()
    const starting = this.#start(place, options, giveUp)
    this.#starting.set(starting, giveUp)
    starting.then(
      () => this.#starting.delete(starting),
      () => this.#starting.delete(starting),
    )
    return starting
  }

  async #start(place: WorkerPlace, options: StartWorker, giveUp: AbortController): Promise<OwnWorker> {
    const { stays, queues } = options
    const { editor, nodes, onReady, onEnd } = this.#deps
    const bin = runtimeBin(place.file)
    const node = await nodes.choose(place.project, place.folder)
    giveUp.signal.throwIfAborted()
    if (this.#isClosed) throw new Error('The sidecar ends.')
    editor.log('info', `Starting a worker for ${place.app} with Node ${node.version} (${node.execPath}).`)
    const output = new OutputLimit((text) => editor.log('output', text))
    let isLate = false
    const timer = systemClock.timer(patienceMs, () => {
      isLate = true
      giveUp.abort()
    })
    const ended = new AbortController()
    let worker: OwnWorker | undefined
    const startedMs = systemClock.now()
    try {
      const started = await startEphemeralWorker(place.app, {
        cwd: place.project,
        stays,
        queues,
        bin,
        execPath: node.execPath,
        env: workerEnvironment(),
        signal: giveUp.signal,
        onOutput: (text) => void output.take(text),
        onWarning: (text) => void output.take(text),
        onEnd: () => {
          ended.abort()
          if (!worker || !this.#workers.delete(worker)) return
          if (worker.isRetired()) this.replaced.add(worker.hostname)
          editor.log('info', `Worker ${worker.hostname} (pid ${worker.pid}) has ended.`)
          onEnd(worker)
        },
      })
      worker = own(started, { place, options, startedMs, ended: ended.signal })
    } catch (error) {
      if (!isLate) throw error
      throw new Error(
        `The worker for ${place.app} was not ready within ${patienceMs / 1000} s and was ended: does a module hang while it is imported?`,
        { cause: error },
      )
    } finally {
      timer.cancel()
    }
    if (!ended.signal.aborted) this.#workers.add(worker)
    editor.log('info', `Worker ${worker.hostname} (pid ${worker.pid}) is ready.`)
    onReady(worker)
    return worker
  }

  /** Ends all of them: they finish what they run, unless that takes longer than the time that is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    const stopping = [...this.#workers].map((worker) => worker.stop())
    // Those that are not ready yet listen to nobody.
    for (const giveUp of this.#starting.values()) giveUp.abort()
    await Promise.allSettled([...stopping, ...this.#starting.keys()])
  }
}

function own(worker: EphemeralWorker, facts: Pick<OwnWorker, 'place' | 'options' | 'startedMs' | 'ended'>): OwnWorker {
  const { hostname, pid } = worker
  let retiring: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  const retire = async (): Promise<void> => {
    const heard = systemClock.sleep(retireMs)
    await Promise.race([worker.stop(), heard])
  }
  const stop = async (): Promise<void> => {
    // Warm first; then it gives back what it holds; what does not even hear that is ended.
    const hurry = systemClock.timer(graceMs / 2, () => signal(pid, 'SIGQUIT'), { ref: true })
    const kill = systemClock.timer(graceMs, () => signal(pid, 'SIGKILL'), { ref: true })
    await worker.stop()
    hurry.cancel()
    kill.cancel()
  }
  return {
    hostname,
    pid,
    target: facts.place.target,
    ...facts,
    isRetired: () => retiring !== undefined,
    isEnding: () => retiring !== undefined || stopping !== undefined,
    retire: () => {
      retiring ??= retire()
      return retiring
    },
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

/** With the sidecar's own cache of compiled code: that of tq-runtime is half of what a start takes. */
function workerEnvironment(): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir?.()
  return cache === undefined ? process.env : { NODE_COMPILE_CACHE: dirname(cache), ...process.env }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended meanwhile.
  }
}

/** The `tq` of the project's own tq-runtime. Throws where it is not installed. */
function runtimeBin(file: string): string {
  const folder = runtimeFolder(file)
  const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const bin = typeof parsed === 'object' && parsed !== null && 'bin' in parsed ? parsed.bin : undefined
  const named = typeof bin === 'object' && bin !== null && 'tq' in bin ? bin.tq : bin
  return join(folder, typeof named === 'string' ? named : 'bin/tq.js')
}

function runtimeFolder(file: string): string {
  let path: string
  try {
    path = createRequire(file).resolve('tq-runtime')
  } catch (cause) {
    throw new Error(`tq-runtime is not installed for ${dirname(file)}. Install it: npm install tq-runtime`, { cause })
  }
  // Its package.json is no export, so it is looked for as Node would find it.
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'bin', 'tq.js')) && existsSync(join(folder, 'package.json'))) return folder
  }
  throw new Error(`${path} belongs to no tq-runtime package.`)
}
