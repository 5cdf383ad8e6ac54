import { createInterface } from 'node:readline/promises'
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

/** `tq purge`: deletes what waits, after showing how much that is. */
export async function runPurge(flags: PurgeFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const transport = await app.connections.transport()
    const queues = flags.queues ?? [app.settings.taskDefaultQueue]
    const infos = await Promise.all(queues.map((name) => transport.queueInfo(name)))
    const waiting = infos.reduce((sum, { ready, parked }) => sum + ready + parked, 0)
    const where = queues.map((name) => `'${printable(name)}'`).join(', ')
    if (!flags.force)
      await confirm(`Delete ${waiting} messages of ${where} on ${app.brokerName()}? This cannot be undone. [y/N] `)
    let purged = 0
    for (const name of queues) purged += await transport.purge(name)
    output.data(flags.json ? toJson({ purged }) : `Deleted ${purged} messages of ${where}.`)
  } finally {
    await app.close()
  }
}

async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CommandEnd(exitCodes.usage, `${question.trim()}\nNot asked, as this is no terminal: pass --force.`)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await prompt.question(question)
  prompt.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandEnd(exitCodes.error, 'Nothing was deleted.')
}
