import { spawnSync } from 'node:child_process'
import type { Instance } from 'ink'
import { guard, stopJob } from '../ui/guard.ts'
import { ReplController } from './controller.ts'
import { withLightInk } from './light-ink.ts'
import type { Suspend, Terminal } from './mount.tsx'
import type { StartOptions } from './protocol.ts'

export interface ScreenOptions {
  readonly start: StartOptions
  readonly keepHistory: boolean
}

/** The REPL on a terminal, from the first prompt to the restored terminal. The engine's process starts in the constructor. */
export class ReplScreen {
  readonly #terminal: Terminal
  readonly #controller: ReplController
  readonly #exit = Promise.withResolvers<number>()
  #ink: Instance | undefined
  #write: ((text: string) => void) | undefined
  #suspend: Suspend | undefined
  /** Printed before Ink was ready to print above its frame. */
  #early = ''

  constructor(terminal: Terminal = processTerminal()) {
    this.#terminal = terminal
    const { stdout } = terminal
    this.#controller = new ReplController({
      print: (text) => this.#print(text),
      clear: () => this.#clear(),
      page: (text) => this.#page(text),
      suspend: () => this.#stop(),
      exit: (code) => this.#exit.resolve(code),
      size: () => ({ columns: stdout.columns, rows: stdout.rows }),
      colours: terminal.colours,
    })
  }

  /** For a run that does not come about. */
  abandon(): Promise<void> {
    return this.#controller.close()
  }

  /** Resolves with the exit code when the terminal is restored. */
  async run(options: ScreenOptions): Promise<number> {
    const release = guard((code, message) => {
      this.#ink?.unmount()
      if (message !== undefined) process.stderr.write(`${message}\n`)
      process.exit(code)
    })
    const started = this.#controller.start(options.start, options.keepHistory).catch((error: unknown) => {
      this.#print(`${error instanceof Error ? error.message : String(error)}\n`)
      this.#exit.resolve(1)
    })
    const { mount } = await withLightInk(() => import('./mount.tsx'))
    this.#ink = mount(this.#terminal, this.#controller, (write, suspend) => {
      this.#write = write
      this.#suspend = suspend
      if (this.#early !== '') write(this.#early)
      this.#early = ''
    })
    const code = await this.#exit.promise
    await this.#ink.waitUntilRenderFlush()
    this.#ink.unmount()
    await this.#ink.waitUntilExit()
    await this.#controller.close()
    await started
    release()
    return code
  }

  #print(text: string): void {
    if (this.#write === undefined) this.#early += text
    else this.#write(text)
  }

  #clear(): void {
    this.#write?.('\u001b[2J\u001b[H')
  }

  async #page(text: string): Promise<void> {
    const [command = 'less', ...parameters] = (process.env['PAGER'] ?? 'less -R').split(' ')
    await this.#suspend?.(() => {
      const { error } = spawnSync(command, parameters, { input: text, stdio: ['pipe', 'inherit', 'inherit'] })
      if (error !== undefined) this.#terminal.stdout.write(`${text}\n`)
      return Promise.resolve()
    })
  }

  /** Ctrl-Z. */
  async #stop(): Promise<void> {
    if (process.platform === 'win32') return
    await this.#suspend?.(stopJob)
  }
}

function processTerminal(): Terminal {
  const { NO_COLOR, FORCE_COLOR } = process.env
  const colours = FORCE_COLOR === undefined ? (NO_COLOR ?? '') === '' : FORCE_COLOR !== '0'
  return { stdin: process.stdin, stdout: process.stdout, colours }
}
