import type { Key } from 'ink'
import type { KeyName, KeyPress } from '../repl/keys.ts'

/** Ink hands over what one read brought: a key, or several characters, an Enter among them. Runs of text stay together. */
export function pressesOf(input: string, key: Key): readonly KeyPress[] {
  const name = nameOf(key)
  const modifiers = { ctrl: key.ctrl, meta: key.meta && name !== 'escape', shift: key.shift }
  if (name !== undefined) return [{ input: '', name, ...modifiers }]
  if (key.ctrl || key.meta || input.length <= 1) return [{ input, ...modifiers }]
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  const parts = input.split(/(\r\n|[\u0000-\u001f\u007f])/u)
  return parts.filter((part) => part !== '').map(pressOf)
}

/** The same with every character a press of its own: `jjj` is three steps down. */
export function keysOf(input: string, key: Key): readonly KeyPress[] {
  return pressesOf(input, key).flatMap((press) => {
    if (press.input.length <= 1) return [press]
    const characters = new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(press.input)
    return Array.from(characters, ({ segment }) => ({ ...press, input: segment }))
  })
}

/** A run of characters, or one control character, from the middle of a chunk: Ink names only those that come alone. */
function pressOf(part: string): KeyPress {
  const plain = { ctrl: false, meta: false, shift: false }
  const code = part.charCodeAt(0)
  if (code >= 32 && code !== 127) return { input: part, ...plain }
  const name = controlNames[code]
  if (name !== undefined) return { input: '', name, ...plain }
  return { input: String.fromCharCode(code + 96), ...plain, ctrl: true }
}

const controlNames: Readonly<Record<number, KeyName>> = {
  8: 'backspace',
  9: 'tab',
  10: 'enter',
  13: 'enter',
  27: 'escape',
  127: 'backspace',
}

function nameOf(key: Key): KeyName | undefined {
  if (key.upArrow) return 'up'
  if (key.downArrow) return 'down'
  if (key.leftArrow) return 'left'
  if (key.rightArrow) return 'right'
  if (key.home) return 'home'
  if (key.end) return 'end'
  if (key.pageUp) return 'pageUp'
  if (key.pageDown) return 'pageDown'
  if (key.return) return 'enter'
  if (key.tab) return 'tab'
  if (key.backspace) return 'backspace'
  if (key.delete) return 'delete'
  return key.escape ? 'escape' : undefined
}
