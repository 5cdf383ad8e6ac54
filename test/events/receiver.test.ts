import { expect, onTestFinished, test } from 'vitest'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import type { WorkerEvent } from '../../runtime/src/events/event.ts'
import { LamportClock } from '../../runtime/src/events/lamport.ts'
import { type BatchCounts, receiveEvents, subscribeEvents } from '../../runtime/src/events/receiver.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'
import { encodeEvents, gossipPattern } from '../../runtime/src/wire/event-dict.ts'

// One turn in which things are sent, and those in which the memory broker delivers them.
const turn = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
const base = { hostname: 'w1@h', pid: 1, clock: 20, timestampMs: 1000, utcoffset: 0 }
const started = (uuid: string): WorkerEvent => ({ type: 'task-started', ...base, uuid })

async function setUp() {
  const transport = new MemoryTransport(new MemoryBroker(), { clock: new VirtualClock(), logger: silentLogger })
  await transport.connect()
  onTestFinished(() => transport.close())
  const send = (...events: WorkerEvent[]): Promise<void> => {
    const { message, routingKey } = encodeEvents(events)
    return transport.broadcast('celeryev', message, routingKey)
  }
  return { transport, send }
}

test('events come in the batches in which they were waiting', async () => {
  const { transport, send } = await setUp()
  const stop = new AbortController()
  const batches: string[][] = []
  const reading = (async () => {
    for await (const batch of receiveEvents(transport, { signal: stop.signal })) {
      batches.push(batch.map((event) => ('uuid' in event ? event.uuid : event.type)))
      if (batches.flat().length === 3) stop.abort()
    }
  })()
  await turn()

  await send(started('a'), started('b'))
  await send(started('c'))
  await reading

  expect(batches.flat()).toEqual(['a', 'b', 'c'])
})

test('what is no event is left out and counted', async () => {
  const { transport, send } = await setUp()
  const stop = new AbortController()
  const counts: BatchCounts[] = []
  const events = receiveEvents(transport, { signal: stop.signal, onBatch: (one) => counts.push(one) })
  const first = events.next()
  await turn()

  await send(started(''), started('a'), started(''))

  expect(await first).toMatchObject({ value: [{ uuid: 'a' }] })
  stop.abort()
  expect(await events.next()).toMatchObject({ done: true })
  expect(counts).toEqual([{ events: 1, dropped: 0, bad: 2 }])
})

test('a reader that is too slow loses the oldest events and is told how many', async () => {
  const { transport, send } = await setUp()
  const stop = new AbortController()
  const counts: BatchCounts[] = []
  const events = receiveEvents(transport, { signal: stop.signal, onBatch: (one) => counts.push(one) })
  const first = events.next()
  await turn()
  await send(started('first'))
  await first

  const many = Array.from({ length: 50_000 }, (_, i) => started(`t${i}`))
  await send(...many)
  await send(...many)
  await send(started('last'))
  await turn()
  const second = await events.next()

  expect(second.value).toHaveLength(100_000)
  expect(second.value?.[0]).toMatchObject({ uuid: 't1' })
  expect(second.value?.at(-1)).toMatchObject({ uuid: 'last' })
  stop.abort()
  await events.next()
  expect(counts[1]).toEqual({ events: 100_000, dropped: 1, bad: 0 })
})

test('an aborted signal ends the waiting', async () => {
  const { transport } = await setUp()
  const stop = new AbortController()
  const next = receiveEvents(transport, { signal: stop.signal }).next()
  await turn()

  stop.abort()

  expect(await next).toEqual({ done: true, value: undefined })
})

test('the pattern of gossip leaves out the events of tasks', async () => {
  const { transport, send } = await setUp()
  const seen: WorkerEvent[] = []
  await subscribeEvents(transport, (events) => seen.push(...events), { pattern: gossipPattern })

  await send(started('a'))
  await send({ type: 'custom', ...base, name: 'worker-elect', fields: {} })
  await turn()

  expect(seen).toMatchObject([{ name: 'worker-elect' }])
})

test('received events move the Lamport clock, those of clients do not', async () => {
  const { transport, send } = await setUp()
  const lamport = new LamportClock()
  await subscribeEvents(transport, () => {}, { lamport })
  const described = { uuid: 'a', name: 't', args: '()', kwargs: '{}', retries: 0 }

  await send({ type: 'task-sent', ...base, ...described, clock: 900, queue: 'q', exchange: '', routingKey: 'q' })
  await turn()
  expect(lamport.value).toBe(0)
  await send(started('a'))
  await turn()

  expect(lamport.value).toBe(21)
})

test('closing a subscription ends it', async () => {
  const { transport, send } = await setUp()
  const seen: WorkerEvent[] = []
  const listening = await subscribeEvents(transport, (events) => seen.push(...events))

  await listening.close()
  await send(started('a'))
  await turn()

  expect(seen).toEqual([])
})
