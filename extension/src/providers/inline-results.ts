import { realpathSync } from 'node:fs'
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers'
import {
  type DecorationOptions,
  DecorationRangeBehavior,
  Disposable,
  Range,
  type TextEditor,
  ThemeColor,
  window,
  workspace,
} from 'vscode'
import { type Catalogue, keyOf } from '../catalogue.ts'
import { inlineText, type Tone } from '../inline-text.ts'
import { type Edit, type Marks, touches } from '../marks.ts'
import type { Messages } from '../messages.ts'
import type { Results } from '../results.ts'
import { localFolders } from '../workspace-state.ts'
import { resultHover } from './result-hover.ts'

const colors: Readonly<Record<Tone, string>> = {
  good: 'editorCodeLens.foreground',
  bad: 'editorError.foreground',
  odd: 'editorWarning.foreground',
  busy: 'editorCodeLens.foreground',
}

const ageStepMs = 30_000

export interface InlineResultsOptions {
  readonly catalogue: Catalogue
  readonly marks: Marks
  readonly results: Results
  readonly messages: Messages
}

/** The latest result of each task at the end of the line that defines it. */
export class InlineResults extends Disposable {
  readonly #options: InlineResultsOptions
  readonly #decoration = window.createTextEditorDecorationType({
    after: { margin: '0 0 0 3ch', fontStyle: 'normal' },
    // What is typed at the end of the line comes before the result.
    rangeBehavior: DecorationRangeBehavior.ClosedClosed,
  })
  #drawing: NodeJS.Timeout | undefined
  #folders = realFolders()

  constructor(options: InlineResultsOptions) {
    const parts: Disposable[] = []
    super(() => {
      clearInterval(ages)
      clearTimeout(this.#drawing)
      for (const one of parts) one.dispose()
    })
    this.#options = options
    const ages = setInterval(() => this.#draw(), ageStepMs)
    parts.push(
      this.#decoration,
      options.results.onChanged(() => this.#draw()),
      options.catalogue.onChanged(() => this.#draw()),
      workspace.onDidChangeWorkspaceFolders(() => {
        this.#folders = realFolders()
      }),
      window.onDidChangeVisibleTextEditors(() => this.#draw()),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('tq.inlineResults')) this.#draw()
      }),
    )
  }

  /** What an edit was made to is not what gave the result. Called before the marks have moved. */
  edited(file: string, edits: readonly Edit[]): void {
    const { catalogue, marks, results } = this.#options
    for (const defined of catalogue.tasksIn(file)) {
      const place = marks.placeOf(file, keyOf(defined))
      const { name } = defined.task
      if (name === undefined || !place || !results.latest(defined.folder, name)) continue
      if (edits.some((edit) => touches(edit, place.line))) results.clear(defined.folder, name, Date.now())
    }
  }

  /** What is shown in a file now, as lines (from 0) and texts. */
  shown(file: string): readonly { readonly line: number; readonly text: string }[] {
    return this.#placed(file).map(({ line, text: { text } }) => ({ line, text }))
  }

  /** Together what comes together. */
  #draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined
      for (const editor of window.visibleTextEditors) this.#drawIn(editor)
    }, 20)
  }

  #drawIn(editor: TextEditor): void {
    const { document } = editor
    if (document.uri.scheme !== 'file') return
    const isOn = workspace.getConfiguration('tq.inlineResults', document).get<boolean>('enabled', true)
    const folders = this.#folders
    const options = (isOn ? this.#placed(document.uri.fsPath) : []).flatMap(
      ({ line, text, result }): DecorationOptions[] => {
        if (line >= document.lineCount) return []
        const { end } = document.lineAt(line).range
        return [
          {
            range: new Range(end, end),
            hoverMessage: resultHover(result, folders, this.#options.messages),
            renderOptions: { after: { contentText: noBreak(text.text), color: new ThemeColor(colors[text.tone]) } },
          },
        ]
      },
    )
    editor.setDecorations(this.#decoration, options)
  }

  #placed(file: string) {
    const { catalogue, marks, results, messages } = this.#options
    return catalogue.tasksIn(file).flatMap((defined) => {
      const result = results.at(defined)
      if (!result) return []
      const { line } = marks.placeOf(file, keyOf(defined)) ?? { line: defined.task.site.line - 1 }
      return [{ line, result, text: inlineText(result, messages, Date.now()) }]
    })
  }
}

/** A worker's frames name real paths; the folder may be open by another. */
function realFolders(): readonly string[] {
  return localFolders().flatMap(({ path }) => {
    try {
      return [...new Set([path, realpathSync(path)])]
    } catch {
      return [path]
    }
  })
}

/** Spaces of a decoration's text are drawn as one unless they cannot break. */
function noBreak(text: string): string {
  return text.replaceAll('  ', '\u00a0\u00a0')
}
