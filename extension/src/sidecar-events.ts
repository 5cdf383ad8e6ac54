import { commands, window, workspace } from 'vscode'
import type { Catalogue } from './catalogue.ts'
import type { Cluster } from './cluster.ts'
import type { Log } from './log.ts'
import type { Messages } from './messages.ts'
import { isFinal, type Results } from './results.ts'
import type { SidecarClient, SidecarState } from './sidecar-client.ts'
import {
  liveChanged,
  logged,
  outcomes,
  runUpdated,
  scanChanged,
  scanFailed,
  scanned,
  targetsChanged,
} from './sidecar/protocol.ts'
import type { WorkspaceState } from './workspace-state.ts'

export interface SidecarEventParts {
  readonly client: SidecarClient
  readonly catalogue: Catalogue
  readonly cluster: Cluster
  readonly results: Results
  readonly log: Log
  readonly messages: Messages
  readonly state: WorkspaceState
}

/** Takes what the sidecar tells to where it belongs. Settles when it is known who lives on the brokers, or that nobody can tell. */
export function listen(parts: SidecarEventParts): Promise<void> {
  const { client, catalogue, cluster, results, log, messages, state } = parts
  client.onNotification(scanned, ({ folder, result }) => catalogue.replace(folder, result))
  client.onNotification(scanChanged, ({ folder, diff }) => catalogue.apply(folder, diff))
  client.onNotification(scanFailed, ({ folder, message }) => {
    log.say('error', message)
    state.settled(folder)
  })
  client.onNotification(targetsChanged, (targets) => cluster.setTargets(targets))
  client.onNotification(runUpdated, (update) => {
    const result = results.updated(update)
    if (result && (isFinal(update.state) || update.state === 'RETRY' || update.notice !== undefined))
      log.outcome(result)
  })
  client.onNotification(outcomes, ({ outcomes: seen, more }) => {
    for (const outcome of seen) {
      const folder = cluster.target(outcome.target)?.folder
      if (folder !== undefined && results.seen(folder, outcome)) log.outcome({ ...outcome, folder })
    }
    if (more > 0) log.say('debug', messages.others(more))
  })
  client.onNotification(logged, ({ level, text }) => log.say(level, text))
  client.onState((now) => {
    if (now !== 'ready') results.lost(messages.notRunning, Date.now())
    if (now === 'ended' || now === 'noNode' || now === 'idle') cluster.setTargets([])
    tellTrouble(now, messages)
  })
  return new Promise((resolve) => {
    client.onNotification(liveChanged, (live) => {
      cluster.setLive(live)
      resolve()
    })
    client.onState((now) => {
      if (now === 'ended' || now === 'noNode' || now === 'idle') resolve()
      if (now === 'ready' && !workspace.isTrusted) resolve()
    })
    cluster.onChanged(() => {
      if (cluster.targets.some((one) => one.state !== 'connecting')) resolve()
    })
    void state.whenScanned.then(() => {
      if (catalogue.folders.every((folder) => catalogue.apps(folder).length === 0)) resolve()
    })
  })
}

/** Only where somebody has to act. */
function tellTrouble(state: SidecarState, messages: Messages): void {
  if (state === 'noNode') {
    void window.showWarningMessage(messages.noNode, messages.setNode, messages.showLog).then((chosen) => {
      if (chosen === messages.setNode) void commands.executeCommand('workbench.action.openSettings', 'tq.nodePath')
      if (chosen === messages.showLog) void commands.executeCommand('tq.showLog')
    })
  } else if (state === 'ended') {
    void window.showErrorMessage(messages.ended, messages.restart, messages.showLog).then((chosen) => {
      if (chosen === messages.restart) void commands.executeCommand('tq.restart')
      if (chosen === messages.showLog) void commands.executeCommand('tq.showLog')
    })
  }
}
