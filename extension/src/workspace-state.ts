import { commands, Disposable, workspace } from 'vscode'
import type { Catalogue } from './catalogue.ts'
import type { Cluster } from './cluster.ts'
import type { Results } from './results.ts'
import type { SidecarClient } from './sidecar-client.ts'

export interface WorkspaceStateOptions {
  readonly client: SidecarClient
  readonly catalogue: Catalogue
  readonly cluster: Cluster
  readonly results: Results
}

/**
 * What the views' texts and the menus depend on, as context keys: `tq.state` (`none`: no tq here, `noTasks`, `noNode`, `ended`,
 * `virtual`, `noFolder`, `scanning`, `ready`), `tq.connected`, `tq.running`.
 */
export class WorkspaceState extends Disposable {
  readonly #options: WorkspaceStateOptions
  readonly #told = new Map<string, unknown>()
  /** Folders whose first scan is there or has failed. */
  readonly #scanned = new Set<string>()
  readonly #waiting: (() => void)[] = []

  constructor(options: WorkspaceStateOptions) {
    const { client, catalogue, cluster, results } = options
    const parts = [
      client.onState(() => this.update()),
      catalogue.onChanged(({ folder }) => this.settled(folder)),
      cluster.onChanged(() => this.update()),
      results.onChanged(() => this.update()),
    ]
    super(() => {
      for (const one of parts) one.dispose()
    })
    this.#options = options
  }

  /** The first scan of every folder is there, or there will be none. */
  readonly whenScanned: Promise<void> = new Promise((resolve) => this.#waiting.push(resolve))

  /** The scan of a folder is there or has failed. */
  settled(folder: string): void {
    this.#scanned.add(folder)
    this.update()
  }

  update(): void {
    const state = this.#state()
    this.#tell('tq.state', state)
    this.#tell(
      'tq.connected',
      this.#options.cluster.targets.some((one) => one.state === 'live'),
    )
    this.#tell('tq.running', this.#options.results.running().length > 0)
    if (state !== 'scanning') for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #state(): string {
    const { client, catalogue } = this.#options
    const folders = workspace.workspaceFolders ?? []
    const local = localFolders()
    if (folders.length === 0) return 'noFolder'
    if (local.length === 0) return 'virtual'
    if (client.state === 'noNode' || client.state === 'ended') return client.state
    if (catalogue.all().some(({ task }) => !task.inTest)) return 'ready'
    if (local.some((one) => !this.#scanned.has(one.path))) return 'scanning'
    return local.some(({ path }) => catalogue.apps(path).length > 0) ? 'noTasks' : 'none'
  }

  #tell(key: string, value: unknown): void {
    if (this.#told.get(key) === value) return
    this.#told.set(key, value)
    void commands.executeCommand('setContext', key, value)
  }
}

/** The folders of the workspace that are on a disk. */
export function localFolders(): readonly { readonly path: string; readonly name: string }[] {
  return (workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri, name }) => ({ path: uri.fsPath, name }))
}
