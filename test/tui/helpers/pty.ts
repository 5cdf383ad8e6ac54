import { fileURLToPath } from 'node:url'
import { type IPty, spawn } from '@lydell/node-pty'
import { Emulator } from './emulator.ts'

export interface PtyOptions {
  readonly args: readonly string[]
  readonly cwd: string
  readonly columns?: number
  readonly rows?: number
  readonly env?: Readonly<Record<string, string>>
  /** Run below a shell line instead of alone; `$TQ` is the command. */
  readonly shell?: string
}

const entry = fileURLToPath(new URL('../repl/fixtures/tq-tui.ts', import.meta.url))
const tsx = import.meta.resolve('tsx')
const tsconfig = fileURLToPath(new URL('../../../tui/tsconfig.json', import.meta.url))

/** `tq-tui` from source in a real pseudo terminal, read by an emulator. */
export class PtySession {
  readonly screen: Emulator
  readonly #pty: IPty
  readonly #exited: Promise<number>
  #changed = Promise.withResolvers<void>()
  readonly startedAt = performance.now()

  constructor({ args, cwd, columns = 100, rows = 30, env = {}, shell }: PtyOptions) {
    this.screen = new Emulator(columns, rows)
    const command = [process.execPath, '--import', tsx, '--conditions=@tq/source', entry, ...args]
    const { CI: _ci, FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env
    const clean = Object.fromEntries(
      Object.entries(inherited).filter((pair): pair is [string, string] => pair[1] !== undefined),
    )
    const options = {
      name: 'xterm-256color',
      cols: columns,
      rows,
      cwd,
      env: {
        ...clean,
        NODE_ENV: 'production',
        TSX_TSCONFIG_PATH: tsconfig,
        TQ: command.map((part) => `'${part}'`).join(' '),
        ...env,
      },
    }
    this.#pty =
      shell === undefined
        ? spawn(command[0] ?? '', command.slice(1), options)
        : spawn('/bin/sh', ['-c', shell], options)
    this.screen.onAnswer((data) => this.#pty.write(data))
    this.#pty.onData((data) => {
      void this.screen.write(data).then(() => {
        this.#changed.resolve()
        this.#changed = Promise.withResolvers()
      })
    })
    this.#exited = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)))
  }

  type(keys: string): void {
    this.#pty.write(keys)
  }

  resize(columns: number, rows: number): void {
    this.screen.resize(columns, rows)
    this.#pty.resize(columns, rows)
  }

  /** Resolves with the milliseconds it took until the screen is as asked; rejects with the screen after `timeoutMs`. */
  async until(condition: string | RegExp | ((screen: Emulator) => boolean), timeoutMs = 15_000): Promise<number> {
    const started = performance.now()
    const holds = (screen: Emulator): boolean => {
      if (typeof condition === 'function') return condition(screen)
      return typeof condition === 'string' ? screen.text().includes(condition) : condition.test(screen.text())
    }
    const deadline = AbortSignal.timeout(timeoutMs)
    const late = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }))
    while (!holds(this.screen)) {
      if (deadline.aborted) throw new Error(`Not seen: ${String(condition)}\n${this.screen.text()}`)
      await Promise.race([this.#changed.promise, late])
    }
    return performance.now() - started
  }

  get exitCode(): Promise<number> {
    return this.#exited
  }

  /** Ends it if it still runs. */
  async end(): Promise<void> {
    this.#pty.kill('SIGKILL')
    await this.#exited
  }
}
