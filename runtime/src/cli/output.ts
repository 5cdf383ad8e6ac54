export { printable } from '../core/printable.ts'

/** Where commands write: data to stdout, everything else to stderr. */
export interface Output {
  data(text: string): void
  note(text: string): void
  readonly isTty: boolean
}

// Kept as they are: a worker redirects what its tasks write there.
const stdout = process.stdout.write.bind(process.stdout)
const stderr = process.stderr.write.bind(process.stderr)

export const processOutput: Output = {
  data: (text) => void stdout(`${text}\n`),
  note: (text) => void stderr(`${text}\n`),
  get isTty() {
    return process.stdout.isTTY === true
  },
}

/** Columns padded to their widest cell, two spaces between. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A value as one line of JSON; what JSON lacks (BigInt, undefined) as text or null. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one), indent) ?? 'null'
}
