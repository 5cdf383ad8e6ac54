import {
  CodeLens,
  type CodeLensProvider,
  Disposable,
  EventEmitter,
  languages,
  Range,
  type TextDocument,
  workspace,
} from 'vscode'
import { type Catalogue, keyOf } from '../catalogue.ts'
import type { Marks } from '../marks.ts'
import type { Messages } from '../messages.ts'

const selector = ['typescript', 'typescriptreact', 'javascript', 'javascriptreact'].map((language) => ({
  language,
  scheme: 'file',
}))

/**
 * `Run` above every definition. Ranges come from the last scan at once and follow what is typed; the titles never change, so that no
 * line of text moves.
 */
export class TaskLenses extends Disposable implements CodeLensProvider {
  readonly #catalogue: Catalogue
  readonly #marks: Marks
  readonly #messages: Messages
  readonly #changed = new EventEmitter<void>()
  readonly onDidChangeCodeLenses = this.#changed.event

  constructor(catalogue: Catalogue, marks: Marks, messages: Messages) {
    const parts: Disposable[] = []
    super(() => {
      for (const one of parts) one.dispose()
    })
    this.#catalogue = catalogue
    this.#marks = marks
    this.#messages = messages
    parts.push(
      catalogue.onChanged(({ tasks }) => {
        if (workspace.textDocuments.some(({ uri }) => tasks.has(uri.fsPath))) this.#changed.fire()
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('tq.codeLens')) this.#changed.fire()
      }),
      workspace.onDidGrantWorkspaceTrust(() => this.#changed.fire()),
      languages.registerCodeLensProvider(selector, this),
    )
  }

  provideCodeLenses(document: TextDocument): CodeLens[] {
    const settings = workspace.getConfiguration('tq.codeLens', document)
    if (!settings.get<boolean>('enabled', true) || !settings.get<boolean>('run', true)) return []
    const file = document.uri.fsPath
    return this.#catalogue.tasksIn(file).flatMap((defined) => {
      const { name, inTest, site } = defined.task
      // A name that is known at run time only cannot be sent from here; what tests define, no worker has.
      if (name === undefined || inTest) return []
      const { line } = this.#marks.placeOf(file, keyOf(defined)) ?? { line: site.line - 1 }
      const range = new Range(line, 0, line, 0)
      if (!workspace.isTrusted) {
        // Text only: an empty command is no link.
        return [new CodeLens(range, { title: name, tooltip: this.#messages.restricted, command: '' })]
      }
      return [
        new CodeLens(range, {
          title: `$(play) ${this.#messages.run}`,
          tooltip: this.#messages.runTooltip(name),
          command: 'tq.runTask',
          arguments: [{ folder: defined.folder, definition: defined.task.id }],
        }),
      ]
    })
  }
}
