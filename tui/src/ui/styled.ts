/* oxlint-disable no-control-regex -- styles are what is looked for */
import stringWidth from 'string-width'

const style = /(\u001b\[[\d;]*m)/u

/** The last `limit` rows of styled lines, each broken where the terminal ends; a style goes on in the next row. */
export function wrapStyled(lines: readonly string[], columns: number, limit: number): readonly string[] {
  let rows: string[] = []
  for (let i = lines.length - 1; i >= 0 && rows.length < limit; i--)
    rows = [...wrapOne(lines[i] ?? '', columns, limit), ...rows]
  return limit === 0 ? [] : rows.slice(-limit)
}

function wrapOne(line: string, columns: number, limit: number): readonly string[] {
  if (line.length <= columns) return [line]
  const rows: string[] = []
  let row = ''
  let width = 0
  let active = ''
  for (const part of line.split(style)) {
    if (style.test(part)) {
      active = /^\u001b\[0?m$/u.test(part) ? '' : active + part
      row += part
      continue
    }
    for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(part)) {
      const wide = stringWidth(segment)
      if (width + wide > columns) {
        rows.push(active === '' ? row : `${row}\u001b[0m`)
        if (rows.length > limit * 2) rows.shift()
        row = active
        width = 0
      }
      row += segment
      width += wide
    }
  }
  rows.push(row)
  return rows
}
