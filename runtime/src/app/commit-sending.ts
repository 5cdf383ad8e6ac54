import type { Prepared } from './send.ts'
import type { TqApp } from './tq.ts'

/** Rejects for who awaits it; who does not must not be ended by a rejection that nobody handles. */
export function loggedSending(app: TqApp, prepared: Prepared | undefined, sent: Promise<void>): Promise<void> {
  sent.catch((error: unknown) => {
    const { task, id } = prepared?.message ?? {}
    app.logger.error(`The transaction was committed, but its task ${task}[${id}] was not sent: ${String(error)}`)
  })
  return sent
}
