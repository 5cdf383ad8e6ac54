import type { ClusterState } from 'tq-runtime/monitor'
import type { QueueView } from '../state.ts'
import { age, count } from '../ui/figures.ts'
import { join, type Look, paint, type Painted } from '../ui/paint.ts'
import { type Clean, clean, cut, fit, own, widthOf } from '../ui/text.ts'
import { type DetailOptions, labelled } from './task-detail.ts'
import { noHead, type RowText } from './tasks.ts'

const titles = [
  { title: clean('READY'), width: 6 },
  { title: clean('HELD'), width: 5 },
  { title: clean('PARKED'), width: 6 },
  { title: clean('OLDEST'), width: 6 },
  { title: clean('WORKERS'), width: 7 },
]

export function queueHeader(columns: number, look: Look): RowText {
  const right = clean(
    ` ${shown(columns)
      .map(({ title, width }) => fit(title, width, 'right'))
      .join(' ')}`,
  )
  return { head: noHead, left: paint(clean('  QUEUE'), 'dim', look), right: paint(right, 'dim', look) }
}

export function queueRow(
  queue: QueueView,
  options: { readonly columns: number; readonly look: Look; readonly isSelected: boolean },
): RowText {
  const { columns, look, isSelected } = options
  const figures: readonly Clean[] = [
    count(queue.ready),
    count(queue.held),
    count(queue.parked),
    queue.oldestMs === undefined ? clean('') : age(queue.oldestMs),
    queue.consumers === undefined ? clean('?') : own`${queue.consumers}`,
  ]
  const right = clean(
    ` ${shown(columns)
      .map((column) => fit(figures[titles.indexOf(column)] ?? clean(''), column.width, 'right'))
      .join(' ')}`,
  )
  const room = columns - widthOf(right)
  const left = own`${isSelected ? clean('> ') : clean('  ')}${clean(queue.name)}`
  if (isSelected) {
    const style = look.colour ? 'inverse' : 'bold'
    return {
      head: noHead,
      left: paint(fit(left, room, 'left', look.glyphs.ellipsis), style, look),
      right: paint(right, style, look),
    }
  }
  const style = isForgotten(queue) ? 'bad' : 'plain'
  return {
    head: noHead,
    left: paint(cut(left, room, look.glyphs.ellipsis), style, look),
    right: paint(right, style, look),
  }
}

export function queueDetail(queue: QueueView, cluster: ClusterState, options: DetailOptions): readonly Painted[] {
  const { look } = options
  const field = (label: string, value: Clean): readonly Painted[] => labelled(clean(label), value, options)
  const lines = [
    join(paint(clean(queue.name), 'bold', look)),
    ...field('ready', own`${queue.ready}`),
    ...field('held', own`${queue.held} by workers`),
    ...field('parked', own`${queue.parked} for a later time`),
    ...field('oldest', queue.oldestMs === undefined ? clean('') : age(queue.oldestMs)),
    ...field('workers', queue.consumers === undefined ? clean('unknown') : own`${queue.consumers}`),
    ...field('tasks', own`${[...cluster.tasks.values()].filter((task) => task.queue === queue.name).length} seen here`),
  ]
  if (!isForgotten(queue)) return lines
  return [
    ...lines,
    paint(clean(''), 'plain', look),
    paint(clean('Messages wait and no worker consumes it:'), 'bad', look),
    paint(own`  tq worker -Q ${clean(queue.name)}`, 'plain', look),
  ]
}

function isForgotten(queue: QueueView): boolean {
  return queue.consumers === 0 && queue.ready > 0
}

function shown(columns: number): typeof titles {
  return columns >= 50 ? titles : titles.filter((_, i) => i === 0 || i === 4)
}
