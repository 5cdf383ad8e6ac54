/** What one run of an area measured, by name of the figure. */
export type Figures = Readonly<Record<string, number>>

export interface Scale {
  /** Tasks of a drain. */
  readonly tasks: number
  /** Calls of a round trip. */
  readonly calls: number
  readonly idleMs: number
}

/** A part of the benchmark: everything that is compared is measured in one run, one after the other. */
export interface Area {
  readonly name: string
  readonly title: string
  /** How it was measured and what was guaranteed, for all rows. */
  readonly method: readonly string[]
  readonly rows: readonly Row[]
  /** One run, with servers, files and processes of its own. */
  run(scale: Scale): Promise<Figures>
}

export interface Row {
  readonly label: string
  readonly figure: string
  readonly unit: '/s' | 'ms' | 'us' | 'MB' | '%'
  /** What it is compared with in the same run, and what to call that. */
  readonly raw?: { readonly figure: string; readonly label: string } | undefined
  /** The aim, as text; nothing is asserted. */
  readonly aim?: string | undefined
  /** What is special about this row. */
  readonly how?: string | undefined
}

/** Runs an area `runs` times and prints its table: median, lowest and highest of the runs, ratio to the raw figure per run. */
export async function measure(area: Area, runs: number, scale: Scale): Promise<void> {
  const measured: Figures[] = []
  for (let run = 0; run < runs; run++) {
    if (process.stderr.isTTY) process.stderr.write(`  ${area.name}: run ${run + 1} of ${runs}\r`)
    measured.push(await area.run(scale))
  }
  if (process.stderr.isTTY) process.stderr.write('\u001B[K')
  console.log(`\n${area.title}`)
  for (const line of area.method) console.log(`  ${line}`)
  console.log()
  const head = ['', 'median', 'min - max', 'raw, same run', 'ratio', 'aim']
  const lines = area.rows
    .filter((row) => measured.some((figures) => figures[row.figure] !== undefined))
    .map((row) => cells(row, measured))
  console.log(aligned([head, ...lines]))
  const notes = area.rows.filter((row) => row.how !== undefined)
  if (notes.length > 0) console.log()
  for (const row of notes) console.log(`  ${row.label}: ${row.how}`)
}

function cells({ label, figure, unit, raw, aim }: Row, measured: readonly Figures[]): string[] {
  const values = defined(measured.map((figures) => figures[figure]))
  const row = [
    label,
    `${shown(median(values))} ${unit}`,
    `${shown(Math.min(...values))} - ${shown(Math.max(...values))}`,
  ]
  if (raw === undefined) return [...row, '', '', aim ?? '']
  const others = defined(measured.map((figures) => figures[raw.figure]))
  const ratios = defined(
    measured.map((figures) => {
      const [own, other] = [figures[figure], figures[raw.figure]]
      return own === undefined || other === undefined ? undefined : own / other
    }),
  )
  return [...row, `${raw.label} ${shown(median(others))}`, median(ratios).toFixed(2), aim ?? '']
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The value below which the share `part` (0 to 1) of them lies; the mean of the middle two for the median of an even number. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = part * (sorted.length - 1)
  const [low = NaN, high = NaN] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low + (high - low) * (at - Math.floor(at))
}

function defined(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined)
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const numbers = new Set([1, 2, 4])
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return numbers.has(column) ? cell.padStart(width) : cell.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n')
}
