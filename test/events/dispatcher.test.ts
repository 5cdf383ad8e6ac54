import { describe, expect, onTestFinished, test } from 'vitest'
import type { Logger } from '../../runtime/src/core/logger.ts'
import type { RawMessage } from '../../runtime/src/core/message.ts'
import { ConnectionError } from '../../runtime/src/core/errors.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { EventDispatcher } from '../../runtime/src/events/dispatcher.ts'
import type { EventFields, WorkerEvent } from '../../runtime/src/events/event.ts'
import { LamportClock } from '../../runtime/src/events/lamport.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'
import { decodeEvents } from '../../runtime/src/wire/event-dict.ts'

/** A memory transport whose broadcasts can be made to fail, as those of a broker that went away. */
class FlakyTransport extends MemoryTransport {
  down = false
  tries = 0

  override async broadcast(exchange: string, message: RawMessage, routingKey?: string): Promise<void> {
    this.tries++
    if (this.down) throw new ConnectionError('The broker is away.')
    await super.broadcast(exchange, message, routingKey)
  }
}

// One turn in which things are sent, and those in which the memory broker delivers them.
const turn = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
const pulse: EventFields = {
  type: 'worker-heartbeat',
  freq: 2,
  active: 0,
  processed: 0,
  loadavg: [],
  swIdent: 'tq',
  swVer: '0',
  swSys: 'linux',
}
const started = (uuid: string): EventFields => ({ type: 'task-started', uuid })

async function setUp(options: { enabled?: boolean } = {}) {
  const clock = new VirtualClock()
  const logs: string[] = []
  const logger: Logger = { ...silentLogger, warn: (text) => logs.push(text), info: (text) => logs.push(text) }
  const transport = new FlakyTransport(new MemoryBroker(), { clock, logger })
  await transport.connect()
  const messages: (readonly WorkerEvent[])[] = []
  await transport.listen('celeryev', {}, (message) => messages.push(decodeEvents(message)))
  const events = new EventDispatcher({
    transport,
    hostname: 'w1@h',
    pid: 17,
    clock,
    lamport: new LamportClock(),
    logger,
    enabled: options.enabled ?? true,
  })
  onTestFinished(async () => {
    transport.down = false
    await events.close()
    await transport.close()
  })
  const seen = (): string[][] => messages.map((batch) => batch.map((one) => ('uuid' in one ? one.uuid : one.type)))
  return { clock, events, logs, seen, transport, messages }
}

describe('EventDispatcher', () => {
  test('an event that comes in the moment in which the sending ends is sent, too', async () => {
    const { events, seen } = await setUp()
    events.emit(started('a'))
    await events.flush()

    events.emit(started('b'))
    await turn()

    expect(seen()).toEqual([['a'], ['b']])
  })

  test('sends the task events of one turn as one message', async () => {
    const { events, seen, transport } = await setUp()

    events.emit(started('a'))
    events.emit(started('b'))
    expect(transport.tries).toBe(0)
    await turn()
    events.emit(started('c'))
    await events.flush()
    await turn()

    expect(seen()).toEqual([['a', 'b'], ['c']])
  })

  test('stamps each event with its sender, the time and a clock of its own', async () => {
    const { clock, events, messages } = await setUp()

    events.emit(started('a'))
    events.emit(started('b'))
    await events.flush()
    await turn()

    const stamp = { hostname: 'w1@h', pid: 17, timestampMs: clock.now() }
    expect(messages).toMatchObject([
      [
        { ...stamp, clock: 1 },
        { ...stamp, clock: 2 },
      ],
    ])
  })

  test('sends worker events at once, after the task events before them', async () => {
    const { events, seen, transport } = await setUp()

    events.emit(started('a'))
    events.emit(pulse)
    expect(transport.tries).toBe(1)
    await turn()

    expect(seen()).toEqual([['a'], ['worker-heartbeat']])
  })

  test('puts at most 256 events into a message', async () => {
    const { events, seen } = await setUp()

    for (let i = 0; i < 600; i++) events.emit(started(`t${i}`))
    await events.flush()
    await turn()

    expect(seen().map((batch) => batch.length)).toEqual([256, 256, 88])
    expect(seen().flat()).toEqual(Array.from({ length: 600 }, (_, i) => `t${i}`))
  })

  test('drops task events while disabled, worker events never', async () => {
    const { events, seen } = await setUp({ enabled: false })

    events.emit(started('a'))
    events.emit({ type: 'custom', name: 'task-cancelled', fields: { uuid: 'a' } })
    events.emit(pulse)
    events.setEnabled(true)
    events.emit(started('b'))
    await events.flush()
    await turn()

    expect(seen()).toEqual([['worker-heartbeat'], ['b']])
  })

  test('keeps task events through an outage, tries every second and logs the outage once', async () => {
    const { clock, events, logs, seen, transport } = await setUp()
    transport.down = true

    events.emit(started('a'))
    await clock.advance(3000)
    events.emit(started('b'))
    const triesWhileDown = transport.tries
    transport.down = false
    await clock.advance(1000)

    expect(triesWhileDown).toBe(4)
    expect(seen()).toEqual([['a', 'b']])
    expect(logs).toHaveLength(2)
    expect(logs[0]).toContain('Could not send events of w1@h')
    expect(logs[1]).toContain('sent again')
  })

  test('gives up a heartbeat that could not be sent', async () => {
    const { clock, events, seen, transport } = await setUp()
    transport.down = true

    events.emit(pulse)
    await events.flush()
    transport.down = false
    await clock.advance(1000)

    expect(seen()).toEqual([])
    expect(events.dropped).toBe(1)
  })

  test('drops the oldest of more than 10,000 events, counts them and says so', async () => {
    const { clock, events, logs, seen, transport } = await setUp()
    transport.down = true

    for (let i = 0; i < 10_005; i++) events.emit(started(`t${i}`))
    await events.flush()
    events.emit(started('last'))
    transport.down = false
    await clock.advance(1000)

    expect(seen().flat()).toHaveLength(10_000)
    expect(seen()[0]?.[0]).toBe('t6')
    expect(seen().at(-1)?.at(-1)).toBe('last')
    expect(events.dropped).toBe(6)
    expect(logs.at(-1)).toContain('lost meanwhile')
  })

  test('drops an event that cannot be encoded, alone', async () => {
    const { events, logs, seen } = await setUp()

    events.emit(started('a'))
    events.emit({ type: 'custom', name: 'task-odd', fields: { value: () => 1 } })
    events.emit(started('b'))
    await events.flush()
    await turn()

    expect(seen().flat()).toEqual(['a', 'b'])
    expect(events.dropped).toBe(1)
    expect(logs).toHaveLength(1)
  })

  test('flush resolves while the broker is away', async () => {
    const { events, transport } = await setUp()
    transport.down = true

    events.emit(started('a'))

    await expect(events.flush()).resolves.toBeUndefined()
  })

  test('close sends what is left and drops what comes later', async () => {
    const { clock, events, seen } = await setUp()

    events.emit(started('a'))
    await events.close()
    events.emit(started('b'))
    await clock.advance(1000)

    expect(seen()).toEqual([['a']])
    expect(clock.pending).toBe(0)
  })
})
