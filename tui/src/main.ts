import { existsSync, fstatSync } from 'node:fs'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { type ConsoleFlags, parse, parseRepl, type ReplFlags } from './command-line.ts'
import { linesOf, PlainLoop } from './repl/plain-loop.ts'
import type { StartOptions } from './repl/protocol.ts'

/** The command `tq-tui`: sets `process.exitCode` when it is done. */
export async function main(argv: readonly string[]): Promise<void> {
  const asks = argv.some((argument) => ['-h', '--help', '-V', '--version', 'help'].includes(argument))
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb'
  if (asks) await parse(argv)
  else if (argv[0] === 'repl') await runRepl(argv, isTerminal)
  else if (argv[0] === 'dev' || argv[0] === 'info') await runConsole(argv, isTerminal)
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
  const given = await parse(argv)
  if (given === undefined || given.command === 'repl') return
  const { flags } = given
  const project = { cwd: resolve(flags.cwd), app: flags.app, broker: flags.broker }
  if (!existsSync(project.cwd)) {
    process.stderr.write(`There is no folder ${project.cwd}: --cwd is to name the project's.\n`)
    process.exitCode = 2
  } else if (given.command === 'info') await printInfo(flags, project)
  else if (flags.snapshot === true || flags.json === true || flags.follow === true) await printOnce(flags, project)
  else if (!isTerminal && !readsAloud(flags)) await printOnce(flags, project)
  else await runLive(given.command, argv, flags, project)
}

interface ProjectFlags {
  readonly cwd: string
  readonly app: string | undefined
  readonly broker: string | undefined
}

/** For a screen reader, where there are keys and something to write to. */
function readsAloud({ screenReader }: ConsoleFlags): boolean {
  const isAsked = screenReader ?? process.env['INK_SCREEN_READER'] === 'true'
  return isAsked && process.stdin.isTTY && process.stdout.isTTY
}

async function runLive(
  command: 'console' | 'dev',
  argv: readonly string[],
  flags: ConsoleFlags,
  project: ProjectFlags,
): Promise<void> {
  const [{ lookOf }, { configFolder, keymapFile, readKeymap }] = await Promise.all([
    import('./ui/paint.ts'),
    import('./keymap-file.ts'),
  ])
  const file = keymapFile(configFolder(process.env, homedir()))
  const { keymap, problems } = readKeymap(file)
  if (problems.length > 0) {
    process.stderr.write(`${file} is refused:\n${problems.map((problem) => `  ${problem}\n`).join('')}`)
    process.exitCode = 2
    return
  }
  if (command === 'dev') {
    const { runDev } = await import('./dev.ts')
    process.exitCode = await runDev({ ...project, argv: argv.slice(1) })
  } else {
    const options = {
      ...project,
      keymap,
      look: lookOf(process.env, flags),
      isReadOnly: flags.readOnly ?? false,
      startsWorker: flags.worker !== false,
      onReady: flags.underDev === true ? (await import('./dev-child.ts')).hearParent : undefined,
    }
    process.exitCode = readsAloud(flags)
      ? await (await import('./linear.ts')).runLinear(options)
      : await (await import('./console.ts')).runConsole(options)
  }
  // What is still open (a worker that finishes its tasks) goes on without us.
  process.exit()
}

async function printInfo(flags: ConsoleFlags, project: ProjectFlags): Promise<void> {
  if (flags.keymap === true) {
    const [{ keymapText }, { defaultKeymap }] = await Promise.all([import('./keymap-file.ts'), import('./keymap.ts')])
    process.stdout.write(keymapText(defaultKeymap))
    return
  }
  const { infoText } = await import('./info.ts')
  process.stdout.write(await infoText(project))
}

async function printOnce(flags: ConsoleFlags, project: ProjectFlags): Promise<void> {
  const [{ lookOf }, { runSnapshot }] = await Promise.all([import('./ui/paint.ts'), import('./snapshot.ts')])
  // A reader that has gone (`| head -1`) is no reason to crash.
  process.stdout.on('error', () => process.exit(0))
  process.exitCode = await runSnapshot({
    ...project,
    look: lookOf(process.env, flags),
    json: flags.json ?? false,
    follow: flags.follow ?? false,
    write: (text) => process.stdout.write(text),
    warn: (text) => process.stderr.write(`${text}\n`),
  })
}

async function runScreen(argv: readonly string[]): Promise<void> {
  const { ReplScreen } = await import('./repl/screen.ts')
  const screen = new ReplScreen()
  const flags = await parseRepl(argv)
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
  const flags = await parseRepl(argv)
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
