import { hasDetailPane, layoutOf } from '../layout.ts'
import type { ConsoleState } from '../state.ts'
import type { Store } from '../store.ts'
import { type Look, paint, type Painted } from '../ui/paint.ts'
import { clean } from '../ui/text.ts'
import { queueDetail } from './queues.ts'
import { taskDetail, type TaskDetailOptions } from './task-detail.ts'
import { workerDetail } from './workers.ts'

/** The row under the cursor in full, at the width that its pane has. */
export function detailLines(store: Store, look: Look): readonly Painted[] {
  const state = store.get()
  const options = detailOptions(state, look)
  const { rows } = store.rows()
  const row = rows[store.cursorIndex()]
  if (row === undefined) return [paint(clean(''), 'plain', look)]
  if ('uuid' in row) return taskDetail(row, options)
  if ('hostname' in row) return workerDetail(row, state.inspected.get(row.hostname), options)
  return queueDetail(row, state.cluster, options)
}

/** How a detail is to be shown now. */
export function detailOptions(state: ConsoleState, look: Look): TaskDetailOptions {
  const { size, connection, nowMs, ui, stored, folder } = state
  const layout = layoutOf(size, connection.state === 'lost')
  const columns = hasDetailPane(size) ? layout.detailColumns - 2 : layout.columns
  return { look, nowMs, columns, wrap: ui.wrap, stored, folder, wholeTraceback: ui.wholeTraceback }
}
