import type { Key } from 'ink'
import type { KeyName, KeyPress } from './repl/keys.ts'

/** Ink hands over what one read brought: a key, or several characters, an Enter among them. */
export function pressesOf(input: string, key: Key): readonly KeyPress[] {
  const name = nameOf(key)
  const modifiers = { ctrl: key.ctrl, meta: key.meta && name !== 'escape', shift: key.shift }
  if (name !== undefined) return [{ input: '', name, ...modifiers }]
  if (key.ctrl || key.meta || input.length <= 1) return [{ input, ...modifiers }]
  const presses: KeyPress[] = []
  for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(input)) {
    presses.push(pressOf(segment))
  }
  return presses
}

/** One character from the middle of a chunk: Ink names only keys that come alone. */
function pressOf(character: string): KeyPress {
  const plain = { ctrl: false, meta: false, shift: false }
  const code = character.charCodeAt(0)
  if (code >= 32 && code !== 127) return { input: character, ...plain }
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
