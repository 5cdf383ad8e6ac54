import type { KeyContext } from './key-context.ts'
import type { Intent } from './keymap.ts'
import { layoutOf } from './layout.ts'
import { idOf } from './rows.ts'
import { detailLines } from './views/detail.ts'

/** Rows by which a key moves; undefined for keys that do not. */
export function stepOf(intent: Intent, page: number): number | undefined {
  const steps: Partial<Record<Intent, number>> = {
    down: 1,
    up: -1,
    pageDown: page,
    pageUp: -page,
    halfDown: Math.ceil(page / 2),
    halfUp: -Math.ceil(page / 2),
  }
  return steps[intent]
}

/** Keys that move: in the list from row to row, in the detail its text, in an overlay or a menu what is shown of it. */
export class CursorKeys {
  readonly #keys: KeyContext

  constructor(keys: KeyContext) {
    this.#keys = keys
  }

  /** False where the key does not move. */
  move(intent: Intent): boolean {
    const { store } = this.#keys
    const by = stepOf(intent, this.#keys.page())
    if (store.get().ui.pane === 'detail') return this.#scroll(intent, by)
    const { rows } = store.rows()
    if (by !== undefined || intent === 'last') {
      const last = rows.length - 1
      const to = intent === 'last' ? last : Math.max(0, Math.min(last, store.cursorIndex() + (by ?? 0)))
      const row = rows[to]
      if (row !== undefined) this.#keys.select(idOf(row), to)
      return true
    }
    if (intent !== 'first') return false
    this.#keys.select(undefined, 0)
    return true
  }

  /** Keys while help or the log is shown. False: it was closed, and the key means what it always means. */
  overlay(intent: Intent): boolean {
    const { ui } = this.#keys.store.get()
    const by = stepOf(intent, this.#keys.page())
    if (by !== undefined) this.#keys.ui({ overlayTop: Math.max(0, ui.overlayTop + by) })
    else if (intent === 'first') this.#keys.ui({ overlayTop: 0 })
    else this.#keys.ui({ overlay: undefined })
    return by !== undefined || ['first', 'back', 'quitOrBack', 'enter', 'help'].includes(intent)
  }

  #scroll(intent: Intent, by: number | undefined): boolean {
    const { store, ports } = this.#keys
    const state = store.get()
    const { length } = detailLines(store, ports.look)
    const lowest = Math.max(0, length - layoutOf(state.size, state.connection.state === 'lost').bodyRows)
    if (by !== undefined) this.#keys.ui({ detailTop: Math.max(0, Math.min(lowest, state.ui.detailTop + by)) })
    else if (intent === 'first') this.#keys.ui({ detailTop: 0 })
    else if (intent === 'last') this.#keys.ui({ detailTop: lowest })
    else return false
    return true
  }
}
