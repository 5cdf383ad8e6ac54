import { spawnSync } from 'node:child_process'
import type { Instance } from 'ink'
import { systemClock } from 'tq-runtime'
import { ConsoleController } from './controller.ts'
import type { Attached, Terminal } from './mount.tsx'
import { findProject, type Project } from 'tq-runtime/loader'
import { openProject } from './project-app.ts'
import { withLightInk } from './repl/light-ink.ts'
import { ReplPane } from './repl-pane.ts'
import { ConsoleSession } from './session.ts'
import { newState, Store } from './store.ts'
import { guard, stopJob } from './ui/guard.ts'
import type { Look } from './ui/paint.ts'
import { clean, own } from './ui/text.ts'
import { TaskPainter } from './views/tasks.ts'

export interface ConsoleOptions {
  readonly cwd: string
  readonly app?: string | undefined
  readonly broker?: string | undefined
  readonly isReadOnly: boolean
  /** On an embedded broker: start a worker where there is none. */
  readonly startsWorker: boolean
  readonly look: Look
  readonly terminal?: Terminal | undefined
  /** Given the log line by line; called when the console is up. */
  readonly onReady?: ((note: ConsoleSession['note']) => void) | undefined
}

/** The console on a terminal, from the first frame to the restored terminal. Resolves with the exit code. */
export async function runConsole(options: ConsoleOptions): Promise<number> {
  const { look, terminal = { stdin: process.stdin, stdout: process.stdout } } = options
  const { stdout } = terminal
  const clock = systemClock
  const exit = Promise.withResolvers<number>()
  let attached: Attached | undefined
  // Ink exists only later; until then nothing of the terminal has been changed.
  const live: { ink?: Instance } = {}
  const release = guard((code, message) => {
    live.ink?.unmount()
    if (message !== undefined) process.stderr.write(`${message}\n`)
    process.exit(code)
  })
  const size = { columns: stdout.columns, rows: stdout.rows }
  const store = new Store(newState({ broker: own`…`, nowMs: clock.now(), size, isReadOnly: options.isReadOnly }))
  let project: Promise<Project> | undefined
  const session: ConsoleSession = new ConsoleSession(store, {
    startsWorker: options.startsWorker && !options.isReadOnly,
    open: async () => {
      project ??= findProject(options)
      const found = await project.catch((error: unknown) => {
        project = undefined
        throw error
      })
      if (found.problem !== undefined) session.note(own`tq-tui`, clean(found.problem))
      return { app: openProject(found, loggerInto(session)), place: found.place }
    },
  })
  const suspend = async (work: () => Promise<void>): Promise<void> => attached?.suspend(work)
  const stop = async (): Promise<void> => {
    if (process.platform !== 'win32') await suspend(stopJob)
  }
  const controller: ConsoleController = new ConsoleController(store, {
    commands: session,
    look,
    exit: exit.resolve,
    suspend: stop,
    redraw: () => suspend(() => Promise.resolve()),
    copy: (text) => attached?.write(clipboard(text)),
    openRepl: () =>
      new ReplPane({
        start: { app: options.app, cwd: options.cwd, loadApp: true, eager: false, worker: 'later' },
        colours: look.colour,
        size: () => ({ columns: stdout.columns, rows: stdout.rows }),
        suspend: stop,
        page: (text) => suspend(() => page(text)),
        onLeft: () => controller.leaveRepl(),
      }),
  })
  // Side by side: the broker is looked for while Ink is loaded.
  const started = session.start()
  const { mount } = await withLightInk(() => import('./mount.tsx'))
  let frameMs = 5
  const ink = mount(terminal, {
    store,
    controller,
    look,
    painter: new TaskPainter(look),
    attach: (given) => {
      attached = given
    },
    onFrame: (ms) => {
      frameMs = frameMs * 0.9 + ms * 0.1
      session.intervalMs = Math.max(100, Math.min(500, 20 * frameMs))
    },
  })
  live.ink = ink
  const tick = clock.interval(1000, () => tickIfSeen(store, clock.now()))
  void started.then(() => options.onReady?.((command, answer, kind) => session.note(command, answer, kind)))
  const code = await exit.promise
  tick.cancel()
  ink.unmount()
  await ink.waitUntilExit()
  await Promise.all([session.close(), controller.close()])
  release()
  return code
}

/** Ages go on by the second while there are young ones on the screen, else every ten seconds: an idle console costs nothing. */
function tickIfSeen(store: Store, nowMs: number): void {
  const { nowMs: shownMs, connection, ui } = store.get()
  const view = ui.view === 'repl' ? ui.before : ui.view
  const { top } = ui.cursors[view]
  const isYoung = store
    .rows()
    .rows.slice(top, top + 60)
    .some((row) =>
      'uuid' in row
        ? row.state === 'STARTED' || nowMs - row.order.timestampMs < 61_000
        : 'hostname' in row && nowMs - row.lastSeenMs < 61_000,
    )
  if (isYoung || connection.state !== 'live' || nowMs - shownMs >= 10_000) store.dispatch({ on: 'tick', nowMs })
}

type Note = Pick<ConsoleSession, 'note'>

/** What the runtime logs is a line of the command log: on stderr it would spoil the screen. */
function loggerInto(session: Note): {
  debug(): void
  info(): void
  warn(message: string): void
  error(message: string): void
} {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (message) => session.note(own`tq-tui`, clean(message), { failed: true }),
    error: (message) => session.note(own`tq-tui`, clean(message), { failed: true }),
  }
}

const largestClipboard = 74_000

function clipboard(text: string): string {
  return `\u001b]52;c;${Buffer.from(text.slice(0, largestClipboard)).toString('base64')}\u0007`
}

function page(text: string): Promise<void> {
  const [command = 'less', ...parameters] = (process.env['PAGER'] ?? 'less -R').split(' ')
  spawnSync(command, parameters, { input: text, stdio: ['pipe', 'inherit', 'inherit'] })
  return Promise.resolve()
}
