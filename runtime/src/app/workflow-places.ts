import { isRefusal } from '../control/control.ts'
import { isTqError } from '../core/errors.ts'
import type { Message, RawMessage } from '../core/message.ts'
import type { QueueState } from '../transports/transport.ts'
import { decodeMessage } from './decode-message.ts'
import type { TqApp } from './tq.ts'

/** Where a task is that has no result yet. */
export type Place =
  | { readonly kind: 'queued'; readonly queue: string; readonly consumers: number | undefined; readonly ahead: number }
  /** A worker holds the message; undefined where none says that it is the one. */
  | { readonly kind: 'held'; readonly queue: string; readonly worker: string | undefined }
  | { readonly kind: 'parked'; readonly queue: string; readonly untilMs: number | undefined }
  | { readonly kind: 'running'; readonly worker: string; readonly sinceMs: number | undefined }
  | { readonly kind: 'quarantined'; readonly queue: string; readonly reason: string; readonly atMs: number }

/** What was found of some tasks, and what could not be looked at. */
export interface Places {
  readonly byId: ReadonlyMap<string, Place>
  /** Messages that were seen, by task id. */
  readonly messages: ReadonlyMap<string, Message>
  /** Sentences: a queue of which only the beginning was read, a broker that shows nothing. */
  readonly unseen: readonly string[]
}

/** Tasks to ask the workers for, and how long to wait for each answer. */
export interface Wanted {
  readonly ids: readonly string[]
  readonly timeoutMs: number
}

const mostPeeked = 1000
const mostAsked = 1000

/**
 * Looks for tasks in the queues first, then among what workers hold and run: a task that moves on while it is looked for is seen at
 * the later place. Nothing is taken. Without `wanted` the queues only are read.
 */
export async function findPlaces(app: TqApp, wanted?: Wanted): Promise<Places> {
  const byId = new Map<string, Place>()
  const messages = new Map<string, Message>()
  const unseen: string[] = []
  const transport = await app.connections.transport()
  for (const queue of await queuesOf(app)) {
    const info = await transport.queueInfo(queue)
    const looks: readonly [QueueState, number][] = [
      ['ready', info.ready],
      ['parked', info.parked],
      ['held', info.held],
    ]
    for (const [state, count] of looks) {
      if (count === 0) continue
      const seen = await transport.peek(queue, { limit: mostPeeked, state })
      if (count > seen.length && seen.length === 0) {
        unseen.push(`${app.brokerName()} does not show ${count} messages of '${queue}' that are ${state}.`)
      } else if (seen.length >= mostPeeked && count > seen.length) {
        unseen.push(`Only the first ${mostPeeked} of ${count} messages of '${queue}' that are ${state} were read.`)
      }
      for (const [ahead, raw] of seen.entries()) {
        const message = readTask(app, raw)
        if (!message) continue
        messages.set(message.id, message)
        byId.set(message.id, placeIn(queue, state, info.consumers, ahead, message))
      }
    }
  }
  for (const { raw, queue, reason, atMs } of await transport.quarantine.list(mostPeeked)) {
    const id = readTask(app, raw)?.id ?? idIn(raw)
    if (id !== undefined && !byId.has(id)) byId.set(id, { kind: 'quarantined', queue, reason, atMs })
  }
  if (wanted && wanted.ids.length > 0) {
    await askWorkers(app, wanted, byId, unseen)
    await countConsumers(app, wanted, byId)
  }
  return { byId, messages, unseen }
}

async function askWorkers(app: TqApp, wanted: Wanted, byId: Map<string, Place>, unseen: string[]): Promise<void> {
  const ids = wanted.ids.slice(0, mostAsked)
  if (ids.length < wanted.ids.length)
    unseen.push(`Workers were asked for the first ${mostAsked} of ${wanted.ids.length} tasks only.`)
  const replies = await app.control.inspect('queryTask', { ids, timeoutMs: wanted.timeoutMs })
  for (const [worker, reply] of Object.entries(replies)) {
    if (isRefusal(reply)) {
      unseen.push(`${worker} does not say what it holds: ${reply.error}`)
      continue
    }
    for (const [id, { state, info }] of Object.entries(reply)) {
      if (state === 'active') byId.set(id, { kind: 'running', worker, sinceMs: info.startedAtMs })
      else byId.set(id, { kind: 'held', queue: queueIn(byId.get(id)) ?? info.deliveryInfo.routingKey, worker })
    }
  }
}

/** Redis keeps no list of who consumes a queue: there those count that answer. */
async function countConsumers(app: TqApp, { timeoutMs }: Wanted, byId: Map<string, Place>): Promise<void> {
  const isOpen = (place: Place): boolean => place.kind === 'queued' && place.consumers === undefined
  if (![...byId.values()].some(isOpen)) return
  const replies = await app.control.inspect('activeQueues', { timeoutMs })
  const consumed = Object.values(replies).flatMap((reply) => (isRefusal(reply) ? [] : reply.map(({ name }) => name)))
  for (const [id, place] of byId) {
    if (place.kind !== 'queued' || !isOpen(place)) continue
    byId.set(id, { ...place, consumers: consumed.filter((name) => name === place.queue).length })
  }
}

function queueIn(place: Place | undefined): string | undefined {
  return place && 'queue' in place ? place.queue : undefined
}

function placeIn(
  queue: string,
  state: QueueState,
  consumers: number | undefined,
  ahead: number,
  { etaMs }: Message,
): Place {
  switch (state) {
    case 'ready':
      return { kind: 'queued', queue, consumers, ahead }
    case 'parked':
      return { kind: 'parked', queue, untilMs: etaMs }
    case 'held':
      return { kind: 'held', queue, worker: undefined }
  }
}

/** Those of the app and those that the broker knows of; a worker's own queue of broadcasts is no place for a workflow. */
async function queuesOf(app: TqApp): Promise<readonly string[]> {
  const transport = await app.connections.transport()
  const named = app.workerQueues().filter((name) => !app.router.queues.get(name).broadcast)
  return [...new Set([...named, ...(await transport.queueNames())])]
}

/** Undefined for what no worker could read either. */
function readTask(app: TqApp, raw: RawMessage): Message | undefined {
  try {
    return decodeMessage(app, raw)
  } catch (error) {
    if (isTqError(error)) return undefined
    throw error
  }
}

function idIn({ properties }: RawMessage): string | undefined {
  return properties.correlationId
}
