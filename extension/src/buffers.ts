import { clearTimeout, setTimeout } from 'node:timers'
import { Disposable, RelativePattern, type TextDocument, type Uri, workspace } from 'vscode'
import { type Catalogue, keyOf } from './catalogue.ts'
import { type Edit, Marks, type ScannedPlace } from './marks.ts'
import type { SidecarClient } from './sidecar-client.ts'
import { filesChanged } from './sidecar/protocol.ts'

const typingMs = 100
const filesMs = 100
const languages = ['typescript', 'typescriptreact', 'javascript', 'javascriptreact']
// Two, because the editor's patterns know no braces inside braces.
const watched = [
  '**/*.{ts,tsx,mts,cts,js,jsx,mjs,cjs}',
  '**/{package.json,tsconfig*.json,jsconfig*.json,.gitignore,.env}',
]

type FileKind = 'created' | 'changed' | 'deleted'

/** Keeps the scanner up to date with open documents and files, and the marks with what was typed since its last word. */
export class Buffers extends Disposable {
  readonly marks = new Marks()
  readonly #client: SidecarClient
  readonly #catalogue: Catalogue
  readonly #typing = new Map<string, NodeJS.Timeout>()
  readonly #files = new Map<string, FileKind>()
  readonly #parts: Disposable[] = []
  #watchers: Disposable[] = []
  #filesTimer: NodeJS.Timeout | undefined

  constructor(client: SidecarClient, catalogue: Catalogue, onEdited: (file: string, edits: readonly Edit[]) => void) {
    super(() => {
      for (const timer of this.#typing.values()) clearTimeout(timer)
      clearTimeout(this.#filesTimer)
      for (const one of [...this.#parts, ...this.#watchers]) one.dispose()
    })
    this.#client = client
    this.#catalogue = catalogue
    this.#parts.push(
      workspace.onDidOpenTextDocument((document) => this.#opened(document)),
      workspace.onDidCloseTextDocument((document) => this.#closed(document)),
      workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length === 0 || !isSource(document)) return
        const edits = contentChanges.map(({ range: { start, end }, text }): Edit => {
          return {
            startLine: start.line,
            startCharacter: start.character,
            endLine: end.line,
            endCharacter: end.character,
            text,
          }
        })
        const file = document.uri.fsPath
        // Before the marks move: the edits speak of where things stood.
        onEdited(file, edits)
        for (const edit of edits) this.marks.edited(file, document.version, edit)
        this.#typed(document)
      }),
      workspace.onDidSaveTextDocument((document) => {
        if (!isSource(document)) return
        this.#flush(document)
        // The watchers tell it later; what is run next is to run what was saved.
        this.#client.notify(filesChanged, { events: [{ file: document.uri.fsPath, kind: 'changed' }] })
      }),
      catalogue.onChanged(({ tasks, versions }) => {
        for (const file of new Set([...tasks, ...versions.keys()])) {
          if (this.marks.isOpen(file)) this.marks.scanned(file, versions.get(file), this.#placesIn(file))
        }
      }),
    )
    this.watch()
    for (const document of workspace.textDocuments) this.#opened(document)
  }

  /** Again when the folders of the workspace have changed. */
  watch(): void {
    for (const one of this.#watchers) one.dispose()
    const folders = workspace.workspaceFolders ?? []
    this.#watchers = folders
      .flatMap((folder) => watched.map((pattern) => new RelativePattern(folder, pattern)))
      .flatMap((pattern) => {
        const watcher = workspace.createFileSystemWatcher(pattern)
        return [
          watcher,
          watcher.onDidCreate((uri) => this.#fileChanged(uri, 'created')),
          watcher.onDidChange((uri) => this.#fileChanged(uri, 'changed')),
          watcher.onDidDelete((uri) => this.#fileChanged(uri, 'deleted')),
        ]
      })
  }

  #opened(document: TextDocument): void {
    if (!isSource(document)) return
    const file = document.uri.fsPath
    this.marks.opened(file, this.#placesIn(file))
    this.#flush(document)
  }

  #closed(document: TextDocument): void {
    if (!isSource(document)) return
    const file = document.uri.fsPath
    clearTimeout(this.#typing.get(file))
    this.#typing.delete(file)
    this.marks.closed(file)
    this.#client.bufferClosed(file)
  }

  #typed(document: TextDocument): void {
    const file = document.uri.fsPath
    clearTimeout(this.#typing.get(file))
    this.#typing.set(
      file,
      setTimeout(() => this.#flush(document), typingMs),
    )
  }

  #flush(document: TextDocument): void {
    const file = document.uri.fsPath
    clearTimeout(this.#typing.get(file))
    this.#typing.delete(file)
    if (!document.isClosed) this.#client.bufferChanged({ file, text: document.getText(), version: document.version })
  }

  #fileChanged(uri: Uri, kind: FileKind): void {
    const file = uri.fsPath
    if (/[\\/](?:node_modules|\.git|\.tq)[\\/]/u.test(file)) return
    this.#files.set(file, kind)
    this.#filesTimer ??= setTimeout(() => {
      this.#filesTimer = undefined
      const events = [...this.#files].map(([path, what]) => ({ file: path, kind: what }))
      this.#files.clear()
      this.#client.notify(filesChanged, { events })
    }, filesMs)
  }

  #placesIn(file: string): readonly ScannedPlace[] {
    return this.#catalogue.tasksIn(file).map((defined) => ({
      id: keyOf(defined),
      line: defined.task.site.line - 1,
      character: defined.task.site.column - 1,
      stale: defined.task.stale === true,
    }))
  }
}

/** Whether a document is one that the scanner reads: a source file of the workspace, on a disk. */
export function isSource(document: TextDocument): boolean {
  return (
    document.uri.scheme === 'file' &&
    languages.includes(document.languageId) &&
    workspace.getWorkspaceFolder(document.uri) !== undefined
  )
}
