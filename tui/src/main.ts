import { existsSync, fstatSync } from 'node:fs'
import { resolve } from 'node:path'
import { linesOf, PlainLoop } from './repl/plain-loop.ts'
import type { StartOptions } from './repl/protocol.ts'

interface ReplFlags {
  /** False with `--no-app`. */
  readonly app?: string | boolean | undefined
  readonly cwd: string
  readonly eager?: boolean | undefined
  readonly history: boolean
  readonly eval?: readonly string[] | undefined
}

interface ConsoleFlags {
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
}

/** The command `tq-tui`: sets `process.exitCode` when it is done. */
export async function main(argv: readonly string[]): Promise<void> {
  const asks = argv.some((argument) => ['-h', '--help', '-V', '--version', 'help'].includes(argument))
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb'
  if (asks) await parse(argv)
  else if (argv[0] === 'repl') await runRepl(argv, isTerminal)
  else if (argv[0] === 'dev') await runConsole(argv, isTerminal)
  else if (isEvaluation(argv) || (!isTerminal && !asksForSnapshot(argv) && hasInput()))
    await runRepl(['repl', ...argv], false)
  else await runConsole(argv, isTerminal)
}

async function runRepl(argv: readonly string[], isTerminal: boolean): Promise<void> {
  if (isTerminal && !isEvaluation(argv)) await runScreen(argv)
  else await runPlain(argv, isEvaluation(argv))
}

function isEvaluation(argv: readonly string[]): boolean {
  return argv.some((argument) => argument.startsWith('-e') || argument.startsWith('--eval'))
}

function asksForSnapshot(argv: readonly string[]): boolean {
  return argv.some((argument) => ['--snapshot', '--json', '--follow'].includes(argument))
}

/** Something is piped in: no terminal, and not `/dev/null` as in CI. */
function hasInput(): boolean {
  return !process.stdin.isTTY && !fstatSync(0).isCharacterDevice()
}

async function runConsole(argv: readonly string[], isTerminal: boolean): Promise<void> {
  const given = await parseAll(argv)
  if (given === undefined || given.command === 'repl') return
  const { flags } = given
  const { lookOf } = await import('./ui/paint.ts')
  const look = lookOf(process.env, flags)
  const project = { cwd: resolve(flags.cwd), app: flags.app, broker: flags.broker }
  if (!existsSync(project.cwd)) {
    process.stderr.write(`There is no folder ${project.cwd}: --cwd is to name the project's.\n`)
    process.exitCode = 2
    return
  }
  if (!isTerminal || flags.snapshot === true || flags.json === true || flags.follow === true) {
    const { runSnapshot } = await import('./snapshot.ts')
    // A reader that has gone (`| head -1`) is no reason to crash.
    process.stdout.on('error', () => process.exit(0))
    process.exitCode = await runSnapshot({
      ...project,
      look,
      json: flags.json ?? false,
      follow: flags.follow ?? false,
      write: (text) => process.stdout.write(text),
      warn: (text) => process.stderr.write(`${text}\n`),
    })
    return
  }
  const options = { ...project, look, isReadOnly: flags.readOnly ?? false }
  if (given.command === 'dev') {
    const { runDev } = await import('./dev.ts')
    process.exitCode = await runDev(options)
  } else {
    const console_ = await import('./console.ts')
    process.exitCode = await console_.runConsole({ ...options, startsWorker: flags.worker !== false })
  }
  // What is still open (a worker that finishes its tasks) goes on without us.
  process.exit()
}

async function runScreen(argv: readonly string[]): Promise<void> {
  const { ReplScreen } = await import('./repl/screen.ts')
  const screen = new ReplScreen()
  const flags = await parse(argv)
  if (flags === undefined) return screen.abandon()
  process.exitCode = await screen.run({ start: startOptions(flags, 'now'), keepHistory: flags.history })
  process.stdin.destroy()
}

async function runPlain(argv: readonly string[], evaluates: boolean): Promise<void> {
  // The engine's process starts in here, before the flags are read: both take their time.
  const loop = new PlainLoop({
    stdout: process.stdout,
    stderr: process.stderr,
    colours: process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '',
    width: process.stdout.isTTY ? process.stdout.columns : 80,
    interactive: process.stdin.isTTY && !evaluates,
  })
  // A reader that has gone (`| head -1`) is no reason to crash.
  process.stdout.on('error', () => process.exit(0))
  process.on('SIGINT', () => {
    if (!loop.interrupt()) process.exit(130)
  })
  const flags = await parse(argv)
  if (flags === undefined) return loop.abandon()
  process.exitCode = await loop.run(startOptions(flags, 'later'), flags.eval ?? linesOf(process.stdin))
  process.stdin.destroy()
}

function startOptions(flags: ReplFlags, worker: 'now' | 'later'): StartOptions {
  return {
    app: typeof flags.app === 'string' ? flags.app : undefined,
    cwd: resolve(flags.cwd),
    loadApp: flags.app !== false,
    eager: flags.eager ?? false,
    worker,
  }
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
shows its keys. --read-only looks only: task events are switched on where they are off, and nothing else is sent.`

async function parse(argv: readonly string[]): Promise<ReplFlags | undefined> {
  const given = await parseAll(argv)
  return given?.command === 'repl' ? given.flags : undefined
}

type Given =
  | { readonly command: 'repl'; readonly flags: ReplFlags }
  | { readonly command: 'console' | 'dev'; readonly flags: ConsoleFlags }

/** Undefined when the command line was answered (help, version) or wrong; the exit code is then set. */
async function parseAll(argv: readonly string[]): Promise<Given | undefined> {
  const { Command, CommanderError } = await import('commander')
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
