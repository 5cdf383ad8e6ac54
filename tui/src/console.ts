import type { Instance } from 'ink'
import { systemClock } from 'tq-runtime'
import { assemble, type ConsoleOptions } from './console-parts.ts'
import type { Attached, Terminal } from './mount.tsx'
import { withLightInk } from './repl/light-ink.ts'
import { ReplPane } from './repl-pane.ts'
import type { Store } from './store.ts'
import { clipboard } from './ui/clipboard.ts'
import { guard, stopJob } from './ui/guard.ts'
import { Lending, runOnTerminal } from './ui/lend.ts'
import { TaskPainter } from './views/tasks.ts'

/** The console on a terminal, from the first frame to the restored terminal. Resolves with the exit code. */
export async function runConsole(
  options: ConsoleOptions,
  terminal: Terminal = { stdin: process.stdin, stdout: process.stdout },
): Promise<number> {
  const { look } = options
  const { stdout } = terminal
  const clock = systemClock
  const exit = Promise.withResolvers<number>()
  const lending = new Lending()
  let attached: Attached | undefined
  // Ink exists only later; until then nothing of the terminal has been changed.
  const live: { ink?: Instance } = {}
  const leave = (code: number, message?: string): void => {
    live.ink?.unmount()
    if (message !== undefined) process.stderr.write(`${message}\n`)
    process.exit(code)
  }
  const release = guard(leave, () => lending.isLent)
  const lend = (work: () => Promise<void>): Promise<void> =>
    lending.during(async () => {
      let failure: { readonly error: unknown } | undefined
      await attached?.suspend(() =>
        work().catch((error: unknown) => {
          failure = { error }
        }),
      )
      if (failure !== undefined) throw failure.error
    })
  const suspend = async (): Promise<void> => {
    if (process.platform !== 'win32') await lend(stopJob)
  }
  const size = (): { columns: number; rows: number } => ({ columns: stdout.columns, rows: stdout.rows })
  const { store, session, controller, close } = assemble({
    ...options,
    size: size(),
    terminal: {
      exit: exit.resolve,
      suspend,
      lend,
      redraw: () => lend(() => Promise.resolve()),
      copy: (text) => attached?.write(clipboard(text)),
      openRepl: () =>
        new ReplPane({
          start: { app: options.app, cwd: options.cwd, loadApp: true, eager: false, worker: 'later' },
          colours: look.colour,
          size,
          suspend,
          page: (text) => lend(() => runOnTerminal(pager(), text)),
          onLeft: () => controller.leaveRepl(),
        }),
    },
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
      session.batches.intervalMs = Math.max(100, Math.min(500, 20 * frameMs))
    },
  })
  live.ink = ink
  const tick = clock.interval(1000, () => tickIfSeen(store, clock.now()))
  void started.then(() => options.onReady?.(session.log.note))
  const code = await exit.promise
  tick.cancel()
  ink.unmount()
  await ink.waitUntilExit()
  await close()
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

function pager(): readonly [string, ...string[]] {
  const [command = 'less', ...parameters] = (process.env['PAGER'] ?? 'less -R').split(' ')
  return [command, ...parameters]
}
