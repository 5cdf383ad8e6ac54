import { fork, type StdioOptions } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { ReadyNote } from '../app/ephemeral-worker.ts'
import { nodeName } from '../core/id.ts'
import { fileNameFor } from '../run/log-file.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { Output } from './output.ts'
import { ownCommand, ownFlags } from './own-command.ts'
import type { WorkerFlags } from './worker-flags.ts'

// As `celery multi` names them.
const defaultLogFile = '%n%I.log'
const longestTail = 2000

/** `tq worker --detach`: starts the same worker in a session of its own and waits until it consumes, or has failed. */
export async function runDetached(flags: WorkerFlags, output: Output): Promise<void> {
  const logfile = flags.logfile ?? defaultLogFile
  const folder = resolve(flags.workdir ?? '.')
  const log = resolve(folder, fileNameFor(logfile, { hostname: nodeName(flags.hostname), index: 0 }))
  mkdirSync(dirname(log), { recursive: true })
  // What it says before its logging is set up has no other place to go.
  const fd = openSync(log, 'a', 0o640)
  const stdio: StdioOptions = ['ignore', fd, fd, 'ipc']
  const { entry, args } = ownCommand()
  const more = flags.logfile === undefined ? ['--logfile', logfile] : []
  const child = fork(entry, [...args, ...more, '--started-by', 'detach'], {
    detached: true,
    stdio,
    cwd: folder,
    execArgv: ownFlags(),
    ...(flags.executable !== undefined && { execPath: flags.executable }),
  })
  closeSync(fd)
  const hostname = await new Promise<string | undefined>((settle) => {
    child.on('message', (note: Partial<ReadyNote>) => settle(note.ready))
    child.once('error', () => settle(undefined))
    child.once('exit', (code) => {
      if (code !== null && code !== 0) process.exitCode = code
      settle(undefined)
    })
  })
  if (hostname === undefined) {
    const tail = readFileSync(log, 'utf8').slice(-longestTail).trim()
    throw new CommandEnd(
      Number(process.exitCode ?? exitCodes.error),
      `The worker did not start; its log is ${log}.\n${tail}`,
    )
  }
  child.disconnect()
  child.unref()
  output.note(`${hostname} runs in the background: pid ${child.pid}, log ${log}.`)
}
