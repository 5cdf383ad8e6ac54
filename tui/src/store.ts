import { layoutOf } from './layout.ts'
import { type Action, reduce, withUi } from './reduce.ts'
import { idOf, type Rows, rowsOf } from './rows.ts'
import type { ConsoleState } from './state.ts'

/** The state of the moment, for React and for the keys: what is dispatched is in effect at once. */
export class Store {
  #state: ConsoleState
  readonly #listeners = new Set<() => void>()
  #memo: { readonly key: readonly unknown[]; readonly rows: Rows } | undefined

  constructor(state: ConsoleState) {
    this.#state = state
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly get = (): ConsoleState => this.#state

  dispatch(action: Action): void {
    const next = this.#settle(reduce(this.#state, action))
    if (next === this.#state) return
    this.#state = next
    for (const listener of this.#listeners) listener()
  }

  /** Computed once for each state of tasks, filter and sort. */
  rows(state: ConsoleState = this.#state): Rows {
    const { ui } = state
    const cluster = ui.frozen ?? state.cluster
    const view = ui.view === 'repl' ? ui.before : ui.view
    const usesTime = view === 'workers' || ui.filter.includes('age:')
    const key = [view, cluster.tasks, cluster.workers, state.queues, ui.filter, ui.sort, usesTime ? state.nowMs : 0]
    if (this.#memo?.key.every((part, i) => part === key[i])) return this.#memo.rows
    const rows = rowsOf(state, cluster, view)
    this.#memo = { key, rows }
    return rows
  }

  /** Index of the row under the cursor; -1 where there is none. */
  cursorIndex(state: ConsoleState = this.#state): number {
    const { view, cursors } = state.ui
    const { rows } = this.rows(state)
    const { selected, at } = cursors[view === 'repl' ? state.ui.before : view]
    if (rows.length === 0) return -1
    if (selected === undefined) return 0
    const near = rows[at]
    if (near !== undefined && idOf(near) === selected) return at
    const index = rows.findIndex((row) => idOf(row) === selected)
    return index < 0 ? Math.min(at, rows.length - 1) : index
  }

  /** Keeps the row under the cursor on the screen. */
  #settle(state: ConsoleState): ConsoleState {
    const { view, cursors } = state.ui
    if (view === 'repl' || state === this.#state) return state
    const height = layoutOf(state.size, state.connection.state === 'lost').listRows
    const { length } = this.rows(state).rows
    const index = Math.max(0, this.cursorIndex(state))
    const cursor = cursors[view]
    const lowest = Math.max(0, length - height)
    const top = Math.min(lowest, Math.max(index - height + 1, Math.min(cursor.top, index)))
    if (top === cursor.top && (cursor.selected === undefined || index === cursor.at)) return state
    return withUi(state, { cursors: { ...cursors, [view]: { ...cursor, top, at: index } } })
  }
}
