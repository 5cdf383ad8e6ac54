import { bindings, type Place } from '../keymap.ts'
import type { ConsoleState } from '../store.ts'
import { moment } from '../ui/figures.ts'
import { join, type Look, paint, type Painted } from '../ui/paint.ts'
import { clean, cut, fit, own } from '../ui/text.ts'
import { keyLabel } from './footer.ts'

/** The help of a place, from the table of keys itself. */
export function helpLines(place: Place, columns: number, look: Look): readonly Painted[] {
  const line = (one: (typeof bindings)[number]): Painted => {
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
    ...bindings.filter((one) => one.place === each).map(line),
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
