/** Where commands write: data to stdout, everything else to stderr. */
export interface Output {
  data(text: string): void
  note(text: string): void
  readonly isTty: boolean
}

export const processOutput: Output = {
  data: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  get isTty() {
    return process.stdout.isTTY === true
  },
}

// What a terminal would obey instead of showing: C0, DEL, C1, bidi controls.
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** A foreign text made safe to print: control characters are shown, not obeyed. */
export function printable(text: string): string {
  return text.replace(unsafe, (ch) => `\\u${ch.charCodeAt(0).toString(16).padStart(4, '0')}`)
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
