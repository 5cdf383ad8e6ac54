import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { type Exit, type RunningProcess, describeOutput, trackProcess } from './running-process.ts'

export type { Exit, RunningProcess } from './running-process.ts'

export interface SpawnOptions {
  readonly cwd?: string | undefined
  /** Added to the inherited environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** Also leaves out what changes a program's output: CI, NO_COLOR, FORCE_COLOR, TERM and their like. */
  readonly cleanEnv?: boolean | undefined
  /** Adds an IPC channel (`child.send`, `message` events). */
  readonly ipc?: boolean | undefined
  /** The test means to leave children of this process behind (it kills their parent): they are ended without complaint. */
  readonly mayLeaveChildren?: boolean | undefined
}

/**
 * Starts a program in a process group of its own. Started inside a test (or beforeEach), it is ended with that test;
 * started in beforeAll or at the top of a file, the file must `stop()` it in afterAll, or it counts as leaked.
 */
export function spawnProcess(command: string, args: readonly string[], options: SpawnOptions = {}): RunningProcess {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: childEnv(options),
    detached: true,
    stdio: options.ipc === true ? ['pipe', 'pipe', 'pipe', 'ipc'] : ['pipe', 'pipe', 'pipe'],
  })
  if (child.pid === undefined) {
    child.on('error', () => {}) // told by the error below
    throw new Error(`Could not start ${command} in ${options.cwd ?? process.cwd()}: one of the two does not exist.`)
  }
  const started = trackProcess(child, child.pid, options.mayLeaveChildren === true)
  try {
    onTestFinished(async () => {
      await started.stop()
    })
  } catch {
    // Outside a test vitest has no such hook; the file's own afterAll stops the process.
  }
  return started
}

/** `node --conditions=@tq/source ...args` with this very Node: `tq-runtime` means its source. */
export function spawnNode(args: readonly string[], options: SpawnOptions = {}): RunningProcess {
  return spawnProcess(process.execPath, ['--conditions=@tq/source', ...args], options)
}

/** Starts a bin from its source, without a build; for programs that go on running. */
export function spawnBin(bin: 'tq' | 'tq-tui', args: readonly string[], options: SpawnOptions = {}): RunningProcess {
  const launcher = fileURLToPath(new URL('launch.ts', import.meta.url))
  if (bin === 'tq') return spawnNode([launcher, bin, ...args], options)
  // Node strips types from .ts only; the console is written in .tsx, and tsx looks for its settings in the working folder.
  const tsconfig = fileURLToPath(new URL('../../tui/tsconfig.json', import.meta.url))
  return spawnNode([`--import=${import.meta.resolve('tsx')}`, launcher, bin, ...args], {
    ...options,
    env: { TSX_TSCONFIG_PATH: tsconfig, ...options.env },
  })
}

export interface RunOptions extends SpawnOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string | undefined
  /** The program is killed and the call rejects after this time; 45 s when left out. */
  readonly timeoutMs?: number | undefined
}

export interface RunResult extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a bin from its source to its end. A non-zero exit is a result, not an error. */
export async function runBin(
  bin: 'tq' | 'tq-tui',
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { input = '', timeoutMs = 45_000, ...spawnOptions } = options
  const program = spawnBin(bin, args, spawnOptions)
  program.child.stdin?.end(input)

  let late = false
  const timer = setTimeout(() => {
    late = true
    void program.stop(0)
  }, timeoutMs)
  const exit = await program.exit
  clearTimeout(timer)
  await program.stop()
  if (late) throw new Error(`${bin} ${args.join(' ')} did not end within ${timeoutMs} ms.${describeOutput(program)}`)
  return { ...exit, stdout: program.stdout, stderr: program.stderr }
}

const runnerFlags = /^(VITEST|TQ_|CELERY_)|^(NODE_ENV|TEST|PROD|DEV|MODE|BASE_URL|SSR|NODE_OPTIONS)$/
const outputFlags =
  /^(CI|CONTINUOUS_INTEGRATION|BUILD_NUMBER|GITHUB_ACTIONS|NO_COLOR|FORCE_COLOR|NODE_DISABLE_COLORS|COLORTERM|CLICOLOR.*|TERM|COLUMNS|LINES)$/

/** This process's environment without what the test runner and the developer's own tq settings put there. */
export function childEnv({
  env = {},
  cleanEnv = false,
}: Pick<SpawnOptions, 'env' | 'cleanEnv'> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !runnerFlags.test(name) && !(cleanEnv && outputFlags.test(name)),
  )
  return { ...Object.fromEntries(inherited), ...env }
}
