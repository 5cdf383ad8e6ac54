import { customHeaders } from '../app/unique.ts'
import { VirtualClock } from '../core/virtual-clock.ts'
import type { Tq } from '../index.ts'
import type { RawMessage } from '../core/message.ts'
import { compressionOf, decodeTask } from '../wire/task-protocol.ts'
import { startWorker } from './worker.ts'

/** A call that waits in a queue, as a worker would read it. */
export interface SentMessage {
  readonly id: string
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly queue: string
  readonly eta: Date | undefined
  readonly expires: Date | undefined
  readonly priority: number
  /** Custom headers. */
  readonly headers: Readonly<Record<string, unknown>>
}

const most = 10_000

/**
 * The calls that were sent and that no worker has taken, of each queue in the order of delivery, those with an ETA last: what a test without
 * a worker looks at. An eager app sends nothing.
 */
export async function sentMessages(app: Tq): Promise<readonly SentMessage[]> {
  const transport = await app.connections.transport()
  const found: SentMessage[] = []
  for (const queue of await transport.queueNames()) {
    for (const state of ['ready', 'parked'] as const) {
      const messages = await transport.peek(queue, { limit: most, state })
      found.push(...messages.map((raw) => readable(app, queue, raw)))
    }
  }
  return found
}

function readable(app: Tq, queue: string, raw: RawMessage): SentMessage {
  const { headers, properties } = raw
  const body = app.serializers.decode(raw, compressionOf(headers))
  const message = decodeTask({ headers, properties, body }, app.zone)
  const { id, task, args, kwargs, etaMs, expiresMs } = message
  return {
    id,
    task,
    args,
    kwargs,
    queue,
    eta: etaMs === undefined ? undefined : new Date(etaMs),
    expires: expiresMs === undefined ? undefined : new Date(expiresMs),
    priority: properties.priority ?? 0,
    headers: customHeaders(message),
  }
}

const lookMs = 5

/**
 * Runs what waits in the queues, and what that sends, with a worker of its own; resolves when nothing is left. On a virtual clock calls
 * with an ETA and retries run too, their time passes at once; elsewhere they are left where they are.
 */
export async function drain(app: Tq): Promise<void> {
  for (let full = await fullQueues(app); full.length > 0; full = await fullQueues(app)) {
    const queues = [...new Set([...app.workerQueues(), ...full])]
    // A task that was acknowledged early may still run at its end, and send more.
    await using _ = await startWorker(app, { heartbeat: false, queues })
    while (await holdAnything(app, queues)) await letPass(app)
  }
}

/** The queues in which something waits, those that only a call has named among them. */
async function fullQueues(app: Tq): Promise<readonly string[]> {
  const transport = await app.connections.transport()
  const full: string[] = []
  for (const queue of await transport.queueNames()) if (await holdAnything(app, [queue])) full.push(queue)
  return full
}

async function holdAnything(app: Tq, queues: readonly string[]): Promise<boolean> {
  const transport = await app.connections.transport()
  for (const queue of queues) {
    const { ready, held, parked } = await transport.queueInfo(queue)
    if (ready + held + (app.clock instanceof VirtualClock ? parked : 0) > 0) return true
  }
  return false
}

function letPass({ clock }: Tq): Promise<void> {
  return clock instanceof VirtualClock ? clock.advance(clock.untilNext ?? 0) : clock.sleep(lookMs)
}
