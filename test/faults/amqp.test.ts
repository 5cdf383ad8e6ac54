import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { AmqpTransport } from '../../runtime/src/transports/amqp.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import type { ConnectionState, Delivery } from '../../runtime/src/transports/transport.ts'
import { numbered, textOf, texts, toQueue } from '../helpers/messages.ts'
import { type RabbitmqServer, startRabbitmq } from '../helpers/rabbitmq.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { onRabbitmq } from './fault-broker.ts'
import { clientOf, Ledger } from './ledger.ts'
import {
  cutAtRandomBytes,
  queueDeleted,
  serverRestarted,
  serverStopped,
  workersKilled,
  workerStopped,
} from './scenarios.ts'
import { inTheMiddle, openGate, runs, squareProject, startWorker } from './square-worker.ts'

describe.skipIf(!requireService('rabbitmq') || !requireService('redis'))('RabbitMQ in trouble', () => {
  let server: RabbitmqServer
  let redis: RedisServer
  beforeAll(async () => {
    ;[server, redis] = await Promise.all([startRabbitmq(), startRedis()])
  }, 300_000)
  afterAll(async () => {
    await Promise.all([server?.stop(), redis?.stop()])
  })

  async function connected(logger: Logger): Promise<AmqpTransport> {
    const connection = new AmqpConnection(server.url, { clock: systemClock, logger })
    const transport = new AmqpTransport(connection, { clock: systemClock, logger })
    onTestFinished(async () => {
      await transport.close()
      await connection.close()
    })
    await transport.connect()
    await transport.declare({ queues: [directQueue('q')] })
    return transport
  }

  async function consumed(transport: AmqpTransport): Promise<Delivery[]> {
    const arrived: Delivery[] = []
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
    return arrived
  }

  async function first(arrived: readonly Delivery[], at = 0): Promise<Delivery> {
    await waitFor(() => arrived.length > at, { what: 'a message' })
    const delivery = arrived[at]
    if (!delivery) throw new Error('nothing arrived')
    return delivery
  }

  test('workers killed one after the other lose none', async () => {
    await workersKilled(onRabbitmq(server, redis), { tasks: 600, kills: 2 })
  }, 300_000)

  test('a worker stopped for longer than its heartbeat gives way, and its late results change nothing', async () => {
    await workerStopped(onRabbitmq(server, redis, '?heartbeat=1'), { tasks: 200 })
  }, 300_000)

  test('a queue deleted under the worker is gone with what it held, and serves what comes after', async () => {
    await queueDeleted(onRabbitmq(server, redis), { tasks: 600 })
  }, 300_000)

  test('connections cut at random bytes lose nothing of what was sent and nothing of what was claimed', async () => {
    await cutAtRandomBytes(onRabbitmq(server, redis), { tasks: 200, cuts: 8, meanBytes: 30_000, seed: 7 })
  }, 300_000)

  test('stopped for longer than its heartbeat it is waited for, and the worker goes on', async () => {
    await serverStopped(onRabbitmq(server, redis, '?heartbeat=1'), server, { tasks: 500, ms: 4000 })
  }, 300_000)

  test('short of memory it takes no new tasks, and the worker empties its queue', async () => {
    const broker = onRabbitmq(server, redis)
    const project = squareProject()
    const ledger = await Ledger.open(broker)
    await ledger.sendOthers(3)
    await ledger.send(500)
    const worker = startWorker(project, broker, { holdFrom: 400 })
    await inTheMiddle(worker, 100)

    try {
      server.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0)')
      let taken = false
      const sending = ledger.send(10, clientOf(broker)).then(() => {
        taken = true
      })
      openGate(project)
      await waitFor(async () => new Set(runs(worker)).size === 500 && (await broker.count()).held === 0, {
        what: 'an empty queue',
        timeoutMs: 60_000,
      })

      expect(taken).toBe(false)
      server.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.4)')
      await sending
    } finally {
      server.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.4)')
    }

    await ledger.allDone([worker])
    await ledger.closed([worker])
  }, 300_000)

  test('a broker that stops answering is given up, and taken again when it wakes', async () => {
    const deps = { clock: systemClock, logger: silentLogger }
    const connection = new AmqpConnection(`${server.url}?heartbeat=1`, deps)
    const transport = new AmqpTransport(connection, deps)
    const states: ConnectionState[] = []
    transport.onState((state) => states.push(state))
    await transport.connect()
    await transport.declare({ queues: [directQueue('paused')] })
    const arrived: Delivery[] = []
    await transport.subscribe(['paused'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
    await transport.publish(numbered(3).map((text) => toQueue('paused', text)))
    await waitFor(() => arrived.length === 3, { what: 'the messages' })

    server.pause()
    try {
      await waitFor(() => connection.consuming.state === 'lost', { what: 'the loss', timeoutMs: 60_000 })
    } finally {
      server.resume()
    }

    await waitFor(() => arrived.length === 6, { what: 'the messages again', timeoutMs: 60_000 })
    expect(states).toContain('lost')
    expect(await arrived[0]?.ack()).toBe('lost')
    expect(texts(arrived.slice(3))).toEqual(numbered(3))
    for (const delivery of arrived.slice(3)) expect(await delivery.ack()).toBe('ok')
    await waitFor(() => states.at(-1) === 'ready', { what: 'the state' })
    await transport.close()
    await connection.close()
  }, 120_000)

  test('a channel that is closed for a late acknowledgement is opened again, and says what to do', async () => {
    const logged: string[] = []
    const logger: Logger = { ...silentLogger, error: (message) => void logged.push(message) }
    server.evaluate(
      'application:set_env(rabbit, consumer_timeout, 100), application:set_env(rabbit, channel_tick_interval, 50)',
    )
    try {
      const transport = await connected(logger)
      const arrived = await consumed(transport)
      await transport.publish([toQueue('q', 'slow')])
      const held = await first(arrived)

      const again = await first(arrived, 1)
      server.evaluate(patient)

      expect(again.info.redelivered).toBe(true)
      expect(await held.ack()).toBe('lost')
      // A channel that was opened before keeps its 100 ms, which a busy machine may need for the acknowledgement.
      await waitFor(
        async () => (await arrived.at(-1)?.ack()) === 'ok' && server.evaluate(queueLength('/', 'q')) === '0',
        {
          what: 'an empty queue',
        },
      )
      expect(logged.join()).toMatch(
        /delivery acknowledgement .* timed out.*1 held messages are delivered again.*consumer_timeout/,
      )
    } finally {
      server.evaluate(patient)
    }
  })

  test('a broker short of memory stops what is published and not the acknowledgements', async () => {
    const warned: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warned.push(message) }
    const transport = await connected(logger)
    const arrived = await consumed(transport)
    await transport.publish(numbered(2).map((each) => toQueue('q', each)))
    await first(arrived, 1)
    try {
      server.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.0001)')
      let sent = false
      const publishing = transport.publish([toQueue('q', 'three')]).then(() => {
        sent = true
      })
      await waitFor(() => warned.some((line) => line.includes('accepts no messages')), { what: 'the warning' })

      for (const delivery of [...arrived]) await delivery.ack()
      await waitFor(() => server.evaluate(queueLength('/', 'q')) === '0', { what: 'an empty queue' })

      expect(sent).toBe(false)
      server.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.4)')
      await publishing
    } finally {
      server.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.4)')
    }
    expect(textOf(await first(arrived, 2))).toBe('three')
  })

  // Last: a node that was started again ends with its test.
  test('killed and restarted while tasks run, it loses none', async () => {
    await serverRestarted(onRabbitmq(server, redis), server, { tasks: 500 })
  }, 300_000)
})

/** As RabbitMQ comes. */
const patient =
  'application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000)'

function queueLength(vhostName: string, queue: string): string {
  return `element(2, rabbit_amqqueue:with(rabbit_misc:r(<<"${vhostName}">>, queue, <<"${queue}">>), fun(Q) -> [{messages, N}] = rabbit_amqqueue:info(Q, [messages]), {ok, N} end))`
}
