import { isAlive, ratesOf } from 'tq-runtime/monitor'
import { type Intent, labelOf } from '../keymap.ts'
import type { ConsoleState, ViewName } from '../state.ts'
import { age, count } from '../ui/figures.ts'
import { join, type Look, paint, type Painted } from '../ui/paint.ts'
import { type Clean, clean, cut, own, widthOf } from '../ui/text.ts'

export interface Edges {
  readonly left: Painted
  readonly right: Painted
}

/** ` tq  embedded ●live  3 workers  18/24 busy  412 tasks/min  0.4% failed      ?help :cmd /filter`. */
export function headerLine(state: ConsoleState, look: Look): Edges {
  const { columns } = state.size
  const { connection, cluster, nowMs } = state
  const alive = [...cluster.workers.values()].filter((worker) => isAlive(worker, nowMs))
  const busy = alive.reduce((sum, { active }) => sum + active, 0)
  const known = alive.flatMap(({ hostname }) => state.slots.get(hostname) ?? [])
  const slots = known.length > 0 && known.length === alive.length ? known.reduce((sum, one) => sum + one, 0) : undefined
  const rates = ratesOf(cluster, nowMs)
  const ended = rates.succeeded + rates.failed
  const parts: Clean[] = [
    own`${alive.length} ${clean(alive.length === 1 ? 'worker' : 'workers')}`,
    slots === undefined ? own`${busy} busy` : own`${busy}/${slots} busy`,
    own`${count(rates.received * 60)} tasks/min`,
  ]
  if (ended > 0) parts.push(clean(`${((100 * rates.failed) / ended).toFixed(1)}% failed`))
  const light = connectionLight(state, look)
  const readOnly = state.isReadOnly ? own`  read-only` : clean('')
  const room = columns - widthOf(light.text) - readOnly.length - 4
  const broker = cut(connection.broker, Math.max(8, Math.floor(room / 2)), look.glyphs.ellipsis)
  let figures = clean('')
  for (const part of parts) {
    const longer = own`${figures}  ${part}`
    if (widthOf(broker) + widthOf(longer) + 2 > room) break
    figures = longer
  }
  const key = (intent: Intent): string => labelOf(intent, state.keymap)
  const help = clean(`${key('help')}help ${key('command')}cmd ${key('filter')}filter`)
  const used = 4 + widthOf(broker) + 1 + widthOf(light.text) + readOnly.length + widthOf(figures)
  return {
    left: join(
      paint(clean(' tq '), 'bold', look),
      paint(own`${broker} `, 'plain', look),
      light.painted,
      paint(readOnly, 'warning', look),
      paint(figures, 'plain', look),
    ),
    right: used + help.length + 2 <= columns ? paint(own`${help} `, 'dim', look) : paint(clean(''), 'plain', look),
  }
}

function connectionLight(state: ConsoleState, look: Look): { readonly text: Clean; readonly painted: Painted } {
  switch (state.connection.state) {
    case 'live': {
      const text = clean(`${look.glyphs.live}live`)
      return { text, painted: paint(text, 'ok', look) }
    }
    case 'connecting': {
      const text = clean(`${look.glyphs.stale}connecting`)
      return { text, painted: paint(text, 'dim', look) }
    }
    case 'lost': {
      const text = clean(`${look.glyphs.stale}lost`)
      return { text, painted: paint(text, 'bad', look) }
    }
  }
}

/** The banner while the broker cannot be reached. */
export function bannerLine(state: ConsoleState, look: Look): Painted | undefined {
  const { connection, nowMs, size } = state
  if (connection.state !== 'lost') return undefined
  const inSeconds =
    connection.retryAtMs === undefined ? undefined : Math.max(0, Math.ceil((connection.retryAtMs - nowMs) / 1000))
  const next = inSeconds === undefined ? clean('reconnecting') : own`next try in ${inSeconds}s`
  const reason = connection.reason === undefined ? clean('') : own`: ${connection.reason}`
  const text = own` broker lost ${age(nowMs - connection.sinceMs)} ago, ${next}, ${clean(labelOf('reconnect', state.keymap))} tries now${reason}`
  return paint(cut(text, size.columns, look.glyphs.ellipsis), 'warning', look)
}

const tabs: readonly {
  readonly view: ViewName
  readonly title: string
  readonly short: string
}[] = [
  { view: 'tasks', title: 'Tasks', short: 'Task' },
  { view: 'running', title: 'Running', short: 'Run' },
  { view: 'workers', title: 'Workers', short: 'Wrk' },
  { view: 'queues', title: 'Queues', short: 'Que' },
  { view: 'scheduled', title: 'Scheduled', short: 'Sch' },
  { view: 'failed', title: 'Failed', short: 'Fail' },
  { view: 'repl', title: 'REPL', short: 'REPL' },
]

/** `1 Tasks  2 Running …` and, at the right, the filter and whether the list is frozen. */
export function tabsLine(state: ConsoleState, look: Look): Edges {
  const { ui, cluster, size } = state
  const failed = cluster.counts['FAILURE'] ?? 0
  const titleOf = (tab: (typeof tabs)[number], form: 'title' | 'short' | 'key'): Clean => {
    const key = labelOf(tab.view, state.keymap)
    const extra = tab.view === 'failed' && failed > 0 && form !== 'key' ? `(${count(failed)})` : ''
    return clean(
      form === 'key' && tab.view !== ui.view ? key : `${key} ${form === 'key' ? tab.title : tab[form]}${extra}`,
    )
  }
  const notes = notesOf(state)
  const widthIn = (form: 'title' | 'short' | 'key'): number =>
    1 + tabs.reduce((sum, tab) => sum + titleOf(tab, form).length + 2, 0)
  const forms = ['title', 'short', 'key'] as const
  const form =
    forms.find((one) => widthIn(one) + (notes === '' ? 0 : Math.min(widthOf(notes), 20) + 1) <= size.columns) ?? 'key'
  const painted = tabs.flatMap((tab) => [
    paint(clean(tab.view === ui.view ? '[' : ' '), 'bold', look),
    paint(titleOf(tab, form), tab.view === ui.view ? 'bold' : 'dim', look),
    paint(clean(tab.view === ui.view ? ']' : ' '), 'bold', look),
  ])
  const room = size.columns - widthIn(form) - 1
  return {
    left: join(...painted),
    right: room < 4 ? paint(clean(''), 'plain', look) : paint(cut(notes, room, look.glyphs.ellipsis), 'warning', look),
  }
}

function notesOf({ ui, cluster, dropped }: ConsoleState): Clean {
  const notes: Clean[] = []
  if (ui.frozen) {
    const since = cluster.evicted + cluster.tasks.size - ui.frozen.evicted - ui.frozen.tasks.size
    notes.push(own`frozen, ${since} new`)
  }
  if (ui.marks.size > 0) notes.push(own`${ui.marks.size} marked`)
  if (ui.filter !== '') notes.push(own`filter: ${clean(ui.filter)}`)
  if (cluster.evicted > 0) notes.push(own`${count(cluster.evicted)} older not kept`)
  if (dropped > 0) notes.push(own`${count(dropped)} events lost`)
  return clean(notes.join('  '))
}
