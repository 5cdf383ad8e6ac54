import { createInterface } from 'node:readline/promises'
import type { FileCare } from '../app/open-driver.ts'
import type { TqApp } from '../app/tq.ts'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { AppLineFlags, PurgeFlags } from './main.ts'
import { openApp } from './open-app.ts'
import { type Output, printable, table, toJson } from './output.ts'

/** `tq queues`: what waits, is held, is parked, and who consumes. */
export async function runQueues(flags: AppLineFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const transport = await app.connections.transport()
    const queues = await Promise.all(
      (await knownQueues(app)).map(async (name) => ({ name, ...(await transport.queueInfo(name)) })),
    )
    if (flags.json) {
      output.data(toJson({ broker: app.brokerName(), queues }))
      return
    }
    const rows = queues.map(({ name, ready, held, parked, consumers }) => [
      printable(name),
      `${ready}`,
      `${held}`,
      `${parked}`,
      consumers === undefined ? '?' : `${consumers}`,
    ])
    output.data(table([['QUEUE', 'READY', 'HELD', 'PARKED', 'WORKERS'], ...rows]))
  } finally {
    await app.close()
  }
}

async function knownQueues(app: TqApp): Promise<readonly string[]> {
  const transport = await app.connections.transport()
  const { queues } = app.router
  const named = app.workerQueues().filter((name) => !queues.get(name).broadcast)
  return [...new Set([...named, ...(await transport.queueNames())])].sort()
}

/**
 * `tq purge`: deletes what waits, after showing how much that is; of all queues of the app unless it is told which.
 * Source: celery/bin/purge.py.
 */
export async function runPurge(flags: PurgeFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  let shrink: (() => readonly Shrunk[]) | undefined
  let purged = 0
  let where: string
  try {
    if (flags.vacuum) shrink = await shrinking(app)
    const transport = await app.connections.transport()
    const queues = queuesToPurge(app, flags)
    where = queues.map((name) => `'${printable(name)}'`).join(', ')
    const infos = await Promise.all(queues.map((name) => transport.queueInfo(name)))
    const waiting = infos.reduce((sum, { ready, parked }) => sum + ready + parked, 0)
    if (!flags.force)
      await confirm(`Delete ${waiting} messages of ${where} on ${app.brokerName()}? This cannot be undone. [y/N] `)
    for (const name of queues) purged += await transport.purge(name)
  } finally {
    await app.close()
  }
  const shrunk = shrink?.() ?? []
  if (flags.json) output.data(toJson({ purged, ...(flags.vacuum ? { shrunk } : {}) }))
  else output.data([`Deleted ${purged} messages of ${where}.`, ...shrunk.map(inWords)].join('\n'))
}

function queuesToPurge(app: TqApp, { queues, excludeQueues = [] }: PurgeFlags): readonly string[] {
  const { queues: table } = app.router
  // Of a broadcast queue every worker has its own, which goes with it.
  const all = queues ?? app.workerQueues().filter((name) => !table.get(name).broadcast)
  const left = all.filter((name) => !excludeQueues.includes(name))
  if (left.length > 0) return left
  throw new CommandEnd(exitCodes.usage, 'No queue is left to purge: -X excludes all of them.')
}

/** To be done once nothing of this process has the file open. */
async function shrinking(app: TqApp): Promise<() => readonly Shrunk[]> {
  const { paths, shrinkFile } = await app.connections.fileCare()
  if (paths.length > 0) return () => paths.map(shrinkFile)
  throw new CommandEnd(
    exitCodes.usage,
    `Nothing was deleted: --vacuum is for the SQLite file, and ${app.brokerName()} is a server with tools of its own.`,
  )
}

const inWords = ({ path, bytesBefore, bytesAfter }: Shrunk): string =>
  printable(`${path}: ${bytesBefore} bytes before, ${bytesAfter} now.`)

type Shrunk = ReturnType<FileCare['shrinkFile']>

async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CommandEnd(exitCodes.usage, `${question.trim()}\nNot asked, as this is no terminal: pass --force.`)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await prompt.question(question)
  prompt.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandEnd(exitCodes.error, 'Nothing was deleted.')
}
