import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { CommandEnd, exitCodes } from './exit-codes.ts'

/** Hands a command over to the project's tq-tui, with this process's terminal; ends with its exit code. */
export function handOver(args: readonly string[]): Promise<void> {
  const bin = join(dirname(packageOf('tq-tui')), 'bin', 'tq-tui.js')
  const child = spawn(process.execPath, [bin, ...args], { stdio: 'inherit' })
  // The terminal sends its signals to both; the child answers them, and this process waits for it.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => {})
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0)
      resolve()
    })
  })
}

function packageOf(name: string): string {
  for (const from of [`${process.cwd()}/`, import.meta.url]) {
    try {
      return createRequire(from).resolve(`${name}/package.json`)
    } catch {
      // not installed there
    }
  }
  throw new CommandEnd(exitCodes.error, `This needs the package ${name}: npm install --save-dev ${name}`)
}
