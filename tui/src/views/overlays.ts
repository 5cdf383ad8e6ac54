import { type Binding, keyLabel, type Keymap, type Place } from '../keymap.ts'
import type { ConsoleState, MenuItem } from '../state.ts'
import { moment } from '../ui/figures.ts'
import { join, type Look, paint, type Painted } from '../ui/paint.ts'
import { type Clean, clean, cut, fit, own, wrap } from '../ui/text.ts'

/** The help of a place, from the table of keys itself. */
export function helpLines(keymap: Keymap, place: Place, columns: number, look: Look): readonly Painted[] {
  const line = (one: Binding): Painted => {
    const keys = clean(one.keys.map(keyLabel).join(' '))
    return join(
      paint(own`  ${fit(keys, 14, 'left', look.glyphs.ellipsis)} `, 'key', look),
      paint(cut(clean(one.does), columns - 17, look.glyphs.ellipsis), 'plain', look),
    )
  }
  const titles: Readonly<Record<Place, string>> = { task: 'On a task', worker: 'On a worker', anywhere: 'Everywhere' }
  const places: readonly Place[] = place === 'worker' ? ['worker', 'anywhere', 'task'] : ['task', 'anywhere', 'worker']
  return places.flatMap((each) => [
    paint(clean(titles[each]), 'bold', look),
    ...keymap.filter((one) => one.place === each && one.keys.length > 0).map(line),
    paint(clean(''), 'plain', look),
  ])
}

/** Every command of this session and its answer, the newest first. */
export function logLines(state: ConsoleState, columns: number, look: Look): readonly Painted[] {
  if (state.log.length === 0) return [paint(clean('No command was sent yet.'), 'dim', look)]
  return state.log.toReversed().flatMap((entry) => {
    const time = own`${clean(moment(entry.atMs, look.utc).slice(11, 19))} `
    const first = join(
      paint(time, 'dim', look),
      paint(cut(own`$ ${entry.command}`, columns - 9, look.glyphs.ellipsis), 'plain', look),
    )
    if (entry.answer === undefined) return [first]
    const style = entry.failed === true ? 'bad' : 'dim'
    return [first, paint(cut(own`         ${entry.answer}`, columns, look.glyphs.ellipsis), style, look)]
  })
}

/** A menu: its choices with their numbers. */
export function menuLines(state: ConsoleState, columns: number, look: Look): readonly Painted[] {
  const { menu } = state.ui
  if (menu === undefined) return []
  const here = menu.items[menu.at]
  const text = here?.pick === 'copy' ? wrap(clean(here.text), columns) : []
  return [
    paint(menu.title, 'bold', look),
    ...menu.items.map((item, i) => {
      const text = cut(own` ${i + 1} ${menuLabel(item, state)}`, columns - 1, look.glyphs.ellipsis)
      const isHere = i === menu.at
      return paint(
        own`${clean(isHere ? '>' : ' ')}${text}`,
        isHere ? (look.colour ? 'inverse' : 'bold') : 'plain',
        look,
      )
    }),
    paint(
      clean(menu.items[0]?.pick === 'column' ? 'Space or a number: show or not' : 'Enter or a number takes'),
      'dim',
      look,
    ),
    paint(clean('Esc closes'), 'dim', look),
    paint(clean(''), 'plain', look),
    ...text.map((row) => paint(row, 'plain', look)),
  ]
}

/** What a choice says. */
export function menuLabel(item: MenuItem, { ui }: ConsoleState): Clean {
  if (item.pick !== 'column') return item.label
  return clean(`[${ui.hiddenColumns.has(item.column) ? ' ' : 'x'}] ${item.column}`)
}
