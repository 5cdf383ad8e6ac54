import { inspect } from 'node:util'
import { currentContext } from '../app/context.ts'
import type { TqApp } from '../app/tq.ts'

/**
 * A task must not take its process with it: a rejection that nobody handles, and what is thrown where nobody can catch it (a timer, a
 * listener), fails the task that it comes from. What comes from no task is logged, or ends the process as ever.
 */
export function guardProcess(app: TqApp): void {
  process.on('unhandledRejection', (reason) => {
    const context = currentContext()
    if (context) context.fail(reason)
    else app.logger.error('A promise was rejected outside any task and nobody handled it.', { reason })
  })
  process.on('uncaughtException', (error) => {
    const context = currentContext()
    if (context) return context.fail(error)
    process.stderr.write(`${inspect(error)}\n`)
    process.exit(1)
  })
}
