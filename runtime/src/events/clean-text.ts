/* oxlint-disable no-control-regex, no-misleading-character-class -- control and combining characters are the subject of this file */

/**
 * Foreign text (names, arguments, results, errors, broker texts) made fit to be shown on one line: what would move a cursor, hide,
 * reorder or pile up is written as an escape, so that a reader sees that it was there. Line breaks become `\n`.
 */
export function cleanText(text: string): string {
  if (printable.test(text)) return text
  return text
    .replaceAll(hidden, (found, at: number) => (found === joiner && joins(text, at) ? found : escapeOf(found)))
    .replaceAll(piled, (_, kept: string) => kept)
    .replace(orphan, escapeOf)
}

/** The same for a text of several lines: its line breaks stay, tabs become two spaces. */
export function cleanBlock(text: string): string {
  return text
    .split(/\r\n|\n/u)
    .map((line) => cleanText(line.replaceAll('\t', '  ')))
    .join('\n')
}

const printable = /^[ -~]*$/
const joiner = '\u200d'

// C0, DEL, C1; soft hyphen; bidi controls; zero-width; separators; fillers; BOM; tags, variation selectors but VS16; lone surrogates.
const hidden =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\p{Cs}\p{Co}]/gu
// A mark without a base would join what is put before the text.
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
