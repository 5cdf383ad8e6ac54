export interface Size {
  readonly columns: number
  readonly rows: number
}

/** Where everything goes at a size. */
export interface Layout {
  readonly kind: 'small' | 'cards' | 'list' | 'split'
  /** Height of the frame: one row less than the terminal has, as a full one makes Ink redraw everything. */
  readonly height: number
  readonly columns: number
  /** Rows of the list, without its header. */
  readonly listRows: number
  /** Rows between the tabs and the footer. */
  readonly bodyRows: number
  readonly listColumns: number
  /** 0 where the detail takes the list's place. */
  readonly detailColumns: number
  readonly hasTabs: boolean
  readonly hasHints: boolean
}

export const leastSize: Size = { columns: 30, rows: 8 }

export function layoutOf({ columns, rows }: Size, hasBanner: boolean): Layout {
  const height = Math.max(1, rows - 1)
  const kind =
    columns < leastSize.columns || rows < leastSize.rows
      ? 'small'
      : columns < 60 || rows < 12
        ? 'cards'
        : columns < 100
          ? 'list'
          : 'split'
  const hasHints = kind === 'list' || kind === 'split'
  // Header, tabs, banner; footer with the command line, and the keys where there is room.
  const bodyRows = Math.max(1, height - 2 - (hasBanner ? 1 : 0) - (hasHints ? 2 : 1))
  const hasHeader = kind === 'list' || kind === 'split'
  const detailColumns = kind === 'split' ? Math.min(80, Math.floor(columns * 0.38)) : 0
  return {
    kind,
    height,
    columns,
    bodyRows,
    listRows: Math.max(1, bodyRows - (hasHeader ? 1 : 0)),
    listColumns: columns - detailColumns,
    detailColumns,
    hasTabs: true,
    hasHints,
  }
}

/** The detail stands beside the list. */
export function hasDetailPane(size: Size): boolean {
  return layoutOf(size, false).kind === 'split'
}
