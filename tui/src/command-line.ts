/** Flags of `tq-tui repl`. */
export interface ReplFlags {
  /** False with `--no-app`. */
  readonly app?: string | boolean | undefined
  readonly cwd: string
  readonly eager?: boolean | undefined
  readonly history: boolean
  readonly eval?: readonly string[] | undefined
}

/** Flags of the other commands. */
export interface ConsoleFlags {
  readonly app?: string | undefined
  readonly broker?: string | undefined
  readonly cwd: string
  readonly readOnly?: boolean | undefined
  /** False with `--no-worker`. */
  readonly worker?: boolean | undefined
  readonly ascii?: boolean | undefined
  /** False with `--no-color`. */
  readonly color?: boolean | undefined
  readonly utc?: boolean | undefined
  readonly snapshot?: boolean | undefined
  readonly json?: boolean | undefined
  readonly follow?: boolean | undefined
  readonly screenReader?: boolean | undefined
  /** It is a child of `tq-tui dev`. */
  readonly underDev?: boolean | undefined
  /** Of `info`: print a keymap file. */
  readonly keymap?: boolean | undefined
}

const replHelp = `
Examples:
  tq-tui repl                              with the app found as a worker finds it
  echo 'add.delay(2, 2)' | tq-tui repl     prints 4
  tq-tui repl -e 'add.delay(2, 2)'

Piped input and -e: values go to stdout, notes and errors to stderr. The first input that fails ends the run, as with
"set -e": 1 for an error, 3 for a failed task, 130 when interrupted.`

const consoleHelp = `
Examples:
  tq-tui                                   the console of this project's broker
  tq-tui --broker redis://localhost        of another one
  tq-tui dev                               with a worker that reloads when a file changes
  tq-tui --json | jq '.workers[].name'     once, as JSON

Without a terminal: what is piped in goes to the REPL; with nothing piped in, a table is printed once. ? in the console
shows its keys. --read-only looks only: task events are switched on where they are off, and nothing else is sent.

Other keys: tq-tui info --keymap > the keymap file that tq-tui info names, then change it. A console that was killed by
SIGKILL leaves the terminal as it was at that moment: reset puts it right; under tq-tui dev that happens by itself.`

/** The flags of `repl`. */
export async function parseRepl(argv: readonly string[]): Promise<ReplFlags | undefined> {
  const given = await parse(argv)
  return given?.command === 'repl' ? given.flags : undefined
}

/** A command line that was understood. */
export type Given =
  | { readonly command: 'repl'; readonly flags: ReplFlags }
  | { readonly command: 'console' | 'dev' | 'info'; readonly flags: ConsoleFlags }

/** Undefined when the command line was answered (help, version) or wrong; the exit code is then set. */
export async function parse(argv: readonly string[]): Promise<Given | undefined> {
  const { Command, CommanderError, Option } = await import('commander')
  let given: Given | undefined
  const program = new Command('tq-tui')
    .description('Console and REPL for tq. Without a command: the console.')
    .version(await ownVersion())
    .exitOverride()
  for (const command of ['console', 'dev'] as const) {
    const one = program
      .command(command, { isDefault: command === 'console' })
      .description(
        command === 'console' ? 'tasks, workers and queues, live' : 'the console, and a worker that reloads on changes',
      )
      .option('-A, --app <module>', 'app module, as for the worker: src/app.ts or src/app.ts:app')
      .option('-b, --broker <url>', 'broker; default: the project’s')
      .option('--cwd <dir>', 'folder of the project', '.')
      .option('--read-only', 'refuse every action')
      .option('--ascii', 'draw with ASCII only')
      .option('--no-color', 'bold and dim instead of colours; so does NO_COLOR')
      .option('--utc', 'times in UTC')
      .option('--screen-reader', 'lines of text instead of a screen; so does INK_SCREEN_READER=true')
      .addOption(new Option('--under-dev').hideHelp())
    if (command === 'console') {
      one
        .option('--no-worker', 'start no worker on the embedded broker')
        .option('--snapshot', 'print a table and leave')
        .option('--json', 'print JSON and leave')
        .option('--follow', 'with --json: a line for every change of a task')
        .addHelpText('after', consoleHelp)
    }
    one.exitOverride().action((flags: ConsoleFlags) => {
      given = { command, flags }
    })
  }
  program
    .command('info')
    .description('where the files of tq-tui and of this project are')
    .option('-A, --app <module>', 'app module, as for the worker: src/app.ts or src/app.ts:app')
    .option('-b, --broker <url>', 'broker; default: the project’s')
    .option('--cwd <dir>', 'folder of the project', '.')
    .option('--keymap', 'print the keys as a keymap file to begin with')
    .exitOverride()
    .action((flags: ConsoleFlags) => {
      given = { command: 'info', flags }
    })
  program
    .command('repl')
    .description('evaluate TypeScript with the tasks of an app in scope')
    .option('-A, --app <module>', 'app module, as for the worker: src/app.ts or src/app.ts:app')
    .option('--no-app', 'no app: plain TypeScript')
    .option('--cwd <dir>', 'folder to find the app from', '.')
    .option('--eager', 'run tasks in this process, as a worker would')
    .option('-e, --eval <code...>', 'evaluate, print the value and leave')
    .option('--no-history', 'neither read nor write .tq/repl-history')
    .addHelpText('after', replHelp)
    .exitOverride()
    .action((flags: ReplFlags) => {
      given = { command: 'repl', flags }
    })
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? 0 : 2
  }
  return given
}

async function ownVersion(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  const manifest: unknown = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
}
