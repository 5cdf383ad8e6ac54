import { ReplController } from './repl/controller.ts'
import type { KeyPress } from './repl/keys.ts'
import type { StartOptions } from './repl/protocol.ts'

export interface ReplPaneOptions {
  readonly start: StartOptions
  readonly colours: boolean
  readonly size: () => { readonly columns: number; readonly rows: number }
  readonly suspend: () => Promise<void>
  readonly page: (text: string) => Promise<void>
  /** The session was left by Ctrl-D or `.exit`. */
  readonly onLeft: () => void
}

const linesKept = 2000

/** The REPL inside the console: its own engine process, and what it printed as lines of a pane instead of the scrollback. */
export class ReplPane {
  readonly controller: ReplController
  readonly #listeners = new Set<() => void>()
  #lines: readonly string[] = []
  #version = 0

  constructor(options: ReplPaneOptions) {
    this.controller = new ReplController({
      print: (text) => this.#print(text),
      clear: () => this.#clear(),
      page: options.page,
      suspend: options.suspend,
      exit: options.onLeft,
      size: options.size,
      colours: options.colours,
    })
    this.controller.subscribe(() => this.#changed())
    this.controller.start(options.start, true).catch((error: unknown) => {
      this.#print(`${error instanceof Error ? error.message : String(error)}\n`)
    })
  }

  /** What was printed, line by line; colours only, all else was cleaned by the REPL. */
  get lines(): readonly string[] {
    return this.#lines
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly version = (): number => this.#version

  /** True where Esc has nothing to close in the REPL itself. */
  isAtRest(): boolean {
    const { menu, hint, preview, editor } = this.controller.snapshot()
    return menu === undefined && hint === undefined && preview === undefined && editor.search === undefined
  }

  key(press: KeyPress): void {
    this.controller.key(press)
  }

  close(): Promise<void> {
    return this.controller.close()
  }

  #print(text: string): void {
    const lines = text.replace(/\n$/u, '').split('\n')
    this.#lines = [...this.#lines, ...lines].slice(-linesKept)
    this.#changed()
  }

  #clear(): void {
    this.#lines = []
    this.#changed()
  }

  #changed(): void {
    this.#version++
    for (const listener of this.#listeners) listener()
  }
}
