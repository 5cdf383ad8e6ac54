import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { findProject, type ProjectOptions } from 'tq-runtime/loader'
import { DevWorker, type DevNote } from './dev-worker.ts'

/** What a console under `tq-tui dev` is sent by its parent. */
export interface DevMessage {
  readonly note: DevNote
}

export interface DevOptions extends ProjectOptions {
  /** Flags of the console, as they were given. */
  readonly argv: readonly string[]
}

/**
 * `tq-tui dev`: a worker that is started anew when a file of the project changes, and the console, as one process tree. The console is
 * a child: when something kills it, there is somebody left to put the terminal right. Resolves with the exit code.
 */
export async function runDev({ argv, ...project }: DevOptions): Promise<number> {
  const { place } = await findProject(project)
  if (place === undefined) {
    process.stderr.write('No tq app was found here. Name it with -A path/to/app.ts, or use --cwd.\n')
    return 1
  }
  const terminal = savedTerminal()
  const screen = fork(process.argv[1] ?? '', ['console', '--under-dev', '--no-worker', ...argv], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  const tell = notesTo(screen)
  const worker = new DevWorker(place.file, tell)
  // What the terminal sends goes to both, and the console decides; what is sent to this process alone is handed on.
  const ignored = (['SIGINT', 'SIGQUIT'] as const).map((signal) => onSignal(signal, () => undefined))
  const passed = (['SIGTERM', 'SIGHUP'] as const).map((signal) => onSignal(signal, () => screen.kill(signal)))
  const code = await new Promise<number>((resolve, reject) => {
    screen.once('error', reject)
    screen.once('exit', (given, signal) => {
      if (signal === null) return resolve(given ?? 1)
      terminal.restore()
      process.stderr.write(`The console was ended by ${signal}.\n`)
      resolve(128 + constants.signals[signal])
    })
  })
  await worker.stop()
  for (const undo of [...ignored, ...passed]) undo()
  return code
}

/** Notes wait until the console hears. */
function notesTo(screen: ChildProcess): (note: DevNote) => void {
  let waiting: DevNote[] | undefined = []
  const send = (note: DevNote): void => {
    const message: DevMessage = { note }
    if (screen.connected) screen.send(message, () => undefined)
  }
  screen.once('message', () => {
    for (const note of waiting ?? []) send(note)
    waiting = undefined
  })
  return (note) => {
    if (waiting === undefined) send(note)
    else waiting.push(note)
  }
}

function onSignal(signal: NodeJS.Signals, handler: () => void): () => void {
  process.on(signal, handler)
  return () => process.off(signal, handler)
}

/** The modes of the terminal as they are now; `restore` also leaves the alternate screen and shows the cursor. */
function savedTerminal(): { readonly restore: () => void } {
  const canAsk = process.stdin.isTTY && process.platform !== 'win32'
  const stty = (...args: string[]): string =>
    String(spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' }).stdout ?? '').trim()
  const modes = canAsk ? stty('-g') : ''
  return {
    restore: () => {
      if (modes !== '') stty(modes)
      if (process.stdout.isTTY) process.stdout.write('\u001b[?1049l\u001b[?25h\u001b[?2004l\u001b[0m')
    },
  }
}
