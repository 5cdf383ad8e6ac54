import { clearInterval, setInterval } from 'node:timers'
import {
  Disposable,
  EventEmitter,
  type FileDecorationProvider,
  ThemeColor,
  type TreeView,
  window,
  workspace,
} from 'vscode'
import type { Catalogue } from '../catalogue.ts'
import type { Cluster } from '../cluster.ts'
import type { Messages } from '../messages.ts'
import { greyScheme, type Handle, NodeTree } from './node-tree.ts'
import { queuesTree } from './queues-model.ts'
import { type TasksMemo, tasksTree } from './tasks-model.ts'
import type { Subject } from './tree-node.ts'
import { workersTree } from './workers-model.ts'

export interface ViewsOptions {
  readonly catalogue: Catalogue
  readonly cluster: Cluster
  readonly messages: Messages
  /** The first scan is there, or will not be. */
  readonly scanned: Promise<void>
  readonly connected: Promise<void>
}

const ageStepMs = 5000

/** The three views and what keeps them up to date. */
export class Views extends Disposable {
  readonly #options: ViewsOptions
  readonly #parts: Disposable[] = []
  readonly tasks: NodeTree
  readonly workers: NodeTree
  readonly queues: NodeTree
  readonly #tasksView: TreeView<Handle>
  readonly #live: readonly TreeView<Handle>[]
  readonly #memo: TasksMemo = new Map()
  #registrations = ''
  readonly #visible = new EventEmitter<boolean>()
  /** Whether one of the live views is looked at. */
  readonly onVisible = this.#visible.event

  constructor(options: ViewsOptions) {
    super(() => {
      clearInterval(ages)
      for (const one of this.#parts) one.dispose()
    })
    this.#options = options
    const { catalogue, cluster } = options
    this.tasks = new NodeTree(options.scanned)
    this.workers = new NodeTree(options.connected)
    this.queues = new NodeTree(options.connected)
    this.#tasksView = this.#view('tq.tasks', this.tasks)
    this.#live = [this.#view('tq.workers', this.workers), this.#view('tq.queues', this.queues)]
    for (const view of this.#live) {
      this.#parts.push(view.onDidChangeVisibility(() => this.#visible.fire(this.isLiveVisible)))
    }
    this.#parts.push(window.registerFileDecorationProvider(greyDecorations))
    const ages = setInterval(() => {
      if (this.isLiveVisible) this.#updateLive()
    }, ageStepMs)
    this.#parts.push(
      catalogue.onChanged(() => this.updateTasks()),
      cluster.onChanged(() => {
        // Numbers change all the time, what workers have hardly ever.
        const { registrations } = cluster
        if (registrations !== this.#registrations) this.updateTasks()
        this.#registrations = registrations
        this.#updateLive()
      }),
    )
  }

  get isLiveVisible(): boolean {
    return this.#live.some((one) => one.visible)
  }

  /** A line above the tasks; empty for none. */
  say(message: string): void {
    this.#tasksView.message = message
  }

  updateTasks(): void {
    const { catalogue, cluster, messages } = this.#options
    const folders = (workspace.workspaceFolders ?? []).map(({ uri, name }) => ({ path: uri.fsPath, name }))
    this.tasks.update(tasksTree({ folders, catalogue, cluster, messages, memo: this.#memo }))
  }

  /** What an item that a command was called with stands for. */
  subjectOf(handle: unknown): Subject | undefined {
    if (typeof handle !== 'object' || handle === null || !('id' in handle) || typeof handle.id !== 'string')
      return undefined
    const { id } = handle
    return this.tasks.node({ id })?.subject ?? this.workers.node({ id })?.subject
  }

  #updateLive(): void {
    const { cluster, messages } = this.#options
    this.workers.update(workersTree(cluster, messages, Date.now()))
    this.queues.update(queuesTree(cluster, messages, Date.now()))
  }

  #view(id: string, tree: NodeTree): TreeView<Handle> {
    const view = window.createTreeView(id, { treeDataProvider: tree, showCollapseAll: true })
    this.#parts.push(view)
    return view
  }
}

const greyDecorations: FileDecorationProvider = {
  provideFileDecoration: ({ scheme }) =>
    scheme === greyScheme ? { color: new ThemeColor('disabledForeground') } : undefined,
}
