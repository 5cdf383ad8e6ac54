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
import { type Catalogue, type DefinedTask, keyOf } from '../catalogue.ts'
import { lensText } from '../inline-text.ts'
import type { Marks } from '../marks.ts'
import type { Messages } from '../messages.ts'
import type { Results } from '../results.ts'

const selector = ['typescript', 'typescriptreact', 'javascript', 'javascriptreact'].map((language) => ({
  language,
  scheme: 'file',
}))

export interface TaskLensesOptions {
  readonly catalogue: Catalogue
  readonly marks: Marks
  readonly results: Results
  readonly messages: Messages
}

// Beyond that the end of the line, and with it the result, is likely to be out of sight.
const longLine = 80

/**
 * `Run` above every definition, and behind it the result where the line is so long that its end may not be seen. Ranges come from the
 * last scan at once and follow what is typed; what comes later comes into lines that are there, so that no line of text moves.
 */
export class TaskLenses extends Disposable implements CodeLensProvider {
  readonly #catalogue: Catalogue
  readonly #marks: Marks
  readonly #messages: Messages
  readonly #results: Results
  readonly #changed = new EventEmitter<void>()
  readonly onDidChangeCodeLenses = this.#changed.event

  constructor({ catalogue, marks, results, messages }: TaskLensesOptions) {
    const parts: Disposable[] = []
    super(() => {
      for (const one of parts) one.dispose()
    })
    this.#catalogue = catalogue
    this.#marks = marks
    this.#messages = messages
    this.#results = results
    parts.push(
      catalogue.onChanged(({ tasks }) => {
        if (workspace.textDocuments.some(({ uri }) => tasks.has(uri.fsPath))) this.#changed.fire()
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('tq.codeLens') || event.affectsConfiguration('tq.inlineResults'))
          this.#changed.fire()
      }),
      results.onChanged(({ folder, task }) => {
        if (catalogue.named(folder, task).some((defined) => this.#isLong(defined))) this.#changed.fire()
      }),
      workspace.onDidGrantWorkspaceTrust(() => this.#changed.fire()),
      languages.registerCodeLensProvider(selector, this),
    )
  }

  provideCodeLenses(document: TextDocument): CodeLens[] {
    const settings = workspace.getConfiguration('tq.codeLens', document)
    if (!settings.get<boolean>('enabled', true) || !settings.get<boolean>('run', true)) return []
    const isWithResults = workspace.getConfiguration('tq.inlineResults', document).get<boolean>('enabled', true)
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
      const argument = { folder: defined.folder, definition: defined.task.id, task: name }
      const run = new CodeLens(range, {
        title: `$(play) ${this.#messages.run}`,
        tooltip: this.#messages.runTooltip(name),
        command: 'tq.runTask',
        arguments: [argument],
      })
      const result = isWithResults && isLong(document, line) ? this.#results.at(defined) : undefined
      if (!result) return [run]
      const title = lensText(result, this.#messages)
      return [
        run,
        new CodeLens(range, {
          title,
          tooltip: this.#messages.showWhole,
          command: 'tq.showResult',
          arguments: [argument],
        }),
      ]
    })
  }

  #isLong(defined: DefinedTask): boolean {
    const document = workspace.textDocuments.find(({ uri }) => uri.fsPath === defined.file)
    const line = this.#marks.placeOf(defined.file, keyOf(defined))?.line
    return document !== undefined && line !== undefined && isLong(document, line)
  }
}

function isLong(document: TextDocument, line: number): boolean {
  return line < document.lineCount && document.lineAt(line).range.end.character > longLine
}
