import { systemClock } from 'tq-runtime'
import { type AppInfo, ScanClient, type ScanDiff, type TaskInfo } from 'tq-runtime/scan'
import { isAbsolute, relative, sep } from 'node:path'
import type { Editor } from './editor.ts'
import { type FilesChangedParams, type Folder, scanChanged, scanFailed, scanned } from './protocol.ts'
import { messageOf } from './texts.ts'

export interface FolderScannerOptions {
  readonly editor: Editor
  /** False: nothing is written into the workspace, not even the scanner's cache. */
  readonly trusted: boolean
  /** The apps of the folder, after the first scan and whenever they change. */
  readonly onApps?: ((apps: readonly AppInfo[]) => void) | undefined
}

interface Buffer {
  readonly text: string
  readonly version: number
}

const mostStarts = 5
const firstPauseMs = 250
/** A scanner that has lived that long is no longer blamed for the deaths of those before it. */
const trustedAfterMs = 60_000

/**
 * Keeps one folder scanned in a process of its own. When that process dies, another takes its place and learns the open buffers
 * anew; after five deaths in a row the editor is told that there is none.
 */
export class FolderScanner {
  readonly folder: Folder
  readonly #options: FolderScannerOptions
  readonly #stopped = new AbortController()
  readonly #buffers = new Map<string, Buffer>()
  /** Files of which a text is on its way: newer ones wait, only the newest of them is sent. */
  readonly #under = new Set<string>()
  readonly #dirty = new Set<string>()
  readonly #tasks = new Map<string, TaskInfo>()
  #client: ScanClient | undefined
  #isOpen = false
  #deaths = 0

  constructor(folder: Folder, options: FolderScannerOptions) {
    this.folder = folder
    this.#options = options
  }

  /** The task of that name as far as its source tells; of several any. */
  task(name: string): TaskInfo | undefined {
    for (const task of this.#tasks.values()) if (task.name === name && !task.inTest) return task
    return undefined
  }

  /** Path within the folder, undefined for a file outside it. */
  within(file: string): string | undefined {
    const path = relative(this.folder.path, file)
    if (path === '' || path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path)) return undefined
    return path.replaceAll('\\', '/')
  }

  /** Starts, or starts anew what had given up. */
  start(): void {
    if (this.#client || this.#stopped.signal.aborted) return
    const client = new ScanClient({ onEnd: (error) => this.#died(client, error) })
    this.#client = client
    this.#options.editor.log('debug', `Scanner for ${this.folder.path}: pid ${client.pid}.`)
    void this.#open(client)
  }

  /** From the beginning, in a new process. */
  rescan(): void {
    const old = this.#client
    this.#client = undefined
    this.#isOpen = false
    this.#dirty.clear()
    void old?.stop()
    this.start()
  }

  change(path: string, buffer: Buffer): void {
    this.#buffers.set(path, buffer)
    this.#push(path)
  }

  close(path: string): void {
    this.#buffers.delete(path)
    this.#dirty.delete(path)
    this.#diff((client) => client.close(path))
  }

  filesChanged(events: FilesChangedParams['events']): void {
    this.#diff((client) => client.fsEvents(events))
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#client?.stop()
  }

  async #open(client: ScanClient): Promise<void> {
    const { editor, trusted, onApps } = this.#options
    try {
      const result = await client.open(this.folder.path, trusted ? {} : { cacheFile: null })
      this.#isOpen = true
      this.#under.clear()
      this.#tasks.clear()
      for (const task of result.tasks) this.#tasks.set(task.id, task)
      editor.send(scanned, { folder: this.folder.path, result })
      onApps?.(result.apps)
      for (const path of this.#buffers.keys()) this.#push(path)
    } catch (error) {
      // A process that died is started anew by #died; a folder that cannot be read stays unreadable.
      if (this.#client === client) this.#failed(messageOf(error))
    }
  }

  #push(path: string): void {
    if (!this.#isOpen) return
    if (this.#under.has(path)) {
      this.#dirty.add(path)
      return
    }
    const buffer = this.#buffers.get(path)
    if (!buffer) return
    this.#under.add(path)
    this.#diff(
      (client) => client.change(path, buffer.text, buffer.version),
      () => {
        this.#under.delete(path)
        if (this.#dirty.delete(path)) this.#push(path)
      },
    )
  }

  #diff(ask: (client: ScanClient) => Promise<ScanDiff>, then?: () => void): void {
    const client = this.#client
    if (!client || !this.#isOpen) return
    ask(client).then(
      (diff) => {
        if (this.#client !== client) return
        this.#take(diff)
        then?.()
      },
      (error: unknown) => {
        // With the process its work is lost; the next one gets all buffers.
        if (this.#client !== client) return
        this.#options.editor.log('warn', `Scanner: ${messageOf(error)}`)
        then?.()
      },
    )
  }

  #take(diff: ScanDiff): void {
    for (const id of diff.removed) this.#tasks.delete(id)
    for (const task of [...diff.added, ...diff.changed]) this.#tasks.set(task.id, task)
    if (isEmpty(diff)) return
    this.#options.editor.send(scanChanged, { folder: this.folder.path, diff })
    if (diff.apps) this.#options.onApps?.(diff.apps)
  }

  #died(client: ScanClient, error: Error): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#isOpen = false
    this.#dirty.clear()
    if (this.#stopped.signal.aborted) return
    this.#deaths++
    if (this.#deaths > mostStarts) {
      this.#deaths = 0
      this.#failed(`The scanner ended ${mostStarts + 1} times in a row and is not started again. ${error.message}`)
      return
    }
    this.#options.editor.log('warn', `${error.message} It is started again.`)
    const deaths = this.#deaths
    systemClock.timer(firstPauseMs * 2 ** (deaths - 1), () => this.start())
    systemClock.timer(trustedAfterMs, () => {
      if (this.#deaths === deaths) this.#deaths = 0
    })
  }

  #failed(message: string): void {
    const { editor } = this.#options
    editor.log('error', message)
    editor.send(scanFailed, { folder: this.folder.path, message })
  }
}

function isEmpty({ added, changed, removed, calls, diagnostics, apps, skipped, stale }: ScanDiff): boolean {
  const lists = [added, changed, removed, calls, diagnostics].reduce((sum, list) => sum + list.length, 0)
  return lists === 0 && !apps && !skipped && !stale
}
