import type { Terminal } from '../../../tui/src/repl/mount.tsx'
import { ReplScreen } from '../../../tui/src/repl/screen.ts'
import type { StartOptions } from '../../../tui/src/repl/protocol.ts'
import { Emulator } from './emulator.ts'
import { FakeInput, FakeOutput } from './fake-terminal.ts'

/** The REPL in this process on a terminal in memory: Ink's real output path, read by an emulator. */
export class ReplOnScreen {
  readonly screen: Emulator
  readonly code: Promise<number>
  readonly #stdin = new FakeInput()
  #changed = Promise.withResolvers<void>()

  constructor(start: StartOptions, { columns = 80, rows = 24, colours = true } = {}) {
    this.screen = new Emulator(columns, rows, { convertEol: true })
    const stdout = new FakeOutput(columns, rows, (data) => {
      void this.screen.write(data).then(() => {
        this.#changed.resolve()
        this.#changed = Promise.withResolvers()
      })
    })
    // The part of the two streams that Ink uses
    const terminal = { stdin: this.#stdin, stdout, colours } as unknown as Terminal
    this.code = new ReplScreen(terminal).run({ start, keepHistory: false })
  }

  type(keys: string): void {
    this.#stdin.write(keys)
  }

  /** Types, Enter at the end, and waits for what must then be seen. */
  async enter(line: string, seen: string | RegExp): Promise<void> {
    this.type(`${line}\r`)
    await this.until(seen)
  }

  async until(seen: string | RegExp | ((screen: Emulator) => boolean)): Promise<void> {
    const holds = (): boolean => {
      if (typeof seen === 'function') return seen(this.screen)
      return typeof seen === 'string' ? this.screen.text().includes(seen) : seen.test(this.screen.text())
    }
    const deadline = AbortSignal.timeout(10_000)
    const late = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }))
    while (!holds()) {
      if (deadline.aborted) throw new Error(`Not seen: ${String(seen)}\n${this.screen.text()}`)
      await Promise.race([this.#changed.promise, late])
    }
  }

  /** Leaves by Ctrl-D on an empty line. */
  async leave(): Promise<number> {
    this.type('\u0003')
    this.type('\u0004')
    return this.code
  }
}
