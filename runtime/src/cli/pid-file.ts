import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CommandEnd, exitCodes } from './exit-codes.ts'

/**
 * Writes this process's id to a file, which `removePidFile` removes. Throws CommandEnd (73) while the process of an earlier one lives; a
 * file whose process is gone, or that holds no pid, is replaced.
 * Source: celery/platforms.py, create_pidlock and EX_CANTCREAT.
 */
export function createPidFile(file: string, note: (text: string) => void): void {
  const path = resolve(file)
  for (let tries = 0; tries < 3; tries++) {
    if (written(path)) return
    const pid = pidIn(path)
    // Our own: the process was restarted in its place.
    if (pid === process.pid) return
    if (pid !== undefined && isAlive(pid)) throw taken(path, pid)
    note(`The pid file ${path} is of a process that is gone; it is replaced.`)
    rmSync(path, { force: true })
  }
  throw taken(path, pidIn(path))
}

/** Removes it if it is still this process's. */
export function removePidFile(file: string): void {
  const path = resolve(file)
  if (pidIn(path) === process.pid) rmSync(path, { force: true })
}

function taken(path: string, pid: number | undefined): CommandEnd {
  const whose = pid === undefined ? 'another process' : `pid ${pid}`
  return new CommandEnd(
    exitCodes.cannotCreate,
    `A worker with the pid file ${path} runs already (${whose}). End it first, or name another file (--pidfile).`,
  )
}

function written(path: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o644 })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandEnd(exitCodes.cannotCreate, `Could not write the pid file ${path}: ${why}`)
  }
}

function pidIn(path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim()
    return /^[1-9]\d*$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
