/**
 * Text of others for one line of the editor: line breaks become spaces, what cannot be seen or could deceive the eye (control
 * characters, direction marks) is written as an escape, and what is longer than `most` characters as a reader counts them ends in `…`.
 */
export function oneLine(text: string, most: number): string {
  const start = text.slice(0, most * 16)
  const clean = /^[ -~]*$/u.test(start)
    ? start
    : start
        .replaceAll(/[\r\n\t ]+/gu, ' ')
        .replaceAll(hidden, (one) => `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
  return shorten(clean.trim(), most, start.length < text.length)
}

function shorten(text: string, most: number, isCut: boolean): string {
  if (text.length <= most && !isCut) return text
  const letters: string[] = []
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (letters.length === most) return `${letters.slice(0, -1).join('')}…`
    letters.push(segment)
  }
  return isCut ? `${letters.slice(0, most - 1).join('')}…` : letters.join('')
}

// A joiner inside an emoji is part of it; alone it hides.
const hidden =
  /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|(?<!\p{Extended_Pictographic}\ufe0f?)\u200d/gu

/** `3 ms`, `1.2 s`, `2 min`. */
export function durationText(ms: number): string {
  if (ms < 1) return '<1 ms'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  return `${Math.floor(ms / 60_000)} min`
}

/** How long ago, coarse enough not to flicker: `5 s`, `2 min`, `3 h`, `4 d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds - (seconds % 5)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
