import { keyLabel, type Place } from '../keymap.ts'
import type { ConsoleState, Prompt } from '../state.ts'
import { join, type Look, paint, type Painted } from '../ui/paint.ts'
import { clean, cut, own, widthOf } from '../ui/text.ts'

/** The keys of this place, as many as there is room for. */
export function hintsLine(state: ConsoleState, place: Place, look: Look): Painted {
  const { keymap, size } = state
  const parts: Painted[] = []
  let used = 0
  const own_ = keymap.filter((one) => one.place === place && place !== 'anywhere')
  const all = [...own_, ...keymap.filter((one) => one.place === 'anywhere')]
  for (const { hint, keys, changes } of all) {
    if (hint === undefined || keys.length === 0 || (changes === true && state.isReadOnly)) continue
    const key = clean(keyLabel(keys[0] ?? ''))
    const width = key.length + 1 + hint.length + 2
    if (used + width > size.columns - 1) break
    parts.push(paint(own` ${key}`, 'key', look), paint(own` ${clean(hint)}`, 'dim', look))
    used += width
  }
  return join(...parts)
}

export interface CommandLine {
  readonly text: Painted
  /** Column of the cursor while something is typed. */
  readonly cursor?: number | undefined
}

/** The lowest line: what is asked or typed, else the last command and its answer. */
export function commandLine(state: ConsoleState, look: Look): CommandLine {
  const { ui, size } = state
  const { ellipsis } = look.glyphs
  if (ui.question) return { text: paint(cut(own` ${ui.question.text} [y/N]`, size.columns, ellipsis), 'warning', look) }
  if (ui.prompt) return promptLine(ui.prompt, size.columns, look)
  const last = state.log.findLast(({ quiet }) => quiet !== true)
  if (last === undefined) return { text: paint(clean(''), 'plain', look) }
  const answer = last.answer === undefined ? clean('') : own`  ${last.answer}`
  const command = cut(
    own` $ ${last.command}`,
    last.answer === undefined ? size.columns : Math.max(12, Math.floor(size.columns * 0.6)),
    ellipsis,
  )
  return {
    text: join(
      paint(command, 'dim', look),
      paint(cut(answer, size.columns - widthOf(command), ellipsis), last.failed === true ? 'bad' : 'plain', look),
    ),
  }
}

function promptLine({ label, line }: Prompt, columns: number, look: Look): CommandLine {
  const room = Math.max(1, columns - widthOf(label) - 2)
  const before = clean(line.text.slice(0, line.cursor))
  // The end of what stands before the cursor is what must be seen.
  let start = 0
  const points = Array.from(before)
  while (start < points.length && widthOf(points.slice(start).join('')) >= room) start++
  const shown = clean(points.slice(start).join(''))
  const after = cut(clean(line.text.slice(line.cursor)), room - widthOf(shown), look.glyphs.ellipsis)
  return {
    text: join(paint(label, 'key', look), paint(own`${shown}${after}`, 'plain', look)),
    cursor: widthOf(label) + widthOf(shown),
  }
}
