import { type Deferred, deferred } from '../core/lifecycle.ts'
import type { Listening, Transport } from '../transports/transport.ts'
import { decodeGoodEvents, eventExchange, monitorPattern } from '../wire/event-dict.ts'
import type { WorkerEvent } from './event.ts'
import type { LamportClock } from './lamport.ts'

export interface SubscribeOptions {
  /** Topic pattern; default everything. `gossipPattern` for the events of workers alone. */
  readonly pattern?: string | undefined
  /** Moved past the clock of every event but `task-sent`, whose clock is a client's. Source: celery/events/receiver.py. */
  readonly lamport?: LamportClock | undefined
  /** Called with the number of events in one message that could not be read. */
  readonly onBad?: ((count: number) => void) | undefined
}

/** Hands over the events of each message as it arrives, never an empty list. Resolves when events sent from now on will arrive. */
export function subscribeEvents(
  transport: Transport,
  onEvents: (events: readonly WorkerEvent[]) => void,
  options: SubscribeOptions = {},
): Promise<Listening> {
  const { pattern = monitorPattern, lamport, onBad } = options
  return transport.listen(eventExchange, { pattern }, (message) => {
    const { events, bad } = decodeGoodEvents(message)
    if (bad > 0) onBad?.(bad)
    if (events.length === 0) return
    if (lamport) for (const event of events) if (event.type !== 'task-sent') lamport.adjust(event.clock)
    onEvents(events)
  })
}

export interface ReceiveOptions extends SubscribeOptions {
  /** Ends the iteration. */
  readonly signal: AbortSignal
  /** Called after each batch handed over, with what was lost since the one before. */
  readonly onBatch?: ((counts: BatchCounts) => void) | undefined
}

export interface BatchCounts {
  readonly events: number
  /** Events dropped because the reader was too slow: more than 100,000 were waiting. */
  readonly dropped: number
  /** Events that could not be read. */
  readonly bad: number
}

const largestQueue = 100_000

/**
 * The events from now on, all that is waiting in one batch. A slow reader loses the oldest ones and is told how many.
 * Ends when the signal aborts; rejects if the broker refuses to listen.
 */
export async function* receiveEvents(
  transport: Transport,
  options: ReceiveOptions,
): AsyncGenerator<readonly WorkerEvent[], void, undefined> {
  const { signal, onBatch, onBad } = options
  let waiting: WorkerEvent[] = []
  let dropped = 0
  let bad = 0
  let wake: Deferred<void> | undefined
  const onAbort = (): void => wake?.resolve()

  if (signal.aborted) return
  signal.addEventListener('abort', onAbort, { once: true })
  let listening: Listening | undefined
  try {
    listening = await subscribeEvents(
      transport,
      (events) => {
        for (const event of events) waiting.push(event)
        if (waiting.length > largestQueue) dropped += waiting.splice(0, waiting.length - largestQueue).length
        wake?.resolve()
      },
      {
        ...options,
        onBad(count) {
          bad += count
          onBad?.(count)
        },
      },
    )
    while (!signal.aborted) {
      if (waiting.length === 0) {
        wake = deferred<void>()
        await wake.promise
        continue
      }
      const batch = waiting
      const counts = { events: batch.length, dropped, bad }
      waiting = []
      dropped = 0
      bad = 0
      yield batch
      onBatch?.(counts)
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    await listening?.close()
  }
}
