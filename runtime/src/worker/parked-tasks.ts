import { decodeMessage } from '../app/decode-message.ts'
import { redactedReprs } from '../app/redacted.ts'
import type { TqApp } from '../app/tq.ts'
import { isTqError } from '../core/errors.ts'
import type { Message, RawMessage } from '../core/message.ts'
import type { Transport } from '../transports/transport.ts'
import { parkedBy } from '../wire/envelope.ts'
import type { ScheduledTask } from '../wire/inspect-dict.ts'
import { argsRepr, isoTime, kwargsRepr } from '../wire/python-text.ts'

export interface ParkedDeps {
  readonly app: TqApp
  readonly transport: Transport
  readonly hostname: string
  readonly queues: readonly string[]
}

const most = 1000

/**
 * Calls that wait in the broker for their ETA, at most 1,000, for who asks what is scheduled: Celery's workers hold them themselves. On Redis
 * those that this process parked; elsewhere the broker holds them for all workers of their queue, and each of them tells them.
 */
export async function parkedTasks({ app, transport, hostname, queues }: ParkedDeps): Promise<readonly ScheduledTask[]> {
  const found: ScheduledTask[] = []
  for (const queue of queues) {
    for (const raw of await transport.peek(queue, { limit: most - found.length, state: 'parked' })) {
      const owner = parkedBy(raw)
      const message = owner === undefined || owner === app.origin ? readable(app, raw) : undefined
      // What waits for its rate has no time of its own.
      if (message?.etaMs !== undefined) found.push(scheduled(app, message, { hostname, queue, etaMs: message.etaMs }))
    }
  }
  return found
}

function readable(app: TqApp, raw: RawMessage): Message | undefined {
  try {
    return decodeMessage(app, raw)
  } catch (error) {
    if (isTqError(error)) return undefined // whoever gets it will set it aside
    throw error
  }
}

function scheduled(
  app: TqApp,
  message: Message,
  { hostname, queue, etaMs }: { readonly hostname: string; readonly queue: string; readonly etaMs: number },
): ScheduledTask {
  const { id, task: name, properties } = message
  const options = app.registry.get(name)?.definition.options
  const shown = options && redactedReprs(app, message, options)
  return {
    eta: isoTime(etaMs),
    priority: 6, // of Celery's timer
    request: {
      id,
      name,
      args: shown?.argsRepr ?? message.argsRepr ?? argsRepr(message.args),
      kwargs: shown?.kwargsRepr ?? message.kwargsRepr ?? kwargsRepr(message.kwargs),
      type: name,
      hostname,
      startedAtMs: undefined,
      acknowledged: false,
      deliveryInfo: { exchange: '', routingKey: queue, priority: properties.priority, redelivered: false },
      workerPid: undefined,
    },
  }
}
