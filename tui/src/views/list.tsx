import { stripVTControlCharacters } from 'node:util'
import { Box } from 'ink'
import type { ReactNode } from 'react'
import { Lines } from '../components/line.tsx'
import type { Layout } from '../layout.ts'
import type { ConsoleState } from '../state.ts'
import type { Store } from '../store.ts'
import { type Look, paint, type Painted } from '../ui/paint.ts'
import { clean, own, widthOf } from '../ui/text.ts'
import { queueHeader, queueRow } from './queues.ts'
import { headWidth, noHead, type RowText, taskColumns, taskHeader, type TaskPainter } from './tasks.ts'
import { workerHeader, workerRow } from './workers.ts'

export interface ListBodyProps {
  readonly store: Store
  readonly painter: TaskPainter
  readonly look: Look
  readonly layout: Layout
}

/** The rows that are on the screen, below the names of their columns where there is room. */
export function ListBody({ store, painter, look, layout }: ListBodyProps): ReactNode {
  const state = store.get()
  const { ui } = state
  const view = ui.view === 'repl' ? ui.before : ui.view
  const { kind, rows } = store.rows()
  const { top } = ui.cursors[view]
  const cursor = store.cursorIndex()
  const visible = rows.slice(top, top + layout.listRows)
  const columns = layout.listColumns
  const isStale = state.connection.state === 'lost'
  const isCards = layout.kind === 'cards'
  const grid = taskColumns(columns, ui.hiddenColumns)
  const header =
    kind === 'task'
      ? taskHeader(grid, ui.sort, look)
      : kind === 'worker'
        ? workerHeader(columns, look)
        : queueHeader(columns, look)
  const lines = visible.map((row, i): RowText => {
    const isSelected = top + i === cursor
    if ('uuid' in row) {
      const marks = { isSelected, isMarked: ui.marks.has(row.uuid), isStale }
      if (isCards) return { head: noHead, left: painter.card(row, columns, state.nowMs, marks), right: noHead }
      return painter.row(row, grid, state.nowMs, marks)
    }
    if ('hostname' in row) {
      const slots = state.slots.get(row.hostname)
      return workerRow(row, { columns, look, nowMs: state.nowMs, isSelected, slots, isStale })
    }
    return queueRow(row, { columns, look, isSelected })
  })
  if (rows.length === 0) return <Lines lines={[emptyText(state, look)]} columns={columns} />
  const shown = isCards ? lines : [header, ...lines]
  const first = kind === 'task' && !isCards ? headWidth : 0
  const last = kind === 'task' && isCards ? 0 : widthOf(stripVTControlCharacters(header.right))
  // A list is three texts, not a box for each row: most of the price of a frame is the number of nodes.
  return (
    <Box width={columns} flexShrink={0} overflow="hidden">
      {first === 0 ? undefined : <Lines lines={shown.map(({ head }) => head)} columns={first} />}
      <Lines lines={shown.map(({ left }) => left)} columns={columns - first - last} />
      {last === 0 ? undefined : <Lines lines={shown.map(({ right }) => right)} columns={last} />}
    </Box>
  )
}

/** What an empty list says: why it is empty and what to do about it. */
function emptyText(state: ConsoleState, look: Look): Painted {
  const { ui, connection } = state
  if (ui.filter !== '') return paint(own`  Nothing matches ${clean(ui.filter)}; Esc clears the filter.`, 'dim', look)
  if (connection.state !== 'live') return paint(clean('  Nothing is known yet.'), 'dim', look)
  const texts: Readonly<Record<string, string>> = {
    tasks: 'No task was seen yet. Send one: add.delay(2, 2) in the REPL (0).',
    running: 'No task runs.',
    workers: 'No worker was seen. Start one: tq worker',
    queues: 'No queue is known.',
    scheduled: 'No task waits for its ETA.',
    failed: 'No task has failed.',
  }
  return paint(clean(`  ${texts[ui.view] ?? ''}`), 'dim', look)
}
