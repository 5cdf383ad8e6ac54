// What a terminal would obey instead of showing: C0 without tab and newline, DEL, C1, bidi controls.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** A foreign text made safe to print: control characters are shown, not obeyed. Tab and newline stay. */
export function printable(text: string): string {
  return text.replace(unsafe, (ch) => `\\u${ch.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
