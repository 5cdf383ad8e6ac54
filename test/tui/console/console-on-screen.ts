import type { Instance } from 'ink'
import type { CallArguments } from '../../../runtime/src/monitor.ts'
import { ConsoleController } from '../../../tui/src/controller.ts'
import type { ConsolePorts } from '../../../tui/src/key-context.ts'
import { type Attached, mount, type Terminal } from '../../../tui/src/mount.tsx'
import type { SourcePlace } from '../../../tui/src/source.ts'
import type { Store } from '../../../tui/src/store.ts'
import { asciiGlyphs, type Look, unicodeGlyphs } from '../../../tui/src/ui/paint.ts'
import type { Clean } from '../../../tui/src/ui/text.ts'
import { TaskPainter } from '../../../tui/src/views/tasks.ts'
import { Emulator } from '../helpers/emulator.ts'
import { FakeInput, FakeOutput } from '../helpers/fake-terminal.ts'

export const looks: Readonly<Record<string, Look>> = {
  colour: { colour: true, glyphs: unicodeGlyphs, utc: true },
  'no colour': { colour: false, glyphs: unicodeGlyphs, utc: true },
  ascii: { colour: true, glyphs: asciiGlyphs, utc: true },
}

/** The console in this process on a terminal in memory: Ink's real output path, read by an emulator. Commands are written down. */
export class ConsoleOnScreen {
  readonly screen: Emulator
  readonly store: Store
  /** What was asked of the session, one line per command. */
  readonly commands: string[] = []
  readonly copied: string[] = []
  /** What the project's source is said to hold. */
  readonly definitions = new Map<string, readonly SourcePlace[]>()
  failedLines: readonly SourcePlace[] = []
  /** What the result backend is said to hold of every task. */
  storedCall: CallArguments = { args: [], kwargs: {} }
  /** Bytes that Ink wrote. */
  bytes = ''
  frames = 0
  exitCode: number | undefined
  readonly #ink: Instance
  readonly #stdin = new FakeInput()
  readonly #stdout: FakeOutput

  constructor(store: Store, look: Look = { colour: true, glyphs: unicodeGlyphs, utc: true }) {
    const { columns, rows } = store.get().size
    this.store = store
    this.screen = new Emulator(columns, rows, { convertEol: true })
    this.#stdout = new FakeOutput(columns, rows, (data) => {
      this.bytes += data
      void this.screen.write(data)
    })
    let attached: Attached | undefined
    const { ports } = fakePorts(store, this)
    const controller = new ConsoleController(store, {
      ...ports,
      look,
      exit: (code) => {
        this.exitCode = code
      },
      suspend: () => attached?.suspend(() => Promise.resolve()) ?? Promise.resolve(),
      redraw: () => attached?.suspend(() => Promise.resolve()) ?? Promise.resolve(),
    })
    // The part of the two streams that Ink uses
    const terminal = { stdin: this.#stdin, stdout: this.#stdout } as unknown as Terminal
    this.#ink = mount(terminal, {
      store,
      controller,
      look,
      painter: new TaskPainter(look),
      attach: (given) => {
        attached = given
      },
      onFrame: () => this.frames++,
      maxFps: 1000,
    })
  }

  /** Resolves when all that was written is on the screen. */
  async drawn(): Promise<void> {
    // Input is read in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve))
    await this.#ink.waitUntilRenderFlush()
    await this.screen.write('')
  }

  async type(keys: string): Promise<void> {
    this.#stdin.write(keys)
    await this.drawn()
  }

  /** Ink waits 20 ms for what may follow a bare Escape. */
  async escape(): Promise<void> {
    this.#stdin.write('\u001b')
    await new Promise((resolve) => setTimeout(resolve, 30))
    await this.drawn()
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.screen.resize(columns, rows)
    this.#stdout.columns = columns
    this.#stdout.rows = rows
    this.#stdout.emit('resize')
    await this.drawn()
    await this.drawn()
  }

  text(): string {
    return this.screen.text()
  }

  /** The screen, and below it one letter per style and cell. */
  async golden({ styles = false } = {}): Promise<string> {
    await this.drawn()
    const { rows } = this.store.get().size
    const lines = this.screen.lines()
    const letters = Array.from({ length: rows }, (_, y) => this.screen.styles(y))
    return `\n${[...lines, ...(styles ? ['', '--- styles ---', ...letters] : [])].join('\n').trimEnd()}\n`
  }

  async close(): Promise<void> {
    this.#ink.unmount()
    await this.#ink.waitUntilExit()
    await this.screen.write('')
  }
}

function shortened(key: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'uuid' in value ? value.uuid : value
}

/** What stands in for the world: what is asked of it is written down, what it is to answer can be said. */
export interface World {
  readonly commands: string[]
  readonly copied: string[]
  readonly definitions: ReadonlyMap<string, readonly SourcePlace[]>
  readonly failedLines: readonly SourcePlace[]
  readonly storedCall: CallArguments
}

export function fakePorts(
  store: Store,
  world: World = {
    commands: [],
    copied: [],
    definitions: new Map(),
    failedLines: [],
    storedCall: { args: [], kwargs: {} },
  },
): { readonly ports: ConsolePorts; readonly world: World } {
  const asked =
    (name: string) =>
    (...values: readonly unknown[]): Promise<void> => {
      world.commands.push(`${name} ${values.map((value) => JSON.stringify(value, shortened)).join(' ')}`.trim())
      return Promise.resolve()
    }
  const ports: ConsolePorts = {
    look: { colour: false, glyphs: unicodeGlyphs, utc: true },
    commands: {
      tasks: {
        revoke: asked('revoke'),
        retry: asked('retry'),
        look: asked('look'),
        callOf: () => Promise.resolve(world.storedCall),
      },
      workers: {
        shutdown: asked('shutdown'),
        coldShutdown: asked('coldShutdown'),
        resizePool: asked('resizePool'),
        inspect: asked('inspect'),
        autoscale: asked('autoscale'),
        addQueue: asked('addQueue'),
        dropQueue: asked('dropQueue'),
        rateLimit: asked('rateLimit'),
        timeLimit: asked('timeLimit'),
      },
      log: {
        note: (command: Clean, answer: Clean) => {
          const entry = { id: store.get().log.length + 1, atMs: store.get().nowMs, command, answer }
          store.dispatch({ on: 'log', entry })
        },
      },
      reconnect: () => world.commands.push('reconnect'),
    },
    source: {
      find: (task) => Promise.resolve(world.definitions.get(task) ?? []),
      frames: (traceback) => (traceback === '' ? [] : world.failedLines),
      name: ({ file, line }) => `${file}:${line}`,
      edit: asked('edit'),
    },
    exit: () => undefined,
    suspend: () => Promise.resolve(),
    redraw: () => Promise.resolve(),
    copy: (text) => world.copied.push(text),
    openRepl: () => {
      throw new Error('There is no engine in this test.')
    },
  }
  return { ports, world }
}
