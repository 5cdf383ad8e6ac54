import type { ScanResult } from '../../runtime/src/scan/index.ts'

/** A scan's result as the expectations of the forms say it: places as `file:line:column`, defaults left out. */
export function shapeOf({ apps, tasks, calls, diagnostics, skipped }: ScanResult): unknown {
  const at = (file: string, range: { readonly line: number; readonly column: number }): string =>
    `${file}:${range.line}:${range.column}`
  return {
    apps: apps.map((one) => `${one.id} = ${one.main ?? '?'}`),
    tasks: tasks.map(({ id, kind, name, naming, nameText, app, signature, doc, parameters, options, ...rest }) => ({
      id,
      ...(kind !== 'task' && { kind }),
      ...(name !== undefined && { name }),
      ...(naming !== 'literal' && { naming }),
      ...(nameText !== undefined && { nameText }),
      ...(app !== undefined && { app }),
      signature,
      ...(doc !== undefined && { doc }),
      ...(parameters.some((one) => one.doc !== undefined) && { docs: parameters.map((one) => one.doc ?? null) }),
      ...(parameters.some((one) => one.optional) && {
        optional: parameters.filter((one) => one.optional).map((one) => one.name),
      }),
      ...(Object.keys(options).length > 0 && { options }),
      ...(rest.openOptions && { openOptions: rest.openOptions }),
      ...(rest.conditional && { conditional: true }),
      ...(rest.bound && { bound: true }),
      ...(rest.opaque && { opaque: true }),
      ...(rest.inTest && { inTest: true }),
      site: at(rest.file, rest.site),
      ...(rest.nameRange && { nameAt: at(rest.file, rest.nameRange) }),
    })),
    calls: calls.map((one) => ({
      method: one.method,
      ...(one.task !== undefined && { task: one.task }),
      ...(one.target !== undefined && { target: one.target }),
      ...(one.dynamic && { dynamic: true }),
      ...(one.args && { args: one.args.map((arg) => arg.type ?? '?').join(', ') }),
      ...(one.within !== undefined && { within: one.within }),
      at: at(one.file, one.range),
    })),
    diagnostics: diagnostics.map((one) => ({
      code: one.code,
      severity: one.severity,
      ...(one.task !== undefined && { task: one.task }),
      ...(one.suggestion !== undefined && { suggestion: one.suggestion }),
      at: at(one.file, one.range),
      ...(one.related.length > 0 && { related: one.related.map((other) => at(other.file, other.range)) }),
    })),
    skipped: skipped.map((one) => `${one.file}: ${one.reason}`),
  }
}
