import { dirname } from 'node:path'
import { systemClock } from 'tq-runtime'
import { findProject, type Project, projectFolder } from 'tq-runtime/loader'
import type { CommandLog } from './command-log.ts'
import { ConsoleController } from './controller.ts'
import type { ConsolePorts } from './key-context.ts'
import type { Keymap } from './keymap.ts'
import { openProject } from './project-app.ts'
import { ConsoleSession } from './session.ts'
import { editorCommand, findDefinitions, framesOf, shortPlace } from './source.ts'
import { newState } from './state.ts'
import { Store } from './store.ts'
import { runOnTerminal } from './ui/lend.ts'
import type { Look } from './ui/paint.ts'
import { clean, own } from './ui/text.ts'

export interface ConsoleOptions {
  readonly cwd: string
  readonly app?: string | undefined
  readonly broker?: string | undefined
  readonly isReadOnly: boolean
  /** On an embedded broker: start a worker where there is none. */
  readonly startsWorker: boolean
  readonly look: Look
  readonly keymap: Keymap
  /** Given the command log; called when the console is up. */
  readonly onReady?: ((note: CommandLog['note']) => void) | undefined
}

export interface PartsOptions extends ConsoleOptions {
  readonly size: { readonly columns: number; readonly rows: number }
  readonly terminal: Omit<ConsolePorts, 'commands' | 'look' | 'source'> & {
    /** Lends the terminal for as long as the work takes. */
    readonly lend: (work: () => Promise<void>) => Promise<void>
  }
}

export interface ConsoleParts {
  readonly store: Store
  readonly session: ConsoleSession
  readonly controller: ConsoleController
  /** Ends the session and the REPL; a connection that takes its time is not waited for. */
  readonly close: () => Promise<void>
}

const closingMs = 2000

/** All of a console but its screen: state, session, keys. The session is not started yet. */
export function assemble(options: PartsOptions): ConsoleParts {
  const { look, keymap, size, isReadOnly, terminal } = options
  const nowMs = systemClock.now()
  const store = new Store(newState({ broker: own`…`, nowMs, size, isReadOnly, keymap }))
  let project: Promise<Project> | undefined
  store.dispatch({ on: 'project', folder: projectFolder(options.cwd) })
  const folder = (): string => store.get().folder ?? options.cwd
  const session: ConsoleSession = new ConsoleSession(store, {
    startsWorker: options.startsWorker && !isReadOnly,
    open: async () => {
      project ??= findProject(options)
      const found = await project.catch((error: unknown) => {
        project = undefined
        throw error
      })
      if (found.problem !== undefined) session.log.note(own`tq-tui`, clean(found.problem))
      if (found.place !== undefined) store.dispatch({ on: 'project', folder: projectFolder(dirname(found.place.file)) })
      return { app: openProject(found, loggerInto(session.log)), place: found.place }
    },
  })
  const controller = new ConsoleController(store, {
    ...terminal,
    look,
    commands: session,
    source: {
      find: (task) => findDefinitions(folder(), task),
      frames: (traceback) => framesOf(traceback, folder()),
      name: (place) => shortPlace(place, folder()),
      edit: (place) => terminal.lend(() => runOnTerminal(editorCommand(place, process.env))),
    },
  })
  const close = async (): Promise<void> => {
    const closed = Promise.all([session.close(), controller.close()])
    await Promise.race([closed, systemClock.sleep(closingMs)])
  }
  return { store, session, controller, close }
}

/** What the runtime logs is a line of the command log: on stderr it would spoil the screen. */
function loggerInto(log: CommandLog): {
  debug(): void
  info(): void
  warn(message: string): void
  error(message: string): void
} {
  return {
    debug: () => undefined,
    info: () => undefined,
    warn: (message) => log.note(own`tq-tui`, clean(message), { failed: true }),
    error: (message) => log.note(own`tq-tui`, clean(message), { failed: true }),
  }
}
