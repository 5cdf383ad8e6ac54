import { Command, CommanderError } from 'commander'
import { isTqError } from '../core/errors.ts'
import { version } from '../core/version.ts'
import type { DoctorFlags } from './doctor-command.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import { count, date, names, seconds } from './flag-values.ts'
import { addInspectCommands } from './inspect-program.ts'
import type { LiveFlags } from './live-command.ts'
import { type Output, processOutput } from './output.ts'
import type { QuarantineFlags } from './quarantine-command.ts'
import { type WorkerFlags, withWorkerFlags } from './worker-flags.ts'

/** Runs one command line; the process ends with the code in `process.exitCode`. Commands are imported when they are called. */
export async function main(argv: readonly string[], output: Output = processOutput): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', unlessClosed)
  try {
    await program(output).parseAsync([...argv], { from: 'user' })
  } catch (error) {
    process.exitCode = report(error, output)
  }
}

/** Whoever read our output has gone (`| head`): that is no error of ours. Commands without an end look for it themselves. */
function unlessClosed(error: Error): void {
  if (!('code' in error) || error.code !== 'EPIPE') throw error
}

function report(error: unknown, output: Output): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof CommandEnd) {
    if (error.message !== '') output.note(error.message)
    return error.exitCode
  }
  if (isTqError(error)) {
    output.note(error.message)
    return error.code === 'TQ_ARGUMENT' ? exitCodes.usage : exitCodes.error
  }
  output.note(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return exitCodes.error
}

function program(output: Output): Command {
  const tq = new Command('tq')
    .description('Celery for TypeScript: tasks, queues and workers.')
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.data(text.replace(/\n$/, '')),
      writeErr: (text) => output.note(text.replace(/\n$/, '')),
    })
    .addHelpText(
      'after',
      `
Examples:
  tq worker                      run the project's tasks
  tq call math.add 2 2           call a task and print its result
  tq status                      which workers are alive
  tq events --dump               what happens, as it happens`,
    )

  withWorkerFlags(command(tq, 'worker', 'Run tasks until told to stop.')).action(
    async (flags: WorkerFlags, self: Command) => {
      const { runWorker } = await import('./worker-command.ts')
      await runWorker(all(flags, self), output)
    },
  )

  command(tq, 'call <task> [args...]', 'Call a task; arguments are JSON where they parse, else text.')
    .option('-a, --args <json>', 'arguments as a JSON list, - for standard input')
    .option('-k, --kwargs <json>', 'keyword arguments as a JSON object')
    .option('--wait', 'wait for the result and print it (the default)')
    .option('--no-wait', 'print the id instead')
    .option('-t, --timeout <s>', 'how long to wait', seconds)
    .option('--countdown <s>', 'seconds until it may run', seconds)
    .option('--eta <time>', 'not before this time (ISO 8601)', date)
    .option('--expires <s>', 'seconds until it is revoked', seconds)
    .option('-q, --queue <name>')
    .option('--priority <n>', '', count)
    .option('--task-id <id>')
    .option('--eager', 'run it here instead of sending it')
    .action(async (task: string, args: string[], flags: CallFlags, self: Command) => {
      const { runCall } = await import('./call-command.ts')
      await runCall(task, args, all(flags, self), output)
    })

  command(tq, 'result <id>', 'Print the result of a task.')
    .option('--wait', 'wait until it is ready')
    .option('-t, --timeout <s>', 'how long to wait', seconds)
    .option('--traceback', 'print the traceback instead')
    .action(async (id: string, flags: ResultFlags, self: Command) => {
      const { runResult } = await import('./call-command.ts')
      await runResult(id, all(flags, self), output)
    })

  command(tq, 'status', 'Which workers answer.')
    .option('-t, --timeout <s>', 'how long to wait for each answer', seconds, 1)
    .option('-d, --destination <names>', 'ask only these', names)
    .action(async (flags: StatusFlags, self: Command) => {
      const { runStatus } = await import('./inspect-command.ts')
      await runStatus(all(flags, self), output)
    })

  addInspectCommands({ command: (usage, description) => command(tq, usage, description), all, output })

  command(tq, 'events', 'Print events as they come.')
    .option('-d, --dump', 'as lines (the console is tq-tui)')
    .action(async (flags: AppLineFlags, self: Command) => {
      const { runEvents } = await import('./events-command.ts')
      await runEvents(all(flags, self), output)
    })

  command(tq, 'live', 'Results in the browser, as they come.')
    .option('-p, --port <n>', 'port; 0 takes a free one', count, 5566)
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--origins <urls>', 'origins of further pages that may connect, with commas between', names)
    .action(async (flags: LiveFlags, self: Command) => {
      const { runLive } = await import('./live-command.ts')
      await runLive(all(flags, self), output)
    })

  command(tq, 'tasks', 'The tasks of the project.').action(async (flags: AppLineFlags, self: Command) => {
    const { runTasks } = await import('./inspect-command.ts')
    await runTasks(all(flags, self), output)
  })

  tq.command('scan [folder]')
    .description('The tasks that the source defines, and names defined twice. Imports nothing; exit 1 on a collision.')
    .option('--json', 'JSON on stdout and nothing else')
    .option('--no-cache', 'read every file anew')
    .allowExcessArguments(false)
    .action(async (folder: string | undefined, flags: ScanFlags, self: Command) => {
      const { runScan } = await import('./scan-command.ts')
      await runScan(folder, all(flags, self), output)
    })

  command(tq, 'queues', 'What waits in the queues.').action(async (flags: AppLineFlags, self: Command) => {
    const { runQueues } = await import('./queue-commands.ts')
    await runQueues(all(flags, self), output)
  })

  command(tq, 'purge', 'Delete what waits in the queues.')
    .option('-Q, --queues <names>', 'default: all queues of the app', names)
    .option('-X, --exclude-queues <names>', 'queues to leave alone, with commas between', names)
    .option('--vacuum', 'then give the free space of the SQLite file back to the disk')
    .option('-f, --force', 'do not ask')
    .action(async (flags: PurgeFlags, self: Command) => {
      const { runPurge } = await import('./queue-commands.ts')
      await runPurge(all(flags, self), output)
    })

  command(tq, 'quarantine', 'What was set aside instead of run, and why.')
    .option('-n, --limit <n>', 'the newest so many', count, 50)
    .option('--restore [ids...]', 'send these again; without ids all')
    .option('--drop [ids...]', 'delete these; without ids all')
    .action(async (flags: QuarantineFlags, self: Command) => {
      const { runQuarantine } = await import('./quarantine-command.ts')
      await runQuarantine(all(flags, self), output)
    })

  command(tq, 'backup <file>', 'Copy the SQLite file while it is in use.').action(
    async (file: string, flags: AppLineFlags, self: Command) => {
      const { runBackup } = await import('./backup-command.ts')
      await runBackup(file, all(flags, self), output)
    },
  )

  command(tq, 'doctor', 'Look for what may keep tasks from running.')
    .option('-t, --timeout <s>', 'how long to wait for workers', seconds, 1)
    .option('--reset', 'move a SQLite file that is damaged aside; nothing is deleted')
    .action(async (flags: DoctorFlags, self: Command) => {
      const { runDoctor } = await import('./doctor-command.ts')
      await runDoctor(all(flags, self), output)
    })

  command(tq, 'report', 'Versions and settings, without secrets.').action(
    async (flags: AppLineFlags, self: Command) => {
      const { runReport } = await import('./config-command.ts')
      await runReport(all(flags, self), output)
    },
  )

  command(tq, 'config', 'The settings that are set, without secrets.')
    .option('--show-origin', 'where each was set')
    .option('--all', 'those at their default, too')
    .action(async (flags: ConfigFlags, self: Command) => {
      const { runConfig } = await import('./config-command.ts')
      await runConfig(all(flags, self), output)
    })

  for (const [name, description] of [
    ['repl', 'Call tasks from a prompt (tq-tui).'],
    ['dev', 'A worker that restarts on changes, and the console (tq-tui).'],
    ['tui', 'The console: tasks, workers and queues (tq-tui).'],
  ] as const) {
    tq.command(name)
      .description(description)
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .argument('[args...]')
      .action(async (_: readonly string[], __: unknown, self: Command) => {
        const { handOver } = await import('./tui-command.ts')
        await handOver(name === 'tui' ? self.args : [name, ...self.args])
      })
  }
  return tq
}

/** Flags of every command; `app` and its kin may stand before or after the command's name. */
export interface AppLineFlags {
  readonly app?: string
  readonly broker?: string
  readonly resultBackend?: string
  readonly include?: readonly string[]
  readonly json?: boolean
}

export interface CallFlags extends AppLineFlags {
  readonly args?: string
  readonly kwargs?: string
  readonly wait?: boolean
  readonly timeout?: number
  readonly countdown?: number
  readonly eta?: Date
  readonly expires?: number
  readonly queue?: string
  readonly priority?: number
  readonly taskId?: string
  readonly eager?: boolean
}

export interface ResultFlags extends AppLineFlags {
  readonly wait?: boolean
  readonly timeout?: number
  readonly traceback?: boolean
}

export interface StatusFlags extends AppLineFlags {
  readonly timeout: number
  readonly destination?: readonly string[]
}

export interface ScanFlags {
  readonly json?: boolean
  /** Start from what an earlier scan left in node_modules/.cache. */
  readonly cache: boolean
}

export interface ConfigFlags extends AppLineFlags {
  readonly showOrigin?: boolean
  readonly all?: boolean
}

export interface PurgeFlags extends AppLineFlags {
  readonly queues?: readonly string[]
  readonly excludeQueues?: readonly string[]
  readonly vacuum?: boolean
  readonly force?: boolean
}

function command(tq: Command, usage: string, description: string): Command {
  return tq
    .command(usage)
    .description(description)
    .option('-A, --app <module>', 'app module, optionally :export; default: found in the project')
    .option('-b, --broker <url>', 'broker; default: the app’s')
    .option('--result-backend <url>', 'result backend; default: the app’s')
    .option('-I, --include <globs>', 'further task modules, with commas between', names)
    .option('--json', 'JSON on stdout and nothing else')
    .allowExcessArguments(false)
}

// Commander types options loosely; the interfaces above are what the lines that declare them say.
function all<F>(flags: F, self: Command): F {
  return { ...flags, ...self.optsWithGlobals<F & object>() }
}
