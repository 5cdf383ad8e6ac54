import type { TaskView } from 'tq-runtime/monitor'
import type { Sort } from '../store.ts'
import { age, runtime, shortId, shortMoment } from '../ui/figures.ts'
import { join, type Look, paint, type Painted, styleOfState } from '../ui/paint.ts'
import { type Clean, clean, cleanLines, cut, fit, own, widthOf, wrap } from '../ui/text.ts'

/** A row: its state, then what stands at its left and at its right end; each no wider than its column. */
export interface RowText {
  /** `headWidth` columns in a list of tasks; empty elsewhere. */
  readonly head: Painted
  readonly left: Painted
  readonly right: Painted
}

/** The head of rows that have none. */
export const noHead = '' as Painted

export interface RowMarks {
  readonly isSelected: boolean
  readonly isMarked: boolean
  /** The broker is lost: nobody knows how it stands now. */
  readonly isStale: boolean
}

interface Column {
  readonly title: Clean
  readonly width: number
  readonly sort?: Sort | undefined
  readonly align?: 'right' | undefined
  readonly text: (task: TaskView, nowMs: number) => Clean
}

export interface TaskColumns {
  readonly nameWidth: number
  readonly argsWidth: number
  readonly stateWidth: number
  readonly right: readonly Column[]
  readonly columns: number
}

const stateWidth = 9
/** Cursor, mark and state: a column of its own, as its glyphs take longer to measure than plain ASCII. */
export const headWidth = stateWidth + 2
const idWidth = 8
const rightColumns: readonly (Column & { readonly drop: number })[] = [
  { title: clean('WORKER'), width: 12, sort: 'worker', drop: 2, text: ({ worker = '' }) => clean(worker) },
  { title: clean('QUEUE'), width: 8, sort: 'queue', drop: 1, text: ({ queue = '' }) => clean(queue) },
  { title: clean('TRY'), width: 3, align: 'right', drop: 3, text: ({ retries }) => own`${retries + 1}` },
  {
    title: clean('RUNTIME'),
    width: 8,
    align: 'right',
    sort: 'runtime',
    drop: 4,
    text: (task, nowMs) => runtimeOf(task, nowMs),
  },
  {
    title: clean('AGE'),
    width: 5,
    align: 'right',
    sort: 'age',
    drop: 9,
    text: (task, nowMs) => age(nowMs - task.order.timestampMs),
  },
]

/** What a width has room for: ARGS goes first, then QUEUE, WORKER, TRY and RUNTIME; STATE and NAME stay. */
export function taskColumns(columns: number): TaskColumns {
  const least = 1 + 1 + stateWidth + 1 + 14 + 1 + idWidth
  let right = [...rightColumns]
  const width = (): number => right.reduce((sum, column) => sum + column.width + 1, 0)
  while (right.length > 1 && least + width() > columns) {
    const first = Math.min(...right.map(({ drop }) => drop))
    right = right.filter(({ drop }) => drop !== first)
  }
  const room = columns - width() - (1 + 1 + stateWidth + 1 + 1 + idWidth)
  const nameWidth = Math.max(4, Math.min(room, Math.max(14, Math.min(32, Math.floor(room * 0.45)))))
  const argsWidth = room - nameWidth - 1
  return argsWidth >= 10
    ? { nameWidth, argsWidth, stateWidth, right, columns }
    : { nameWidth: Math.max(4, room), argsWidth: 0, stateWidth, right, columns }
}

export function taskHeader(columns: TaskColumns, sort: Sort, look: Look): RowText {
  const mark = look.glyphs.down
  const title = (text: string, key: Sort | undefined): Clean => clean(key === sort ? `${text}${mark}` : text)
  const left = [
    fit(title('NAME', 'name'), columns.nameWidth),
    fit(clean('ID'), idWidth),
    columns.argsWidth > 0 ? clean('ARGS') : clean(''),
  ]
  const right = columns.right.map((column) => fit(title(column.title, column.sort), column.width, column.align))
  return {
    head: paint(own`  ${fit(title('STATE', 'state'), stateWidth)}`, 'dim', look),
    left: paint(clean(` ${left.join(' ').trimEnd()}`), 'dim', look),
    right: paint(clean(` ${right.join(' ')}`), 'dim', look),
  }
}

/** Rows as ready strings, made again only when something of them has changed. */
export class TaskPainter {
  readonly #look: Look
  readonly #made = new WeakMap<TaskView, { readonly key: string; readonly row: RowText }>()

  constructor(look: Look) {
    this.#look = look
  }

  row(task: TaskView, columns: TaskColumns, nowMs: number, marks: RowMarks): RowText {
    const isRunning = task.state === 'STARTED'
    const key = `${columns.columns} ${isRunning ? nowMs : age(nowMs - task.order.timestampMs)} ${marks.isSelected} ${marks.isMarked} ${marks.isStale}`
    const known = this.#made.get(task)
    if (known?.key === key) return known.row
    const row = this.#paint(task, columns, nowMs, marks)
    this.#made.set(task, { key, row })
    return row
  }

  #paint(task: TaskView, columns: TaskColumns, nowMs: number, { isSelected, isMarked, isStale }: RowMarks): RowText {
    const look = this.#look
    const { ellipsis } = look.glyphs
    const sign = isSelected ? clean('>') : isMarked ? clean('*') : clean(' ')
    const state = fit(stateText(task.state, look), stateWidth, 'left', ellipsis)
    const name = fit(clean(task.name === '' ? '?' : task.name), columns.nameWidth, 'left', ellipsis)
    const args = columns.argsWidth > 0 ? own` ${cut(callText(task), columns.argsWidth, ellipsis)}` : clean('')
    const rest = own` ${name} ${fit(shortId(task.uuid), idWidth)}${args}`
    const right = clean(
      ` ${columns.right.map((column) => fit(column.text(task, nowMs), column.width, column.align, ellipsis)).join(' ')}`,
    )
    const head = own`${sign}${isMarked && isSelected ? clean('*') : clean(' ')}${state}`
    if (isSelected) {
      // Inverse to the edge: the fill must be inside the styled run.
      const room = columns.columns - headWidth - widthOf(right)
      const style = look.colour ? 'inverse' : 'bold'
      return {
        head: paint(head, style, look),
        left: paint(fit(rest, room, 'left', ellipsis), style, look),
        right: paint(right, style, look),
      }
    }
    return {
      head: paint(head, isStale ? 'stale' : styleOfState(task.state), look),
      left: paint(clean(rest.trimEnd()), isStale ? 'stale' : 'plain', look),
      right: paint(right, 'dim', look),
    }
  }

  /** For narrow terminals: `✓ OK mail.send 4s`. */
  card(task: TaskView, columns: number, nowMs: number, { isSelected, isMarked, isStale }: RowMarks): Painted {
    const look = this.#look
    const { ellipsis } = look.glyphs
    const sign = own`${isSelected ? clean('>') : clean(' ')}${isMarked ? clean('*') : clean('')}`
    const state = fit(stateText(task.state, look), stateWidth, 'left', ellipsis)
    const end = own` ${fit(age(nowMs - task.order.timestampMs), 4, 'right')}`
    const name = fit(
      own`${clean(task.name === '' ? '?' : task.name)} ${callText(task)}`,
      columns - sign.length - stateWidth - 1 - end.length,
      'left',
      ellipsis,
    )
    if (isSelected) return paint(own`${sign}${state} ${name}${end}`, look.colour ? 'inverse' : 'bold', look)
    if (isStale) return paint(own`${sign}${state} ${name}${end}`, 'stale', look)
    return join(
      paint(own`${sign}${state}`, styleOfState(task.state), look),
      paint(own` ${name}`, 'plain', look),
      paint(end, 'dim', look),
    )
  }
}

/** Shape and word of a state; a custom state is its own word. */
export function stateText(state: string, look: Look): Clean {
  return clean(look.glyphs.states[state] ?? state)
}

/** `(2, 2)`, `(2, 2) {'k': 3}`. */
function callText({ args, kwargs }: TaskView): Clean {
  return clean(kwargs === '' || kwargs === '{}' ? args : `${args} ${kwargs}`)
}

function runtimeOf(task: TaskView, nowMs: number): Clean {
  if (task.runtime !== undefined) return runtime(task.runtime)
  if (task.state === 'STARTED' && task.startedMs !== undefined) return age(nowMs - task.startedMs)
  return clean('')
}

export interface DetailOptions {
  readonly look: Look
  readonly nowMs: number
  readonly columns: number
  readonly wrap: boolean
}

/** All that is known of a task, in lines of the given width. */
export function taskDetail(task: TaskView, options: DetailOptions): readonly Painted[] {
  const { look, nowMs } = options
  const lines: Painted[] = []
  const plain = (text: Clean): Painted => paint(text, 'plain', look)
  const time = (ms: number | undefined): Clean | undefined =>
    ms === undefined ? undefined : own`${shortMoment(ms, nowMs, look.utc)}  ${age(nowMs - ms)} ago`
  const field = (label: string, value: Clean | undefined): void => {
    if (value !== undefined && value !== '') lines.push(...labelled(clean(label), value, options))
  }
  lines.push(
    join(
      paint(stateText(task.state, look), styleOfState(task.state), look),
      plain(clean(' ')),
      paint(clean(task.name), 'bold', look),
    ),
  )
  // Without a label it fits beside a list of 75 columns.
  for (const part of wrap(clean(task.uuid), options.columns)) lines.push(paint(part, 'dim', look))
  field('args', clean(task.args))
  if (task.kwargs !== '{}') field('kwargs', clean(task.kwargs))
  field('result', task.result === undefined ? undefined : clean(task.result))
  field('error', task.exception === undefined ? undefined : clean(task.exception))
  field('worker', task.worker === undefined ? undefined : clean(task.worker))
  field('queue', task.queue === undefined ? undefined : clean(task.queue))
  field('runtime', task.runtime === undefined ? undefined : runtime(task.runtime))
  field('try', task.retries > 0 ? own`${task.retries + 1}` : undefined)
  field('eta', task.eta === undefined ? undefined : clean(task.eta))
  field('expires', task.expires === undefined ? undefined : clean(task.expires))
  field('sent', time(task.sentMs))
  field('received', time(task.receivedMs))
  field('started', time(task.startedMs))
  field('retried', time(task.retriedMs))
  field('finished', time(task.finishedMs))
  field('sent by', task.client === undefined ? undefined : clean(task.client))
  field('parent', task.parentId === undefined ? undefined : clean(task.parentId))
  field('root', task.rootId === undefined || task.rootId === task.uuid ? undefined : clean(task.rootId))
  if (task.traceback !== undefined && task.traceback !== '') {
    lines.push(plain(clean('')), paint(clean('traceback'), 'dim', look))
    for (const line of cleanLines(task.traceback)) {
      const parts = options.wrap ? wrap(line, options.columns) : [cut(line, options.columns, look.glyphs.ellipsis)]
      for (const part of parts) lines.push(plain(part))
    }
  }
  return lines
}

/** Index of the line from which the traceback is shown; 0 without one. */
export function tracebackLine(task: TaskView, options: DetailOptions): number {
  if (task.traceback === undefined || task.traceback === '') return 0
  return taskDetail({ ...task, traceback: undefined }, options).length + 1
}

const labelWidth = 9

/** `label    value`, the value in as many lines as it takes, or cut. */
export function labelled(
  label: Clean,
  value: Clean,
  { look, columns, wrap: wraps }: DetailOptions,
): readonly Painted[] {
  const room = Math.max(4, columns - labelWidth)
  const parts = wraps ? wrap(value, room) : [cut(value, room, look.glyphs.ellipsis)]
  return parts.map((part, i) =>
    join(paint(fit(i === 0 ? label : clean(''), labelWidth), 'dim', look), paint(part, 'plain', look)),
  )
}
