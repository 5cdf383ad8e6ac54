import type { KeyContext } from './key-context.ts'
import { bindingOf } from './keymap.ts'
import type { KeyPress } from './repl/keys.ts'
import { columnNames, type Menu, type MenuItem } from './state.ts'
import { own } from './ui/text.ts'

/** The keys of a menu: moving, taking by number, Enter or Space, leaving. */
export class Menus {
  readonly #keys: KeyContext

  constructor(keys: KeyContext) {
    this.#keys = keys
  }

  /** The columns of tasks, each to be shown or not. */
  columns(): void {
    const items = columnNames.map((column) => ({ pick: 'column' as const, column }))
    this.#keys.ui({ menu: { title: own`Columns of tasks`, items, at: 0 } })
  }

  key(press: KeyPress, menu: Menu): void {
    const { length } = menu.items
    if (/^[1-9]$/u.test(press.input)) {
      const at = Number(press.input) - 1
      const item = menu.items[at]
      if (item) this.#take({ ...menu, at }, item)
      return
    }
    const item = menu.items[menu.at]
    const intent = bindingOf(press, 'anywhere', this.#keys.store.get().keymap)?.intent
    if (intent === 'down' || press.name === 'tab') this.#at(menu, (menu.at + 1) % length)
    else if (intent === 'up') this.#at(menu, (menu.at + length - 1) % length)
    else if (intent === 'first') this.#at(menu, 0)
    else if (intent === 'last') this.#at(menu, length - 1)
    else if (press.input === ' ' && item) this.#take(menu, item)
    else if (press.name === 'enter' && item?.pick !== 'column' && item) this.#take(menu, item)
    else if (['enter', 'back', 'quitOrBack', 'columns'].includes(intent ?? '')) this.#keys.ui({ menu: undefined })
  }

  #at(menu: Menu, at: number): void {
    this.#keys.ui({ menu: { ...menu, at } })
  }

  #take(menu: Menu, item: MenuItem): void {
    const { ports, store } = this.#keys
    switch (item.pick) {
      case 'column': {
        const hiddenColumns = new Set(store.get().ui.hiddenColumns)
        if (!hiddenColumns.delete(item.column)) hiddenColumns.add(item.column)
        return this.#keys.ui({ hiddenColumns, menu })
      }
      case 'copy':
        this.#keys.ui({ menu: undefined })
        ports.copy(item.text)
        return this.#keys.say(own`copy`, own`copied, if the terminal allows it`)
      case 'open':
        this.#keys.ui({ menu: undefined })
        return this.#keys.run(ports.source.edit(item.place), own`open`)
      default:
        return item satisfies never
    }
  }
}
