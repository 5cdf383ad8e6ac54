import type { QueueTable } from '../app/queue-table.ts'
import type { TqApp } from '../app/tq.ts'
import { SettingError } from '../core/errors.ts'
import { randomId } from '../core/id.ts'
import type { ExchangeKind } from '../core/routing.ts'
import type { Queue } from '../transports/topology.ts'
import type { Transport } from '../transports/transport.ts'
import { workerQueueNames } from '../wire/queue-names.ts'

/** Which queues a worker is told to consume. */
export interface WorkerQueueOptions {
  /** Default all of the app's. */
  readonly only?: readonly string[] | undefined
  readonly except?: readonly string[] | undefined
  /** With `workerDirect`: whose own queue is consumed as well. */
  readonly direct?: string | undefined
}

/** The queues of one worker by the names it knows them by, each with the bindings that it consumes. */
export class WorkerQueues {
  readonly #table: QueueTable
  readonly #bindings = new Map<string, readonly Queue[]>()

  /** `all` are the app's. Throws QueueNotFoundError, and SettingError when nothing is left to consume. */
  constructor(table: QueueTable, all: readonly string[], { only = all, except = [], direct }: WorkerQueueOptions) {
    this.#table = table
    for (const name of only) if (!except.includes(name)) this.#take(name)
    if (this.#bindings.size === 0) throw new SettingError('expected queues to name at least one queue, got none')
    if (direct !== undefined) this.#take(workerQueueNames(direct).queue)
  }

  get names(): readonly string[] {
    return [...this.#bindings.keys()]
  }

  /** Each queue once for every binding. */
  get bindings(): readonly Queue[] {
    return [...this.#bindings.values()].flat()
  }

  /** Names of the queues as brokers know them: a broadcast queue has one of its own here. */
  get consumed(): readonly string[] {
    return [...new Set(this.bindings.map((queue) => queue.name))]
  }

  /** Undefined when it is consumed already. A queue that is not configured is added, whatever the settings say. */
  add(
    name: string,
    binding: { exchange?: string; exchangeType?: ExchangeKind; routingKey?: string },
  ): readonly Queue[] | undefined {
    if (this.#bindings.has(name)) return undefined
    this.#table.add(name, binding)
    return this.#take(name)
  }

  /** The broker's name of the queue, undefined when it is not consumed. */
  remove(name: string): string | undefined {
    const bindings = this.#bindings.get(name)
    this.#bindings.delete(name)
    return bindings?.[0]?.name
  }

  #take(name: string): readonly Queue[] {
    const bindings = this.#table.consumed(name, randomId())
    this.#bindings.set(name, bindings)
    return bindings
  }
}

/** Deletes what waits in the queues that a worker consumes, what is parked for them as well. */
export async function purgeQueues({ logger }: TqApp, transport: Transport, queues: WorkerQueues): Promise<void> {
  await transport.declare({ queues: queues.bindings })
  let count = 0
  for (const queue of queues.consumed) count += await transport.purge(queue)
  logger.warn(`Purged ${count} ${count === 1 ? 'message' : 'messages'} from ${queues.consumed.join(', ')}.`)
}
