/* oxlint-disable no-control-regex -- control characters are the subject of this file */
/**
 * Text of others (what user code prints, values, errors, notes) made safe for a terminal: colours and styles stay, as
 * `util.inspect` makes them; every other control sequence is removed and what could deceive the eye is shown as an escape.
 */
export function cleanOutput(text: string): string {
  if (/^[\n\u0020-\u007e]*$/u.test(text)) return text
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(controlSequence, (sequence) => (sgr.test(sequence) ? sequence : ''))
    .replaceAll(
      hidden,
      (character) => escapes[character] ?? `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
    )
}

/** What may be typed or pasted into the editor: tabs become spaces, other control characters vanish. */
export function cleanInput(text: string): string {
  return text
    .replaceAll(/\r\n?/gu, '\n')
    .replaceAll('\t', '  ')
    .replaceAll(/[^\P{Cc}\n]/gu, '')
}

// CSI, then OSC, DCS, SOS, PM and APC with their text up to the terminator, then two-byte escapes.
const controlSequence =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]/gu
// Everything but 8, which conceals.
const sgr = /^\u001b\[(?:(?!0*8(?:;|m))\d*;?)*m$/u
const hidden =
  /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u200b\u200c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\p{Cs}]|\u001b(?!\[[\d;]*m)/gu
const escapes: Readonly<Record<string, string>> = { '\r': '\\r', '\b': '\\b', '\u001b': '\\e', '\u0007': '\\a' }
