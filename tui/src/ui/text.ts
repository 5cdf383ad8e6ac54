import stringWidth from 'string-width'
import { cleanText } from 'tq-runtime/monitor'

declare const cleanMark: unique symbol

/** Text that a terminal can only print: it went through `clean`, or is a literal of ours. */
export type Clean = string & { readonly [cleanMark]: true }

/** Foreign text (names, arguments, results, errors, broker texts) made fit to be shown on one line: see `cleanText`. */
export function clean(text: string): Clean {
  return cleanText(text) as Clean
}

/** A text of ours with clean parts in it: own`took ${seconds} s`. */
export function own(texts: TemplateStringsArray, ...parts: readonly (Clean | number)[]): Clean {
  return String.raw({ raw: texts }, ...parts) as Clean
}

/** Lines of a foreign text, each clean. */
export function cleanLines(text: string): readonly Clean[] {
  return text.split(/\r\n|\n/u).map((line) => clean(line.replaceAll('\t', '  ')))
}

/** Exactly `width` columns: cut with an ellipsis, or filled with spaces at the end (or, `right`, at the start). */
export function fit(text: Clean, width: number, align: 'left' | 'right' = 'left', ellipsis = '…'): Clean {
  if (width <= 0) return '' as Clean
  const short = cut(text, width, ellipsis)
  const fill = ' '.repeat(Math.max(0, width - widthOf(short)))
  return (align === 'left' ? short + fill : fill + short) as Clean
}

/** At most `width` columns. */
export function cut(text: Clean, width: number, ellipsis = '…'): Clean {
  if (width <= 0) return '' as Clean
  if (ascii.test(text)) {
    return text.length <= width ? text : ((text.slice(0, width - 1) + ellipsis) as Clean)
  }
  // What is far too long is not measured as a whole: no grapheme that counts takes more than 64 units of text.
  const head = text.length > width * 64 ? text.slice(0, width * 64) : text
  if (head.length === text.length && stringWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const { segment } of graphemes(head)) {
    const wide = stringWidth(segment)
    if (used + wide > width - 1) break
    kept += segment
    used += wide
  }
  return (kept + ellipsis) as Clean
}

/** Lines of at most `width` columns, broken after a space where there is one in the last third; at most `limit` lines. */
export function wrap(text: Clean, width: number, limit = 1000): readonly Clean[] {
  const lines: Clean[] = []
  const room = Math.max(1, width)
  let rest: string = text
  while (lines.length < limit) {
    const taken = head(rest, room)
    if (taken === rest.length) break
    const space = rest.lastIndexOf(' ', taken)
    const end = space > (taken * 2) / 3 ? space + 1 : taken
    lines.push(within(rest.slice(0, end).trimEnd(), room))
    rest = rest.slice(end)
  }
  if (lines.length < limit) lines.push(within(rest, room))
  return lines
}

/** One grapheme can be wider than a narrow pane. */
function within(line: string, room: number): Clean {
  return (widthOf(line) > room ? '…' : line) as Clean
}

/** Columns of a clean text. */
export function widthOf(text: string): number {
  return ascii.test(text) ? text.length : stringWidth(text)
}

/** How much of the text fits into `room` columns, one grapheme at least. */
function head(text: string, room: number): number {
  if (ascii.test(text)) return Math.min(text.length, room)
  let used = 0
  let end = 0
  for (const { segment } of graphemes(text.slice(0, room * 64))) {
    used += stringWidth(segment)
    if (used > room && end > 0) return end
    end += segment.length
  }
  return end
}

function graphemes(text: string): Intl.Segments {
  return new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)
}

const ascii = /^[ -~]*$/
