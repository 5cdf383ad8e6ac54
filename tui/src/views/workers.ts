import { isAlive, type WorkerView } from 'tq-runtime/monitor'
import type { Inspected } from '../state.ts'
import { age, count, shortMoment } from '../ui/figures.ts'
import { join, type Look, paint, type Painted } from '../ui/paint.ts'
import { type Clean, clean, cut, fit, own, widthOf, wrap } from '../ui/text.ts'
import { type DetailOptions, labelled } from './task-detail.ts'
import { noHead, type RowText } from './tasks.ts'

const numbers = [
  { title: clean('BUSY'), width: 7 },
  { title: clean('DONE'), width: 6 },
  { title: clean('LOAD'), width: 5 },
  { title: clean('PID'), width: 8 },
  { title: clean('SEEN'), width: 5 },
]
const stateWidth = 9

export function workerHeader(columns: number, look: Look): RowText {
  const right = clean(
    ` ${shown(columns)
      .map(({ title, width }) => fit(title, width, 'right'))
      .join(' ')}`,
  )
  return {
    head: noHead,
    left: paint(own`  ${fit(clean('STATE'), stateWidth)} WORKER`, 'dim', look),
    right: paint(right, 'dim', look),
  }
}

/** A worker that has not been heard of in time is grey and shows since when. */
export function workerRow(
  worker: WorkerView,
  options: {
    readonly columns: number
    readonly look: Look
    readonly nowMs: number
    readonly isSelected: boolean
    readonly slots: number | undefined
    readonly isStale: boolean
  },
): RowText {
  const { columns, look, nowMs, isSelected, slots, isStale } = options
  const alive = isAlive(worker, nowMs) && !isStale
  const busy = slots === undefined ? own`${worker.active}` : own`${worker.active}/${slots}`
  const [load] = worker.loadavg
  const figures = [
    busy,
    count(worker.processed),
    load === undefined ? clean('') : clean(load.toFixed(1)),
    own`${worker.pid}`,
    age(nowMs - worker.lastSeenMs),
  ]
  const visible = shown(columns)
  const right = clean(
    ` ${visible.map((column) => fit(figures[numbers.indexOf(column)] ?? clean(''), column.width, 'right')).join(' ')}`,
  )
  const room = columns - widthOf(right)
  const left = own`${isSelected ? clean('> ') : clean('  ')}${fit(workerState(worker, nowMs, look), stateWidth)} ${clean(worker.hostname)}`
  if (isSelected) {
    const style = look.colour ? 'inverse' : 'bold'
    return {
      head: noHead,
      left: paint(fit(left, room, 'left', look.glyphs.ellipsis), style, look),
      right: paint(right, style, look),
    }
  }
  return {
    head: noHead,
    left: paint(cut(left, room, look.glyphs.ellipsis), alive ? 'plain' : 'stale', look),
    right: paint(right, alive ? 'plain' : 'stale', look),
  }
}

export function workerState(worker: WorkerView, nowMs: number, look: Look): Clean {
  if (worker.offline) return clean(`${look.glyphs.stale} OFFLINE`)
  return isAlive(worker, nowMs) ? clean(`${look.glyphs.live} ONLINE`) : clean(`${look.glyphs.stale} STALE`)
}

export function workerDetail(
  worker: WorkerView,
  inspected: Inspected | undefined,
  options: DetailOptions,
): readonly Painted[] {
  const { look, nowMs } = options
  const lines: Painted[] = [
    join(
      paint(workerState(worker, nowMs, look), isAlive(worker, nowMs) ? 'ok' : 'stale', look),
      paint(own` ${clean(worker.hostname)}`, 'bold', look),
    ),
  ]
  const field = (label: string, value: Clean): void => {
    if (value !== '') lines.push(...labelled(clean(label), value, options))
  }
  field('pid', own`${worker.pid}`)
  field('software', clean(`${worker.swIdent} ${worker.swVer} ${worker.swSys}`.trim()))
  field('active', own`${worker.active}`)
  field('done', own`${worker.processed}`)
  field('load', clean(worker.loadavg.map((one) => one.toFixed(2)).join(' ')))
  field('beat', clean(`every ${worker.freq} s`))
  field('seen', own`${shortMoment(worker.lastSeenMs, nowMs, look.utc)}  ${age(nowMs - worker.lastSeenMs)} ago`)
  lines.push(paint(clean(''), 'plain', look))
  if (inspected === undefined) {
    lines.push(paint(clean('i asks it what it is doing'), 'dim', look))
    return lines
  }
  lines.push(paint(own`asked ${age(nowMs - inspected.atMs)} ago`, 'dim', look))
  for (const line of inspected.lines) {
    const parts = options.wrap ? wrap(line, options.columns) : [cut(line, options.columns, look.glyphs.ellipsis)]
    for (const part of parts) lines.push(paint(part, 'plain', look))
  }
  return lines
}

function shown(columns: number): typeof numbers {
  if (columns >= 66) return numbers
  return columns >= 44 ? numbers.filter((_, i) => i !== 2 && i !== 3) : numbers.filter((_, i) => i === 0 || i === 4)
}
