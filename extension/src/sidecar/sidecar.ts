import { describeWorker } from 'tq-runtime/monitor'
import type { AppInfo } from 'tq-runtime/scan'
import { relative } from 'node:path'
import type { Editor } from './editor.ts'
import type {
  BufferParams,
  FilesChangedParams,
  FullText,
  FullTextParams,
  InitializeParams,
  InspectResult,
  RunParams,
  WorkerParams,
} from './protocol.ts'
import { NodeChooser } from './node-choice.ts'
import { RunProcesses } from './run-processes.ts'
import { Run } from './run.ts'
import { FolderScanner } from './scanner.ts'
import { type TargetEntry, Targets } from './targets.ts'
import type { Texts } from './texts.ts'
import { valueBlock } from './values.ts'
import { WorkerKeeper } from './worker-keeper.ts'
import { WorkerRenewal } from './worker-renewal.ts'
import { type OwnWorker, OwnWorkers } from './workers.ts'

const connectMs = 10_000
const answerMs = 1500
const longestText = 2_000_000

/** Everything that the sidecar does, for one editor window. */
export class Sidecar {
  readonly #editor: Editor
  readonly #texts: Texts
  readonly #isTrusted: boolean
  readonly #scanners: readonly FolderScanner[]
  readonly #targets: Targets
  readonly #workers: OwnWorkers
  readonly #renewal: WorkerRenewal
  readonly #keeper: WorkerKeeper
  readonly #nodes = new NodeChooser()
  readonly #processes: RunProcesses
  readonly #runs = new Map<string, Run>()
  #isClosed = false

  constructor(params: InitializeParams, deps: { readonly editor: Editor; readonly texts: Texts }) {
    const { editor, texts } = deps
    this.#editor = editor
    this.#texts = texts
    this.#isTrusted = params.trusted
    this.#workers = new OwnWorkers({
      editor,
      nodes: this.#nodes,
      onReady: (worker) => {
        this.#targets.workersChanged(worker.target)
        this.#renewal.started(worker)
      },
      onEnd: (worker) => this.#workerEnded(worker),
    })
    this.#processes = new RunProcesses(editor, this.#nodes)
    this.#renewal = new WorkerRenewal(editor, this.#workers)
    this.#keeper = new WorkerKeeper(editor, this.#workers, this.#renewal)
    this.#targets = new Targets({
      editor,
      texts,
      brokerUrl: params.brokerUrl,
      ownWorkers: () => ({ own: this.#workers.hostnames(), replaced: this.#workers.replaced }),
    })
    this.#scanners = params.folders.map((folder) => {
      const onApps = params.trusted ? (apps: readonly AppInfo[]) => this.#targets.update(folder, apps) : undefined
      return new FolderScanner(folder, { editor, trusted: params.trusted, onApps })
    })
  }

  start(): void {
    for (const scanner of this.#scanners) scanner.start()
  }

  // --- source ---------------------------------------------------------------------------------------------------------

  bufferChanged({ file, text, version }: BufferParams): void {
    const [scanner, path] = this.#scannerOf(file) ?? []
    if (path !== undefined) scanner?.change(path, { text, version })
  }

  bufferClosed(file: string): void {
    const [scanner, path] = this.#scannerOf(file) ?? []
    if (path !== undefined) scanner?.close(path)
  }

  filesChanged({ events }: FilesChangedParams): void {
    for (const scanner of this.#scanners) {
      const within = events.filter(({ file }) => scanner.within(file) !== undefined)
      if (within.length === 0) continue
      scanner.filesChanged(within.map(({ file, kind }) => ({ file: scanner.within(file) ?? file, kind })))
      this.#renewal.filesChanged(scanner.folder.path, within)
    }
    this.#targets.filesChanged(events.map(({ file }) => file))
  }

  /** Of folders inside each other the innermost. */
  #scannerOf(file: string): readonly [FolderScanner, string] | undefined {
    const found = this.#scanners.flatMap((scanner): (readonly [FolderScanner, string])[] => {
      const path = scanner.within(file)
      return path === undefined ? [] : [[scanner, path]]
    })
    return found.sort(([, a], [, b]) => a.length - b.length)[0]
  }

  refresh(): void {
    for (const scanner of this.#scanners) scanner.rescan()
    this.#targets.refresh()
  }

  watchLive(isVisible: boolean): void {
    this.#targets.setVisible(isVisible)
  }

  // --- tasks ----------------------------------------------------------------------------------------------------------

  run(params: RunParams): void {
    this.#requireTrust('run a task')
    if (this.#runs.has(params.runId)) throw new Error(`There is a run '${params.runId}' already.`)
    const entry = this.#entryOf(params)
    const scanner = this.#scanners.find(({ folder }) => folder.path === params.folder)
    const queue = scanner?.task(params.task)?.options['queue']
    const run = new Run(params, entry, {
      editor: this.#editor,
      texts: this.#texts,
      keeper: this.#keeper,
      processes: this.#processes,
      queueInSource: typeof queue === 'string' ? queue : undefined,
    })
    this.#runs.set(run.id, run)
    void run.perform().finally(() => this.#runs.delete(run.id))
  }

  /** Nothing comes of it where nothing can be run. */
  aboutToRun({ folder, target }: Pick<RunParams, 'folder' | 'target'>): void {
    const entry = target === undefined ? this.#targets.ofFolder(folder)[0] : this.#targets.get(target)
    if (entry && this.#isTrusted) this.#processes.prepare(entry.place, 0)
  }

  #entryOf({ folder, target }: RunParams): TargetEntry {
    if (target !== undefined) return this.#require(target)
    const [first] = this.#targets.ofFolder(folder)
    if (first) return first
    throw new Error(`No tq app was found in ${folder}: no file there says \`new Tq(\`, or it was not scanned yet.`)
  }

  async cancelRun(runId: string): Promise<void> {
    await this.#runs.get(runId)?.cancel()
  }

  async fullText({ id, target }: FullTextParams): Promise<FullText> {
    this.#requireTrust('read a result')
    const { monitor } = this.#require(target)
    const meta = await monitor?.meta(id, connectMs)
    if (!meta) throw new Error(`Nothing is stored for task ${id}: it has expired, or its results are not kept.`)
    if (meta.state !== 'SUCCESS' && meta.traceback !== undefined)
      return this.#full(meta.traceback, meta.traceback.length)
    const value = meta.state === 'SUCCESS' ? meta.result : (meta.error ?? meta.result)
    const text = valueBlock(value, longestText)
    return this.#full(text, text.length < longestText ? text.length : sizeOf(value))
  }

  #full(text: string, characters: number): FullText {
    const shown = this.#texts.block(text, longestText)
    return characters > longestText ? { text: shown, cutFrom: characters } : { text: shown }
  }

  // --- workers --------------------------------------------------------------------------------------------------------

  async startWorker(target: string): Promise<{ readonly hostname: string }> {
    this.#requireTrust('start a worker')
    const entry = this.#require(target)
    const { hostname } = await this.#workers.start(entry.place, { stays: true })
    entry.monitor?.wake()
    return { hostname }
  }

  async stopWorker({ target, hostname }: WorkerParams): Promise<void> {
    this.#requireTrust('stop a worker')
    const entry = this.#require(target)
    const own = this.#workers.of(target).find((worker) => worker.hostname === hostname)
    if (own) return own.stop()
    const app = await entry.monitor?.connected(connectMs)
    await app?.control.shutdown({ destination: [hostname] })
  }

  async inspectWorker({ target, hostname }: WorkerParams): Promise<InspectResult> {
    this.#requireTrust('ask a worker')
    const app = await this.#require(target).monitor?.connected(connectMs)
    if (!app) throw new Error('Its broker is not known.')
    const { lines } = await describeWorker(app, hostname, answerMs)
    return { lines: lines.map((line) => this.#texts.line(line, 1000)) }
  }

  #workerEnded(worker: OwnWorker): void {
    const { target } = worker
    this.#targets.workersChanged(target)
    if (this.#isClosed) return
    const runs = [...this.#runs.values()].filter((run) => run.target === target)
    if (runs.length > 0 && !worker.isRetired()) this.#keeper.countDeath(worker)
    for (const run of runs) run.workerEnded(worker)
  }

  #require(target: string): TargetEntry {
    const entry = this.#targets.get(target)
    if (entry) return entry
    throw new Error(`There is no app ${relative(process.cwd(), target) || target} (any more).`)
  }

  #requireTrust(what: string): void {
    if (!this.#isTrusted) throw new Error(`This workspace is not trusted: trust it to ${what}.`)
  }

  /** Ends all that was started. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#renewal.close()
    this.#processes.close()
    for (const run of this.#runs.values()) run.abandon()
    await Promise.allSettled([
      this.#workers.close(),
      this.#targets.close(),
      ...this.#scanners.map((scanner) => scanner.stop()),
    ])
  }
}

/** Characters of a value that is too large to be written, near enough. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length + 2
  const text: unknown = JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one))
  return typeof text === 'string' ? text.length : 0
}
