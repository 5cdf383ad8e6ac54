import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { Tq } from '../../runtime/src/index.ts'
import { AmqpTransport } from '../../runtime/src/transports/amqp.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import type { ConnectionState, Delivery } from '../../runtime/src/transports/transport.ts'
import { numbered, textOf, texts, toQueue } from '../helpers/messages.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { makeProject, type Project } from '../helpers/project.ts'
import { type RabbitmqServer, startRabbitmq } from '../helpers/rabbitmq.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

/** Late acknowledgement; each run is a line on stdout and takes a moment, so that some always run. */
const appFile = `import { setTimeout as pause } from 'node:timers/promises'
import { Tq } from 'tq-runtime'
export const app = new Tq('killed', { taskAcksLate: true })
export const square = app.task('square', async (n) => {
  console.log('run ' + n)
  await pause(3)
  return n * n
})
`

describe.skipIf(!requireService('rabbitmq') || !requireService('redis'))('RabbitMQ in trouble', () => {
  let server: RabbitmqServer
  let redis: RedisServer
  beforeAll(async () => {
    ;[server, redis] = await Promise.all([startRabbitmq(), startRedis()])
  })
  afterAll(async () => {
    await Promise.all([server?.stop(), redis?.stop()])
  })

  function worker(project: Project, name: string): RunningProcess {
    const args = ['worker', '-A', project.path('app.js'), '-n', `${name}@kill`, '-c', '20', '-l', 'warn']
    const env = { TQ_BROKER_URL: server.url, TQ_RESULT_BACKEND: redis.url }
    return spawnBin('tq', args, { cwd: project.folder, env, cleanEnv: true })
  }

  /** Sends tasks, lets `trouble` happen in their middle, and sees each of them done and nothing left. */
  async function survives(
    total: number,
    trouble: (first: RunningProcess, project: Project) => Promise<RunningProcess>,
  ) {
    const project = makeProject({ 'app.js': appFile })
    const app = new Tq('client', { brokerUrl: server.url, resultBackend: redis.url })
    const sent = await Promise.all(Array.from({ length: total }, (_, n) => app.sendTask<number>('square', [n])))
    const backend = await app.connections.backend()
    const done = async (): Promise<number> =>
      (await backend.fetch(sent.map(({ id }) => id))).filter((meta) => meta?.state === 'SUCCESS').length
    const first = worker(project, 'first')
    await waitFor(() => runs(first).length >= total / 5, { what: 'the middle of the tasks', timeoutMs: 60_000 })

    const last = await trouble(first, project)

    expect(await done()).toBeLessThan(total)
    await waitFor(async () => (await done()) === total, { what: 'all results', timeoutMs: 60_000 })
    const metas = await backend.fetch(sent.map(({ id }) => id))
    expect(metas.map((meta) => meta?.result)).toEqual(sent.map((_, n) => n * n))
    const again = await app.sendTask<number>('square', [12])
    expect(await again.get({ timeout: 90 })).toBe(144)
    const transport = await app.connections.transport()
    await waitFor(
      async () => {
        const { ready, held, parked } = await transport.queueInfo('celery')
        return ready + held + parked === 0
      },
      { what: 'an empty queue' },
    )
    last.kill('SIGTERM')
    expect((await last.exit).code).toBe(0)
    await app.close()
    return { first, last }
  }

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

  test('a worker killed in the middle of late-acknowledged tasks loses none', async () => {
    const { first, last } = await survives(600, async (killed, project) => {
      killed.kill('SIGKILL')
      await killed.exit
      return worker(project, 'second')
    })

    const repeated = runs(last).filter((n) => runs(first).includes(n))
    expect(repeated.length).toBeGreaterThan(0) // what it held in the middle of a run
  }, 120_000)

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

      expect(again.info.redelivered).toBe(true)
      expect(await held.ack()).toBe('lost')
      expect(await again.ack()).toBe('ok')
      expect(logged.join()).toMatch(
        /delivery acknowledgement .* timed out.*1 held messages are delivered again.*consumer_timeout/,
      )
    } finally {
      server.evaluate(
        'application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000)',
      )
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
  test('a broker killed and restarted under a worker loses no task, and leaves none stuck', async () => {
    await survives(600, async (running) => {
      await server.kill()
      await server.restart()
      return running
    })
  }, 120_000)
})

function runs(program: RunningProcess): readonly number[] {
  return [...program.stdout.matchAll(/^run (\d+)$/gm)].map(([, n]) => Number(n))
}

function queueLength(vhostName: string, queue: string): string {
  return `element(2, rabbit_amqqueue:with(rabbit_misc:r(<<"${vhostName}">>, queue, <<"${queue}">>), fun(Q) -> [{messages, N}] = rabbit_amqqueue:info(Q, [messages]), {ok, N} end))`
}
