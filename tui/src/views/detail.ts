import { hasDetailPane, layoutOf } from '../layout.ts'
import type { Store } from '../store.ts'
import { type Look, paint, type Painted } from '../ui/paint.ts'
import { clean } from '../ui/text.ts'
import { queueDetail } from './queues.ts'
import { taskDetail } from './tasks.ts'
import { workerDetail } from './workers.ts'

/** The row under the cursor in full, at the width that its pane has. */
export function detailLines(store: Store, look: Look): readonly Painted[] {
  const state = store.get()
  const layout = layoutOf(state.size, state.connection.state === 'lost')
  const columns = hasDetailPane(state.size) ? layout.detailColumns - 2 : layout.columns
  const options = { look, nowMs: state.nowMs, columns, wrap: state.ui.wrap }
  const { rows } = store.rows()
  const row = rows[store.cursorIndex()]
  if (row === undefined) return [paint(clean(''), 'plain', look)]
  if ('uuid' in row) return taskDetail(row, options)
  if ('hostname' in row) return workerDetail(row, state.inspected.get(row.hostname), options)
  return queueDetail(row, state.cluster, options)
}
