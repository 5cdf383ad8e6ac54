import { join } from 'node:path'
import type { Diagnostic as Finding, DiagnosticCode, Range as FoundRange } from 'tq-runtime/scan'
import {
  Diagnostic,
  DiagnosticRelatedInformation,
  DiagnosticSeverity,
  Disposable,
  languages,
  Location,
  Range,
  Uri,
} from 'vscode'
import type { Catalogue } from '../catalogue.ts'

/** What definitions get wrong; calls are not checked here. */
const shown: ReadonlySet<DiagnosticCode> = new Set([
  'duplicate-task',
  'possible-duplicate',
  'anonymous-task',
  'outside-app',
  'explicit-names',
  'dynamic-name',
  'params-mismatch',
])

/** What the scan finds wrong, in the editor's list of problems. */
export class TaskDiagnostics extends Disposable {
  constructor(catalogue: Catalogue) {
    const collection = languages.createDiagnosticCollection('tq')
    const listener = catalogue.onChanged(({ diagnostics }) => {
      for (const file of diagnostics) {
        const found = catalogue.diagnosticsOf(file).filter(({ diagnostic }) => shown.has(diagnostic.code))
        // The same file in two folders is told once.
        const unique = new Map(found.map((one) => [`${one.diagnostic.code} ${one.diagnostic.range.start}`, one]))
        collection.set(
          Uri.file(file),
          [...unique.values()].map(({ folder, diagnostic }) => asDiagnostic(folder, diagnostic)),
        )
      }
    })
    super(() => {
      listener.dispose()
      collection.dispose()
    })
  }
}

function asDiagnostic(folder: string, finding: Finding): Diagnostic {
  const diagnostic = new Diagnostic(asRange(finding.range), finding.message, severityOf(finding))
  diagnostic.source = 'tq'
  diagnostic.code = finding.code
  diagnostic.relatedInformation = finding.related.map(
    ({ file, range, message }) =>
      new DiagnosticRelatedInformation(new Location(Uri.file(join(folder, file)), asRange(range)), message),
  )
  return diagnostic
}

function severityOf({ code, severity }: Finding): DiagnosticSeverity {
  // Nothing is wrong with it: it says why there is no Run.
  if (code === 'dynamic-name') return DiagnosticSeverity.Hint
  if (severity === 'error') return DiagnosticSeverity.Error
  return severity === 'warn' ? DiagnosticSeverity.Warning : DiagnosticSeverity.Information
}

function asRange({ line, column, endLine, endColumn }: FoundRange): Range {
  return new Range(line - 1, column - 1, endLine - 1, endColumn - 1)
}
