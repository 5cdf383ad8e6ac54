import { type ChildProcess, fork } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, relative } from 'node:path'
import { systemClock } from '../core/clock.ts'
import { flagsForChild } from '../core/node-flags.ts'
import { findApp, projectFolder } from '../run/find-app.ts'
import { type Reloadable, Reloading } from '../run/reloading.ts'
import type { Output } from './output.ts'
import { ownCommand } from './own-command.ts'
import type { WorkerFlags } from './worker-flags.ts'

/** `tq worker --watch`: the same worker as a child process, started anew when a file of the project changes. */
export async function runWatched(flags: WorkerFlags, output: Output): Promise<void> {
  const { file } = await findApp(flags.app, process.cwd(), process.env)
  const folder = projectFolder(dirname(file))
  let child: ChildProcess | undefined
  let checking: ChildProcess | undefined
  let isEnding = false
  const reloading = new Reloading({
    folder,
    clock: systemClock,
    canStart: async (name) => {
      checking = startCheck()
      const isFine = await endsWell(checking)
      if (!isFine && !isEnding)
        output.note(`${name} changed, but the project cannot be loaded: what runs goes on as it is.`)
      return isFine
    },
    onChanged: (name) => output.note(`${name} changed: the worker starts anew when what runs has ended.`),
    start: async () => {
      child = startChild()
      return reloadable(child, () => isEnding, output)
    },
    onDeaf: (error) => output.note(`Files are no longer watched: ${error.message}`),
  })
  output.note(`Watching ${relative(process.cwd(), folder) || folder}.`)
  // The child is in a session of its own, so that a key of the terminal reaches it once: through here.
  const passOn = (signal: NodeJS.Signals): void => void child?.kill(signal)
  for (const signal of ['SIGUSR1', 'SIGCONT'] as const) process.on(signal, () => passOn(signal))
  process.on('SIGTSTP', () => {
    passOn('SIGTSTP')
    process.kill(process.pid, 'SIGSTOP')
  })
  const ended = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        isEnding = true
        passOn(signal)
        resolve()
      })
    }
  })
  await ended
  checking?.kill('SIGKILL')
  await reloading.stop()
  process.exit(child?.exitCode ?? (child?.signalCode ? 128 + constants.signals[child.signalCode] : 0))
}

function startChild(): ChildProcess {
  const { entry, args } = ownCommand()
  const child = fork(entry, [...args, '--started-by', 'watch'], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: flagsForChild(process.execArgv),
  })
  // Whoever sent this process to the background waits for it.
  child.on('message', (note) => void (process.connected && process.send?.(note)))
  return child
}

/** Loads the project as the worker would, and says what is wrong with it. */
function startCheck(): ChildProcess {
  const { entry, args } = ownCommand()
  return fork(entry, [...args, '--started-by', 'check'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: flagsForChild(process.execArgv),
  })
}

function endsWell(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })
}

function reloadable(child: ChildProcess, isEnding: () => boolean, output: Output): Reloadable {
  const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  let isWanted = false
  child.once('exit', () => {
    if (!isWanted && !isEnding()) output.note('The worker has ended; it starts again when a file changes.')
  })
  return {
    stop: async () => {
      isWanted = true
      // What ended this process has been passed on already; a second signal would hurry it.
      if (!isEnding()) child.kill('SIGTERM')
      await gone
    },
  }
}
