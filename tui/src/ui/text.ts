/* oxlint-disable no-control-regex, no-misleading-character-class -- control and combining characters are the subject of this file */
import stringWidth from 'string-width'

declare const cleanMark: unique symbol

/** Text that a terminal can only print: it went through `clean`, or is a literal of ours. */
export type Clean = string & { readonly [cleanMark]: true }

/**
 * Foreign text (names, arguments, results, errors, broker texts) made fit to be shown: what would move the cursor, hide, reorder
 * or pile up is written as an escape, so that an operator sees that it was there. Line breaks become `\n`.
 */
export function clean(text: string): Clean {
  if (printable.test(text)) return text as Clean
  const shown = text
    .replaceAll(hidden, (found, at: number) => (found === joiner && joins(text, at) ? found : escapeOf(found)))
    .replaceAll(piled, (_, kept: string) => kept)
    .replace(orphan, escapeOf)
  return shown as Clean
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

const printable = /^[ -~]*$/
const ascii = printable
const joiner = '\u200d'

// C0, DEL, C1; soft hyphen; bidi controls; zero-width; separators; fillers; BOM; tags, variation selectors but VS16; lone surrogates.
const hidden =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\p{Cs}\p{Co}]/gu
// A mark without a base would join the space that we put before the text.
const orphan = /^[\p{M}\u0e33\u0eb3]/u
const piled = /(\p{M}{4})\p{M}+/gu
const names: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\e' }

function escapeOf(char: string): string {
  const code = char.codePointAt(0) ?? 0
  const hex = code.toString(16)
  return names[char] ?? (code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`)
}

/** Between two emoji it makes them one. */
function joins(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 4), at)
  return (
    /(?:\p{Extended_Pictographic}|\p{Emoji_Modifier})\ufe0f?$/u.test(before) &&
    /^\p{Extended_Pictographic}/u.test(text.slice(at + 1))
  )
}
