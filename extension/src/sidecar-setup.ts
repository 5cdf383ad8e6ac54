import { workspace } from 'vscode'
import type { SidecarSetup } from './sidecar-client.ts'
import { localFolders } from './workspace-state.ts'

/** What the workspace and its settings say now about how the sidecar is to be started. */
export function sidecarSetup(): SidecarSetup {
  const settings = workspace.getConfiguration('tq')
  const brokerUrl = settings.get<string>('brokerUrl', '')
  return {
    folders: localFolders(),
    trusted: workspace.isTrusted,
    brokerUrl: brokerUrl === '' ? undefined : brokerUrl,
    node: {
      nodePath: settings.get<string>('nodePath', ''),
      path: process.env['PATH'],
      editor: { execPath: process.execPath, version: process.versions.node },
      trusted: workspace.isTrusted,
    },
  }
}
