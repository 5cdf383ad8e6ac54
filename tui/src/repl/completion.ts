import { cleanOutput } from './clean.ts'
import { commands } from './commands.ts'
import type { Menu, ScreenState } from './controller.ts'
import type { edit } from './editor.ts'
import type { EngineClient } from './engine-client.ts'

/** What completion sees and changes of the screen. */
export interface CompletionHost {
  readonly state: () => ScreenState
  readonly set: (change: Partial<ScreenState>) => void
  readonly edit: (action: Parameters<typeof edit>[1]) => void
  readonly engine: () => EngineClient
  readonly columns: () => number
  /** The engine has started and nothing is evaluated. */
  readonly isIdle: () => boolean
}

const askAfterMs = 30

/** Names that could follow, the signature of the call and the value of what is typed. */
export class Completion {
  readonly #host: CompletionHost
  #asked = 0
  #timer: NodeJS.Timeout | undefined

  constructor(host: CompletionHost) {
    this.#host = host
  }

  /** Tab: what all names have in common is inserted, and several become a menu. */
  async complete(): Promise<void> {
    const { text, cursor } = this.#host.state().editor
    const line = text.slice(text.lastIndexOf('\n', cursor - 1) + 1, cursor)
    // Tab at the start of a line is an indent.
    if (text.includes('\n') && line.trim() === '') return this.#host.edit({ do: 'insert', text: '  ' })
    const found = /^\s*\.[a-z]*$/u.test(text)
      ? {
          names: Object.keys(commands).filter((name) => name.startsWith(text.trim())),
          from: text.length - text.trimStart().length,
          hint: undefined,
        }
      : await this.#host.engine().request({ op: 'complete', code: text, at: cursor })
    if (found.hint !== undefined) this.#host.set({ hint: found.hint })
    const [first] = found.names
    if (first === undefined) return
    const common = found.names.reduce(commonPrefix, first)
    const extended = common.length > cursor - found.from
    if (extended) this.#host.edit({ do: 'replace', from: found.from, text: common })
    if (found.names.length > 1)
      this.#host.set({ menu: { names: found.names, selected: extended ? -1 : 0, from: found.from } })
  }

  move(menu: Menu, step: number): void {
    const count = menu.names.length
    const selected = (Math.max(menu.selected, step > 0 ? -1 : 0) + step + count) % count
    this.#host.set({ menu: { ...menu, selected } })
  }

  take(menu: Menu): void {
    const name = menu.names[Math.max(0, menu.selected)] ?? ''
    this.#host.edit({ do: 'replace', from: menu.from, text: name })
  }

  /** The grey preview and the signature, once the keys pause. */
  askSoon(): void {
    clearTimeout(this.#timer)
    const asked = ++this.#asked
    this.#timer = setTimeout(() => void this.#ask(asked).catch(() => undefined), askAfterMs)
  }

  /** Nothing more is asked, and answers on their way are dropped. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#asked += 1
  }

  async #ask(asked: number): Promise<void> {
    const { text, cursor } = this.#host.state().editor
    if (text.trim() === '' || text.startsWith('.') || !this.#host.isIdle()) return
    const engine = this.#host.engine()
    const [preview, completion] = await Promise.all([
      engine.request({ op: 'preview', code: text, width: this.#host.columns() - 4 }),
      engine.request({ op: 'complete', code: text, at: cursor }),
    ])
    // What comes too late is about another text.
    if (asked !== this.#asked || !this.#host.isIdle()) return
    const shown = preview.text === undefined || preview.text === text.trim() ? undefined : cleanOutput(preview.text)
    this.#host.set({ preview: shown, hint: completion.hint })
  }
}

function commonPrefix(a: string, b: string): string {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return a.slice(0, length)
}
