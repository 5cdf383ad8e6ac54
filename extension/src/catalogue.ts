import { join } from 'node:path'
import type { AppInfo, Diagnostic, ScanDiff, ScanResult, TaskInfo } from 'tq-runtime/scan'
import { Emitter } from 'vscode-jsonrpc'

/** A definition of one of the workspace's folders. */
export interface DefinedTask {
  readonly folder: string
  /** Absolute. */
  readonly file: string
  readonly task: TaskInfo
}

export interface CatalogueChange {
  readonly folder: string
  /** Absolute paths of files whose definitions changed. */
  readonly tasks: ReadonlySet<string>
  /** Absolute paths of files whose diagnostics changed. */
  readonly diagnostics: ReadonlySet<string>
  /** Versions of the open buffers that the scan has read, by absolute path. */
  readonly versions: ReadonlyMap<string, number>
}

interface FolderScan {
  apps: readonly AppInfo[]
  readonly tasks: Map<string, DefinedTask>
  readonly diagnostics: Map<string, readonly Diagnostic[]>
}

/** What the scans have found, folder by folder. */
export class Catalogue {
  readonly #folders = new Map<string, FolderScan>()
  readonly #files = new Map<string, Map<string, DefinedTask>>()
  readonly #changed = new Emitter<CatalogueChange>()
  readonly onChanged = this.#changed.event

  replace(folder: string, result: ScanResult): void {
    const old = this.#folders.get(folder)
    const files = new Set([...(old?.tasks.values() ?? [])].map((one) => one.file))
    for (const one of old?.tasks.values() ?? []) this.#remove(one)
    const scan: FolderScan = { apps: result.apps, tasks: new Map(), diagnostics: new Map() }
    this.#folders.set(folder, scan)
    for (const task of result.tasks) files.add(this.#add(scan, folder, task))
    for (const one of result.diagnostics) {
      const file = join(folder, one.file)
      scan.diagnostics.set(file, [...(scan.diagnostics.get(file) ?? []), one])
    }
    const diagnostics = new Set([...(old?.diagnostics.keys() ?? []), ...scan.diagnostics.keys()])
    this.#changed.fire({ folder, tasks: files, diagnostics, versions: new Map() })
  }

  apply(folder: string, diff: ScanDiff): void {
    const scan = this.#folders.get(folder)
    if (!scan) return
    const files = new Set<string>()
    for (const id of diff.removed) {
      const gone = scan.tasks.get(id)
      if (!gone) continue
      scan.tasks.delete(id)
      this.#remove(gone)
      files.add(gone.file)
    }
    for (const task of [...diff.changed, ...diff.added]) files.add(this.#add(scan, folder, task))
    const touched = new Set<string>()
    for (const { file, diagnostics } of diff.diagnostics) {
      const path = join(folder, file)
      if (diagnostics.length > 0) scan.diagnostics.set(path, diagnostics)
      else scan.diagnostics.delete(path)
      touched.add(path)
    }
    if (diff.apps) scan.apps = diff.apps
    const versions = new Map(Object.entries(diff.versions).map(([file, version]) => [join(folder, file), version]))
    this.#changed.fire({ folder, tasks: files, diagnostics: touched, versions })
  }

  /** Forgets folders that are not among these. */
  keep(folders: readonly string[]): void {
    for (const folder of [...this.#folders.keys()]) {
      if (folders.includes(folder)) continue
      this.replace(folder, nothing(folder))
      this.#folders.delete(folder)
    }
  }

  get folders(): readonly string[] {
    return [...this.#folders.keys()]
  }

  apps(folder: string): readonly AppInfo[] {
    return this.#folders.get(folder)?.apps ?? []
  }

  tasks(folder: string): readonly DefinedTask[] {
    return [...(this.#folders.get(folder)?.tasks.values() ?? [])]
  }

  all(): readonly DefinedTask[] {
    return this.folders.flatMap((folder) => this.tasks(folder))
  }

  /** Definitions of a file, once each: of folders inside each other the inner one counts. */
  tasksIn(file: string): readonly DefinedTask[] {
    const all = [...(this.#files.get(file)?.values() ?? [])]
    const inner = Math.max(...all.map((one) => one.folder.length))
    return all.filter((one) => one.folder.length === inner)
  }

  task(folder: string, id: string): DefinedTask | undefined {
    return this.#folders.get(folder)?.tasks.get(id)
  }

  /** Definitions of a name in a folder; those of an app first. */
  named(folder: string, name: string): readonly DefinedTask[] {
    return this.tasks(folder).filter(({ task }) => task.name === name)
  }

  /** Of a file, whichever folders it lies in. */
  diagnosticsOf(file: string): readonly { readonly folder: string; readonly diagnostic: Diagnostic }[] {
    return [...this.#folders].flatMap(([folder, scan]) =>
      (scan.diagnostics.get(file) ?? []).map((diagnostic) => ({ folder, diagnostic })),
    )
  }

  /** How many there are in all folders. */
  get problems(): number {
    const counts = [...this.#folders.values()].flatMap(({ diagnostics }) => [...diagnostics.values()])
    return counts.reduce((sum, list) => sum + list.length, 0)
  }

  #add(scan: FolderScan, folder: string, task: TaskInfo): string {
    const file = join(folder, task.file)
    const defined = { folder, file, task }
    scan.tasks.set(task.id, defined)
    const inFile = this.#files.get(file) ?? new Map<string, DefinedTask>()
    inFile.set(keyOf(defined), defined)
    this.#files.set(file, inFile)
    return file
  }

  #remove(defined: DefinedTask): void {
    const inFile = this.#files.get(defined.file)
    inFile?.delete(keyOf(defined))
    if (inFile?.size === 0) this.#files.delete(defined.file)
  }
}

/** One text for a definition, in every folder. */
export function keyOf({ folder, task }: DefinedTask): string {
  return `${folder}#${task.id}`
}

/** Id of the target that a definition is sent to; undefined where its folder's app decides. */
export function targetOf({ folder, task }: DefinedTask): string | undefined {
  return task.app === undefined ? undefined : `${folder}#${task.app}`
}

function nothing(folder: string): ScanResult {
  return {
    folder,
    generation: 0,
    apps: [],
    tasks: [],
    calls: [],
    diagnostics: [],
    skipped: [],
    stale: [],
    files: { listed: 0, parsed: 0, cached: 0 },
  }
}
