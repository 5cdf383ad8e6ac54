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

/** The command `tq-tui`: sets `process.exitCode` when it is done. */
export async function main(argv: readonly string[]): Promise<void> {
  const evaluates = argv.some((argument) => argument.startsWith('-e') || argument.startsWith('--eval'))
  const asks = argv.some((argument) => ['-h', '--help', '-V', '--version', 'help'].includes(argument))
  if (asks) await parse(argv)
  else if (process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb' && !evaluates)
    await runScreen(argv)
  else await runPlain(argv, evaluates)
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

/** Undefined when the command line was answered (help, version) or wrong; the exit code is then set. */
async function parse(argv: readonly string[]): Promise<ReplFlags | undefined> {
  const { Command, CommanderError } = await import('commander')
  let flags: ReplFlags | undefined
  const program = new Command('tq-tui')
    .description('Console and REPL for tq. Without a command: the REPL.')
    .version(await ownVersion())
    .exitOverride()
  program
    .command('repl', { isDefault: true })
    .description('evaluate TypeScript with the tasks of an app in scope')
    .option('-A, --app <module>', 'app module, as for the worker: src/app.ts or src/app.ts:app')
    .option('--no-app', 'no app: plain TypeScript')
    .option('--cwd <dir>', 'folder to find the app from', '.')
    .option('--eager', 'run tasks in this process, as a worker would')
    .option('-e, --eval <code...>', 'evaluate, print the value and leave')
    .option('--no-history', 'neither read nor write .tq/repl-history')
    .addHelpText('after', replHelp)
    .exitOverride()
    .action((given: ReplFlags) => {
      flags = given
    })
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = error.exitCode === 0 ? 0 : 2
  }
  return flags
}

async function ownVersion(): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  const manifest: unknown = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
}
