import type { ResultBackend } from '../backends/result-backend.ts'
import type { ResultSource, RevokeOptions } from './async-result.ts'
import { resultOf } from './group-result.ts'
import type { TqApp } from './tq.ts'

/** What results of an app read from. `backend` is where they are kept, `queue` where the task was sent. */
export function resultSource(app: TqApp, backend: () => Promise<ResultBackend>, queue: string): ResultSource {
  const source: ResultSource = {
    clock: app.clock,
    resultExpires: app.settings.resultExpires,
    resultOf: (ref) => resultOf(source, ref),
    backend,
    revoke: (id: string, options: RevokeOptions) => app.control.revoke(id, options),
    revokeByStampedHeaders: (headers, options) => app.control.revokeByStampedHeaders(headers, options),
    explainWaiting: (id) => {
      explainWaiting(app, id, queue).catch((error: unknown) => {
        // Who waits is told by the end of the waiting; this was to be a hint.
        app.logger.debug(`Could not find out who consumes queue '${queue}': ${String(error)}`)
      })
    },
  }
  return source
}

async function explainWaiting(app: TqApp, id: string, queue: string): Promise<void> {
  const { connections, router, logger } = app
  // Every worker has a queue of its own there; nobody counts those.
  if (router.queues.get(queue).broadcast) return
  const transport = await connections.transport()
  const { consumers } = await transport.queueInfo(queue)
  if (consumers !== 0) return
  logger.warn(
    `Waiting for task ${id}, but no worker consumes queue '${queue}' on ${app.brokerName()}. Start one: tq worker`,
  )
}
