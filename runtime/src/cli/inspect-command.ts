import { relative } from 'node:path'
import { CommandEnd, exitCodes } from './exit-codes.ts'
import type { AppLineFlags, StatusFlags } from './main.ts'
import { openApp, openLoaded } from './open-app.ts'
import { type Output, printable, table, toJson } from './output.ts'

/** `tq status`: who answers a ping. Exit 5 and the cause when nobody does. */
export async function runStatus(flags: StatusFlags, output: Output): Promise<void> {
  const app = await openApp(flags)
  try {
    const timeoutMs = flags.timeout * 1000
    // Each line as its worker answers: who is there is known long before it is sure that nobody else is.
    const replies = await app.control.ping({
      timeoutMs,
      destination: flags.destination,
      onReply: ({ hostname }) => {
        if (!flags.json) output.data(`${printable(hostname)}  OK`)
      },
    })
    const nodes = Object.keys(replies).sort()
    if (flags.json)
      output.data(toJson({ broker: app.brokerName(), workers: nodes.map((name) => ({ name, status: 'online' })) }))
    if (nodes.length === 0) {
      throw new CommandEnd(
        exitCodes.noWorker,
        `No worker answered within ${flags.timeout} s on ${app.brokerName()}; the broker itself is fine. Start one: tq worker`,
      )
    }
    if (!flags.json) output.note(`${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'} online.`)
  } finally {
    await app.close()
  }
}

/** `tq tasks`: what the project defines. Exit 1 when a module could not be imported. */
export async function runTasks(flags: AppLineFlags, output: Output): Promise<void> {
  const { app, taskFiles, failures } = await openLoaded(flags)
  try {
    const tasks = app.tasks().map((task) => task.describe())
    if (flags.json) {
      output.data(toJson({ tasks, failures }))
    } else {
      const rows = tasks.map((task) => {
        const file = task.file === undefined ? '' : `${relative(process.cwd(), task.file)}:${task.line}`
        return [task.signature, file, task.queue ?? app.settings.taskDefaultQueue]
      })
      if (rows.length > 0) output.data(table(rows))
      output.note(`${tasks.length} tasks from ${taskFiles.length} files`)
    }
    if (failures.length > 0) throw new CommandEnd(exitCodes.error, `${failures.length} files could not be imported.`)
  } finally {
    await app.close()
  }
}
