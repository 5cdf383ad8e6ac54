import { fork, type StdioOptions } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { ReadyNote } from '../app/ephemeral-worker.ts'
import { nodeName } from '../core/id.ts'
import { flagsForChild } from '../core/node-flags.ts'
import { fileNameFor } from '../run/log-file.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { Output } from './output.ts'
import { ownCommand } from './own-command.ts'
import type { WorkerFlags } from './worker-flags.ts'

// As `celery multi` names them.
const defaultLogFile = '%n%I.log'
const longestTail = 2000

/** `tq worker --detach`: starts the same worker in a session of its own and waits until it consumes, or has failed. */
export async function runDetached(flags: WorkerFlags, output: Output): Promise<void> {
  const logfile = flags.logfile ?? defaultLogFile
  const folder = resolve(flags.workdir ?? '.')
  const log = resolve(folder, fileNameFor(logfile, { hostname: nodeName(flags.hostname), index: 0 }))
  // What it says before its logging is set up has no other place to go.
  const fd = opened(log)
  const begin = fstatSync(fd).size
  const stdio: StdioOptions = ['ignore', fd, fd, 'ipc']
  const { entry, args } = ownCommand()
  const more = flags.logfile === undefined ? ['--logfile', logfile] : []
  const child = fork(entry, [...args, ...more, '--started-by', 'detach'], {
    detached: true,
    stdio,
    cwd: folder,
    execArgv: flagsForChild(process.execArgv),
    ...(flags.executable !== undefined && { execPath: flags.executable }),
  })
  const hostname = await new Promise<string | undefined>((settle) => {
    child.on('message', (note: Partial<ReadyNote>) => settle(note.ready))
    child.once('error', () => settle(undefined))
    child.once('exit', (code) => {
      if (code !== null && code !== 0) process.exitCode = code
      settle(undefined)
    })
  })
  if (hostname === undefined) {
    const code = Number(process.exitCode ?? exitCodes.error)
    throw new CommandEnd(code, `The worker did not start; its log is ${log}.\n${tailOf(fd, begin)}`)
  }
  closeSync(fd)
  child.disconnect()
  child.unref()
  output.note(`${hostname} runs in the background: pid ${child.pid}, log ${log}.`)
}

function opened(log: string): number {
  try {
    mkdirSync(dirname(log), { recursive: true })
    return openSync(log, 'a+', 0o640)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandEnd(exitCodes.error, `Could not open the log file ${log}: ${why}`)
  }
}

/** The end of what this worker has written: earlier ones may have filled the file. */
function tailOf(fd: number, begin: number): string {
  const { size } = fstatSync(fd)
  const from = Math.max(begin, size - longestTail)
  const bytes = Buffer.alloc(Math.max(0, size - from))
  const length = readSync(fd, bytes, { position: from })
  closeSync(fd)
  return bytes.toString('utf8', 0, length).trim()
}
