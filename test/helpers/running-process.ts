import type { ChildProcess } from 'node:child_process'
import { groupMembers, signalGroup } from './process-group.ts'
import { waitFor } from './wait.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A program that a test started, as leader of a process group of its own. */
export interface RunningProcess {
  readonly child: ChildProcess
  /** Also the id of its process group. */
  readonly pid: number
  /** Everything written so far. */
  readonly stdout: string
  readonly stderr: string
  /** Settles when the process has ended and its output is complete. Never rejects. */
  readonly exit: Promise<Exit>
  /**
   * The first whole line, of those written already or to come on either stream, that the pattern matches. Rejects with
   * the output when the process ends without one, or after `timeoutMs` (45 s).
   */
  waitForLine(pattern: RegExp | string, timeoutMs?: number): Promise<string>
  write(text: string): void
  /** Sends a signal to the process alone, not to its group. */
  kill(signal?: NodeJS.Signals): void
  /** SIGTERM to the process, after `graceMs` (5 s) SIGKILL to its group. Idempotent. */
  stop(graceMs?: number): Promise<Exit>
}

// One table per test file: every file has modules of its own.
const running = new Set<RunningProcess>()
const leftBehind: string[] = []

// The test process itself may be told to go (an interrupt, a timeout of the runner).
process.once('exit', () => {
  for (const { pid } of running) signalGroup(pid, 'SIGKILL')
})

/**
 * Ends what still runs and throws if anything did, or if a process ended and left children of its own behind. The setup
 * file calls it after every test file.
 */
export async function leaveNothingRunning(): Promise<void> {
  for (const forgotten of running) {
    leftBehind.push(`${titleOf(forgotten.child)} (pid ${forgotten.pid}) was never stopped`)
    await forgotten.stop(0)
  }
  if (leftBehind.length > 0) throw new Error(`Leaked processes:\n  ${leftBehind.splice(0).join('\n  ')}`)
}

/** Collects a fresh child's output and keeps it on the list of what must be stopped. */
export function trackProcess(child: ChildProcess, pid: number, mayLeaveChildren: boolean): RunningProcess {
  let stdout = ''
  let stderr = ''
  let ended: Exit | undefined
  let stopping: Promise<Exit> | undefined
  const lookers = new Set<() => void>()
  const look = (): void => {
    for (const looker of lookers) looker()
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    look()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    look()
  })
  child.stdin?.on('error', () => {}) // EPIPE: the process ended before it read everything
  const exit = outputComplete(child).then((how) => {
    ended = how
    look()
    return how
  })

  const self: RunningProcess = {
    child,
    pid,
    exit,
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    waitForLine(pattern, timeoutMs = 45_000) {
      return new Promise((resolve, reject) => {
        const looker = (): void => {
          const line = [...wholeLines(stdout, ended), ...wholeLines(stderr, ended)].find((text) =>
            matches(text, pattern),
          )
          if (line !== undefined) done(() => resolve(line))
          else if (ended) done(() => fail(`ended with ${ended?.signal ?? `code ${ended?.code}`} and never wrote`))
        }
        const timer = setTimeout(() => done(() => fail(`did not within ${timeoutMs} ms write`)), timeoutMs)
        const done = (settle: () => void): void => {
          clearTimeout(timer)
          lookers.delete(looker)
          settle()
        }
        const fail = (what: string): void =>
          reject(new Error(`${titleOf(child)} ${what} ${String(pattern)}.${describeOutput(self)}`))
        lookers.add(looker)
        looker()
      })
    },
    write(text) {
      child.stdin?.write(text)
    },
    kill(signal = 'SIGTERM') {
      child.kill(signal)
    },
    stop(graceMs = 5000) {
      stopping ??= end(self, graceMs, mayLeaveChildren)
      return stopping
    },
  }
  running.add(self)
  return self
}

/** The tail of both streams, for error messages. */
export function describeOutput({ stdout, stderr }: Pick<RunningProcess, 'stdout' | 'stderr'>): string {
  return `\n--- stdout\n${stdout.slice(-4000)}\n--- stderr\n${stderr.slice(-4000)}`
}

async function end(target: RunningProcess, graceMs: number, mayLeaveChildren: boolean): Promise<Exit> {
  if (graceMs > 0) target.kill('SIGTERM')
  const timer = setTimeout(() => signalGroup(target.pid, 'SIGKILL'), graceMs)
  const exit = await target.exit
  clearTimeout(timer)
  if (!mayLeaveChildren) {
    // Children that see their parent's end go within moments; who stays longer is an orphan.
    await waitFor(() => groupMembers(target.pid).length === 0, { what: 'children', timeoutMs: 2000 }).catch(() => {
      const orphans = groupMembers(target.pid).join(', ')
      if (orphans) leftBehind.push(`${titleOf(target.child)} ended and left ${orphans} of its process group running`)
    })
  }
  signalGroup(target.pid, 'SIGKILL')
  running.delete(target)
  return exit
}

/** `close` alone would wait for grandchildren that hold the pipes; what the process itself wrote is read within a moment. */
function outputComplete(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      const timer = setTimeout(() => resolve({ code, signal }), 500)
      child.once('close', () => {
        clearTimeout(timer)
        resolve({ code, signal })
      })
    })
  })
}

function wholeLines(text: string, ended: Exit | undefined): string[] {
  const lines = text.split(/\r?\n/)
  return ended ? lines : lines.slice(0, -1)
}

function matches(line: string, pattern: RegExp | string): boolean {
  return typeof pattern === 'string' ? line.includes(pattern) : line.search(pattern) !== -1
}

function titleOf(child: ChildProcess): string {
  return child.spawnargs.join(' ')
}
