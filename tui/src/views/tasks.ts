import type { TaskView } from 'tq-runtime/monitor'
import type { ColumnName, Sort } from '../state.ts'
import { age, runtime, shortId } from '../ui/figures.ts'
import { join, type Look, paint, type Painted, styleOfState } from '../ui/paint.ts'
import { type Clean, clean, cut, fit, own, widthOf } from '../ui/text.ts'

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
  readonly name: ColumnName
  readonly width: number
  readonly sort?: Sort | undefined
  readonly align?: 'right' | undefined
  readonly text: (task: TaskView, nowMs: number) => Clean
}

export interface TaskColumns {
  readonly nameWidth: number
  /** 0: left out. */
  readonly idWidth: number
  /** 0: left out, or without room. */
  readonly argsWidth: number
  readonly right: readonly Column[]
  readonly columns: number
  /** The same for the same columns. */
  readonly key: string
}

const stateWidth = 9
/** Cursor, mark and state: a column of its own, as its glyphs take longer to measure than plain ASCII. */
export const headWidth = stateWidth + 2
const fullIdWidth = 8
const rightColumns: readonly (Column & { readonly drop: number })[] = [
  { name: 'WORKER', width: 12, sort: 'worker', drop: 2, text: ({ worker = '' }) => clean(worker) },
  { name: 'QUEUE', width: 8, sort: 'queue', drop: 1, text: ({ queue = '' }) => clean(queue) },
  { name: 'TRY', width: 3, align: 'right', drop: 3, text: ({ retries }) => own`${retries + 1}` },
  {
    name: 'RUNTIME',
    width: 8,
    align: 'right',
    sort: 'runtime',
    drop: 4,
    text: (task, nowMs) => runtimeOf(task, nowMs),
  },
  {
    name: 'AGE',
    width: 5,
    align: 'right',
    sort: 'age',
    drop: 9,
    text: (task, nowMs) => age(nowMs - task.order.timestampMs),
  },
]

/** What a width has room for: ARGS goes first, then QUEUE, WORKER, TRY and RUNTIME; STATE and NAME stay. */
export function taskColumns(columns: number, hidden: ReadonlySet<ColumnName> = new Set()): TaskColumns {
  const idWidth = hidden.has('ID') ? 0 : fullIdWidth
  const idRoom = idWidth === 0 ? 0 : idWidth + 1
  const least = 1 + 1 + stateWidth + 1 + 14 + idRoom
  let right = rightColumns.filter(({ name }) => !hidden.has(name))
  const width = (): number => right.reduce((sum, column) => sum + column.width + 1, 0)
  while (right.length > 1 && least + width() > columns) {
    const first = Math.min(...right.map(({ drop }) => drop))
    right = right.filter(({ drop }) => drop !== first)
  }
  const room = columns - width() - (1 + 1 + stateWidth + 1 + idRoom)
  const nameWidth = Math.max(4, Math.min(room, Math.max(14, Math.min(32, Math.floor(room * 0.45)))))
  const argsWidth = hidden.has('ARGS') ? 0 : room - nameWidth - 1
  const key = `${columns} ${idWidth} ${argsWidth} ${right.map(({ name }) => name).join(' ')}`
  return argsWidth >= 10
    ? { nameWidth, idWidth, argsWidth, right, columns, key }
    : { nameWidth: Math.max(4, room), idWidth, argsWidth: 0, right, columns, key }
}

export function taskHeader(columns: TaskColumns, sort: Sort, look: Look): RowText {
  const mark = look.glyphs.down
  const title = (text: string, key: Sort | undefined): Clean => clean(key === sort ? `${text}${mark}` : text)
  const left = [
    fit(title('NAME', 'name'), columns.nameWidth),
    ...(columns.idWidth > 0 ? [fit(clean('ID'), columns.idWidth)] : []),
    ...(columns.argsWidth > 0 ? [clean('ARGS')] : []),
  ]
  const right = columns.right.map((column) => fit(title(column.name, column.sort), column.width, column.align))
  return {
    head: paint(own`  ${fit(title('STATE', 'state'), stateWidth)}`, 'dim', look),
    left: paint(clean(` ${left.join(' ').trimEnd()}`), 'dim', look),
    right: paint(clean(right.length === 0 ? '' : ` ${right.join(' ')}`), 'dim', look),
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
    const key = `${columns.key} ${isRunning ? nowMs : age(nowMs - task.order.timestampMs)} ${marks.isSelected} ${marks.isMarked} ${marks.isStale}`
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
    const id = columns.idWidth > 0 ? own` ${fit(shortId(task.uuid), columns.idWidth)}` : clean('')
    const rest = own` ${name}${id}${args}`
    const cells = columns.right.map((column) => fit(column.text(task, nowMs), column.width, column.align, ellipsis))
    const right = clean(cells.length === 0 ? '' : ` ${cells.join(' ')}`)
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
