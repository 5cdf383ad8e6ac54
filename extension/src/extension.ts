import { setImmediate } from 'node:timers'
import { Disposable, type ExtensionContext, l10n, Uri, workspace } from 'vscode'
import { Buffers } from './buffers.ts'
import { Catalogue } from './catalogue.ts'
import { Cluster } from './cluster.ts'
import { registerCommands } from './commands.ts'
import { Log } from './log.ts'
import { createMessages } from './messages.ts'
import { TaskLenses } from './providers/code-lens.ts'
import { TaskDiagnostics } from './providers/diagnostics.ts'
import { InlineResults } from './providers/inline-results.ts'
import { ResultDocuments } from './providers/result-document.ts'
import { Results } from './results.ts'
import { SidecarClient } from './sidecar-client.ts'
import { listen } from './sidecar-events.ts'
import { sidecarSetup } from './sidecar-setup.ts'
import { watchLive } from './sidecar/protocol.ts'
import { StatusBar } from './status-bar.ts'
import { TaskRunner } from './task-runner.ts'
import type { TreeNode } from './views/tree-node.ts'
import { Views } from './views/views.ts'
import { localFolders, WorkspaceState } from './workspace-state.ts'

/** What other extensions and tests may read: nothing that is not on the screen. */
export interface TqApi {
  readonly version: 1
  /** The first scan is there, or will not be. */
  whenReady(): Promise<void>
  tasks(): readonly TreeNode[]
  workers(): readonly TreeNode[]
  queues(): readonly TreeNode[]
  /** Lines (from 0) and texts of the results that are shown in a file. */
  inlineResults(file: string): readonly { readonly line: number; readonly text: string }[]
  /** Of the status bar. */
  status(): string
}

/** Wires the parts. The sidecar is started after it has returned; everything else waits for what that tells. */
export function activate(context: ExtensionContext): TqApi {
  const log = new Log()
  const messages = createMessages(l10n)
  const catalogue = new Catalogue()
  const cluster = new Cluster()
  const results = new Results()
  const client = new SidecarClient({
    entry: Uri.joinPath(context.extensionUri, 'dist', 'sidecar', 'main.mjs').fsPath,
    setup: sidecarSetup,
    log: (level, text) => log.say(level, text),
    now: Date.now,
  })
  const state = new WorkspaceState({ client, catalogue, cluster, results })
  const connected = listen({ client, catalogue, cluster, results, log, messages, state })
  const buffers = new Buffers(client, catalogue, (file, edits) => inline.edited(file, edits))
  const inline = new InlineResults({ catalogue, marks: buffers.marks, results, messages })
  const views = new Views({ catalogue, cluster, messages, scanned: state.whenScanned, connected })
  const documents = new ResultDocuments(client, messages)
  const runner = new TaskRunner({ client, results, messages, memory: context.workspaceState })
  const status = new StatusBar(client, cluster, messages)
  const sayTrust = (): void => views.say(workspace.isTrusted ? '' : messages.restrictedView)
  const watch = (): void => client.notify(watchLive, { visible: views.isLiveVisible })
  sayTrust()
  context.subscriptions.push(
    log,
    state,
    buffers,
    inline,
    views,
    documents,
    status,
    new TaskLenses({ catalogue, marks: buffers.marks, results, messages }),
    new TaskDiagnostics(catalogue),
    registerCommands({ client, catalogue, cluster, results, views, documents, runner, log, messages }),
    views.onVisible(watch),
    client.onState((now) => {
      if (now === 'ready') watch()
    }),
    workspace.onDidGrantWorkspaceTrust(() => {
      sayTrust()
      client.restart()
    }),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('tq.brokerUrl') || event.affectsConfiguration('tq.nodePath')) client.restart()
    }),
    workspace.onDidChangeWorkspaceFolders(() => {
      catalogue.keep(localFolders().map((one) => one.path))
      buffers.watch()
      views.updateTasks()
      client.restart()
    }),
    // Its input closes with that, so that it ends even when the editor does not wait.
    new Disposable(() => void client.stop()),
  )
  setImmediate(() => {
    client.restart()
    // Without a folder on a disk nothing is started and nothing would be told.
    state.update()
  })
  return {
    version: 1,
    whenReady: () => state.whenScanned,
    tasks: () => views.tasks.roots,
    workers: () => views.workers.roots,
    queues: () => views.queues.roots,
    inlineResults: (file) => inline.shown(file),
    status: () => status.text,
  }
}
