/** The extension as its editor sees it. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import {
  type CodeLens,
  type Diagnostic,
  Range,
  type TextDocument,
  Uri,
  WorkspaceEdit,
  commands,
  extensions,
  languages,
  workspace,
} from 'vscode'
import type { TqApi } from '../../../extension/src/extension.ts'
import { waitFor } from '../../helpers/wait.ts'

/** How long the editor may take for anything, on a machine with other things to do. */
export const timeoutMs = 45_000

/** A file of the first folder of the workspace. */
export function inWorkspace(file: string): Uri {
  const [folder] = workspace.workspaceFolders ?? []
  if (!folder) throw new Error('No folder is open.')
  return Uri.joinPath(folder.uri, file)
}

/** Resolves when the workspace has activated the extension; nothing here asks it to. */
export async function activated(): Promise<void> {
  await waitFor(() => extensions.getExtension('tq.tq-vscode')?.isActive, {
    what: 'the activation of the extension',
    timeoutMs,
  })
}

/** What the extension tells other extensions, once its first scan is there. */
export async function readyApi(): Promise<TqApi> {
  const extension = extensions.getExtension<TqApi>('tq.tq-vscode')
  if (!extension?.isActive) throw new Error('The extension is not active.')
  await extension.exports.whenReady()
  return extension.exports
}

/** `line: title` of the extension's lenses, lines as the editor counts them, from 1. */
export async function lenses(document: TextDocument): Promise<string[]> {
  const all = await commands.executeCommand<CodeLens[]>('vscode.executeCodeLensProvider', document.uri, 1000)
  return all
    .filter(({ command }) => command?.command.startsWith('tq.'))
    .map(({ range, command }) => `${range.start.line + 1}: ${command?.title.replaceAll(/\$\([\w-]+\)\s*/g, '')}`)
}

/** Takes back what was typed into files and not saved. */
export async function undoTyping(): Promise<void> {
  const typed = workspace.textDocuments.filter(({ isDirty, uri }) => isDirty && uri.scheme === 'file')
  for (const { uri } of typed) {
    // One that nobody shows may be closed at any moment; opened anew it is the same, or clean.
    const document = await workspace.openTextDocument(uri)
    const edit = new WorkspaceEdit()
    const all = new Range(0, 0, document.lineCount, 0)
    edit.replace(uri, all, readFileSync(uri.fsPath, 'utf8'))
    await workspace.applyEdit(edit)
    if (!document.isClosed) await document.save()
  }
}

/** What the extension says about a file. */
export function problems(uri: Uri): readonly Diagnostic[] {
  return languages.getDiagnostics(uri).filter(({ source }) => source === 'tq')
}

/** The extension's background process, a child of this one; its program is `execPath`. */
export function findSidecar(): { readonly pid: number; readonly execPath: string } | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(parent) !== process.pid || state === 'Z') continue
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      if (/sidecar\/main\.mjs/.test(command)) return { pid: Number(pid), execPath: readlinkSync(`/proc/${pid}/exe`) }
    } catch {
      // Ended between one look and the next.
    }
  }
  return undefined
}
