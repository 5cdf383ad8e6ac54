import stringWidth from 'string-width'
import type { EditorState } from './editor.ts'
import { scan, type TokenKind } from './scan.ts'

export interface PaintOptions {
  readonly prompt: string
  readonly columns: number
  /** Rows there is room for; a longer block is scrolled to its cursor. */
  readonly rows: number
  readonly colours: boolean
  /** Names shown in bold: the tasks in scope. */
  readonly known: ReadonlySet<string>
}

export interface Painted {
  /** Ready lines, prompt and colours included; none is wider than the terminal. */
  readonly rows: readonly string[]
  readonly cursor: { readonly x: number; readonly y: number }
}

/** The block as it stands on the screen: coloured, wrapped, with the bracket pair at the cursor underlined. */
export function paint(state: EditorState, options: PaintOptions): Painted {
  const indent = stringWidth(options.prompt)
  const room = Math.max(4, options.columns - indent - 1)
  const styles = stylesOf(state, options)
  const rows: string[] = []
  let cursor = { x: indent, y: 0 }
  let row = ''
  let width = 0
  let style = ''
  const more = `${' '.repeat(Math.max(0, indent - 2))}${indent >= 2 ? '… ' : ''}`
  let lead = options.prompt
  const breakRow = (next: string): void => {
    rows.push(lead + row + (style === '' ? '' : reset))
    lead = next
    row = style
    width = 0
  }
  const segments = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(state.text)]
  for (const { segment, index } of segments) {
    if (index === state.cursor) cursor = { x: indent + width, y: rows.length }
    if (segment === '\n') {
      breakRow(more)
      continue
    }
    const cells = stringWidth(segment)
    if (width + cells > room) {
      breakRow(' '.repeat(indent))
      if (index === state.cursor) cursor = { x: indent, y: rows.length }
    }
    const wanted = styles[index] ?? ''
    if (wanted !== style) row += (style === '' ? '' : reset) + wanted
    style = wanted
    row += segment
    width += cells
  }
  if (state.cursor >= state.text.length) cursor = { x: indent + width, y: rows.length }
  breakRow('')
  return windowed(rows, cursor, options.rows)
}

/** The block as it goes into the scrollback, without cursor and window. */
export function paintWhole(text: string, options: Omit<PaintOptions, 'rows'>): string {
  const state: EditorState = { text, cursor: text.length, killed: '', history: [], at: 0, draft: '' }
  return paint({ ...state, cursor: -1 }, { ...options, rows: Number.POSITIVE_INFINITY }).rows.join('\n')
}

function windowed(rows: readonly string[], cursor: Painted['cursor'], limit: number): Painted {
  const visible = Math.max(1, limit)
  if (rows.length <= visible) return { rows, cursor }
  const first = Math.min(Math.max(0, cursor.y - visible + 1), rows.length - visible)
  return { rows: rows.slice(first, first + visible), cursor: { x: cursor.x, y: cursor.y - first } }
}

const reset = '\u001b[0m'
const colourOf: Readonly<Record<TokenKind, string>> = {
  keyword: '35',
  string: '32',
  number: '33',
  regex: '31',
  comment: '90',
  name: '',
  punctuation: '',
  space: '',
}

/** SGR sequence for each offset that needs one. */
function stylesOf(state: EditorState, options: PaintOptions): readonly string[] {
  const { tokens, pairs } = scan(state.text)
  const paired = bracketsAtCursor(state, pairs)
  const styles: string[] = []
  for (const token of tokens) {
    const codes = options.colours ? [colourOf[token.kind]] : []
    if (token.kind === 'name' && options.known.has(token.text)) codes.push('1')
    for (let at = token.start; at < token.end; at++) {
      // Underline, not colour: it must also be seen with NO_COLOR.
      const all = [...codes, ...(paired.has(at) ? ['4'] : [])].filter((code) => code !== '')
      styles[at] = all.length === 0 ? '' : `\u001b[${all.join(';')}m`
    }
  }
  return styles
}

function bracketsAtCursor(state: EditorState, pairs: ReadonlyMap<number, number>): ReadonlySet<number> {
  for (const at of [state.cursor, state.cursor - 1]) {
    const partner = pairs.get(at)
    if (partner !== undefined) return new Set([at, partner])
  }
  return new Set()
}
