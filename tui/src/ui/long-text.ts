import { type Clean, cut, wrap } from './text.ts'

/** A text of many lines. Breaking a long one for a width takes longer than a frame may, so the latest outcome is kept. */
export class LongText {
  readonly lines: readonly Clean[]
  #kept: { readonly key: string; readonly rows: readonly Clean[] } | undefined

  constructor(lines: readonly Clean[]) {
    this.lines = lines
  }

  /** Rows of at most `columns`: broken, or cut with the ellipsis. */
  rows(columns: number, options: { readonly wrap: boolean; readonly ellipsis: string }): readonly Clean[] {
    const key = `${columns} ${options.wrap} ${options.ellipsis}`
    if (this.#kept?.key === key) return this.#kept.rows
    const rows = this.lines.flatMap((line) =>
      options.wrap ? wrap(line, columns) : [cut(line, columns, options.ellipsis)],
    )
    this.#kept = { key, rows }
    return rows
  }
}
