import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { RedisBackend } from '../../runtime/src/backends/redis.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { RedisTransport, type RedisTransportDeps } from '../../runtime/src/transports/redis.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import type { ConnectionState, Delivery } from '../../runtime/src/transports/transport.ts'
import { parkedBy } from '../../runtime/src/wire/envelope.ts'
import { describeTransport } from '../conformance/transport.ts'
import type { TransportFixture } from '../conformance/transport/suite.ts'
import { waitFor } from '../helpers/clock.ts'
import { debianPython } from '../helpers/install.ts'
import { numbered, success, textOf, texts, toQueue } from '../helpers/messages.ts'
import { spawnNode } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe.skipIf(!requireService('redis'))('over a private server', () => {
  let server: RedisServer
  let connections: RedisConnection[] = []
  let transports: RedisTransport[] = []
  /** Looks at the server as a client that knows nothing of tq. */
  let foreign: RedisConnection

  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  beforeEach(async () => {
    foreign = connection()
    await foreign.call('FLUSHALL')
  })
  afterEach(async () => {
    for (const transport of transports) await transport.close()
    for (const each of connections) await each.close()
    transports = []
    connections = []
  })

  function connection(url = server.url): RedisConnection {
    const made = new RedisConnection(url, deps)
    connections.push(made)
    return made
  }

  async function connected(
    options: Partial<RedisTransportDeps> = {},
    over: RedisConnection = connection(),
  ): Promise<RedisTransport> {
    const transport = new RedisTransport(over, { ...deps, ...options })
    transports.push(transport)
    await transport.connect()
    await transport.declare({ queues: [directQueue('q')] })
    return transport
  }

  async function consumed(transport: RedisTransport, prefetch = 0): Promise<Delivery[]> {
    const arrived: Delivery[] = []
    await transport.subscribe(['q'], { prefetch }, (deliveries) => arrived.push(...deliveries))
    return arrived
  }

  async function first(arrived: readonly Delivery[], at = 0): Promise<Delivery> {
    await waitFor(() => arrived.length > at)
    const delivery = arrived[at]
    if (!delivery) throw new Error('nothing arrived')
    return delivery
  }

  const fixture = async (): Promise<TransportFixture> => ({
    open: async () => new RedisTransport(connection(), deps),
    waitFor,
    plan: async () => new RedisBackend(connection(), deps),
    cleanup: async () => {},
  })
  describeTransport('redis', fixture, { nativeEta: false })

  describe('losing nothing', () => {
    test('what a killed consumer held is in its queue, held or stored', async () => {
      const claimer = fileURLToPath(new URL('redis-claimer.ts', import.meta.url))
      const transport = await connected()
      let sent = 0
      const clients = async (): Promise<number> => String(await foreign.call('CLIENT', 'LIST')).split('id=').length
      for (let round = 0; round < 4; round++) {
        const before = await clients()
        await transport.publish(Array.from({ length: 3000 }, () => toQueue('q', `m${sent++}`)))
        const child = spawnNode([claimer, server.url, String(10 * 4 ** round)], { mayLeaveChildren: false })
        await child.waitForLine('busy')
        child.kill('SIGKILL')
        await child.exit
        // What the dead client had sent, the server still carries out: only then does the state stand still to be read.
        await waitFor(async () => (await clients()) === before)
      }

      const stored = (await foreign.call('KEYS', 'celery-task-meta-*')) as string[]
      const waiting = await transport.peek('q', { limit: 100_000, state: 'ready' })
      const held = await transport.peek('q', { limit: 100_000, state: 'held' })

      const found = [...stored.map((key) => key.slice('celery-task-meta-'.length)), ...texts(waiting), ...texts(held)]
      expect(found.toSorted()).toEqual(numbered(sent).toSorted())
      expect(await foreign.call('ZCARD', 'unacked_index')).toBe(await foreign.call('HLEN', 'unacked'))
    })

    test('connections cut while messages are claimed and settled lose nothing and deliver nothing twice', async () => {
      const count = 4000
      await (await connected()).publish(numbered(count).map((text) => toQueue('q', text)))
      const transport = await connected()
      const answers: string[] = []
      const arrived: Delivery[] = []
      await transport.subscribe(['q'], { prefetch: 40 }, (deliveries) => {
        arrived.push(...deliveries)
        for (const delivery of deliveries) delivery.ack().then((settled) => answers.push(settled), expect.unreachable)
      })

      for (let cut = 1; cut <= 6; cut++) {
        await waitFor(() => arrived.length >= (cut * count) / 10)
        await foreign.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        await foreign.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes')
      }
      await waitFor(() => answers.length >= count)

      expect(new Set(texts(arrived)).size).toBe(count)
      expect(arrived.length).toBe(count)
      expect(answers.every((answer) => answer === 'ok')).toBe(true)
      expect(await transport.queueInfo('q')).toEqual({ ready: 0, held: 0, parked: 0 })
    })

    test('a claim whose answer was lost is taken over after the reconnect', async () => {
      const proxy = await startProxy(server.port)
      const transport = await connected({}, connection(`redis://127.0.0.1:${proxy.port}/0`))
      const arrived = await consumed(transport)
      await waitFor(async () => String(await foreign.call('CLIENT', 'LIST')).includes('cmd=exists'))

      proxy.swallowAnswersFrom('evalsha')
      await (await connected()).publish([toQueue('q', 'one')])
      await waitFor(() => proxy.swallowedBytes > 0)
      expect(await foreign.call('HLEN', 'unacked')).toBe(1)
      expect(arrived).toEqual([])
      proxy.heal()
      proxy.cut()

      const delivery = await first(arrived)
      expect(delivery.info).toMatchObject({ queue: 'q', redelivered: false, deliveries: 1 })
      expect(await delivery.ack()).toBe('ok')
      expect(arrived.length).toBe(1)
    })

    test('a settlement whose answer was lost is not reported as lost, and its result stands', async () => {
      const proxy = await startProxy(server.port)
      const own = connection(`redis://127.0.0.1:${proxy.port}/0`)
      const transport = await connected({}, own)
      const backend = new RedisBackend(own, deps)
      await transport.publish([toQueue('q', 'one')])
      const delivery = await first(await consumed(transport))

      proxy.swallowAnswersFrom('evalsha')
      const settled = delivery.ack({ storing: backend.plan(success('one'), { ttlMs: 0 }) })
      await waitFor(() => proxy.swallowedBytes > 0)
      proxy.heal()
      proxy.cut()

      expect(await settled).toBe('ok')
      expect((await backend.fetch(['one']))[0]?.state).toBe('SUCCESS')
      expect(await transport.queueInfo('q')).toEqual({ ready: 0, held: 0, parked: 0 })
    })

    test('a restarted server is consumed again, and both changes of state are told', async () => {
      const own = await startRedis()
      const transport = await connected({}, connection(own.url))
      const states: ConnectionState[] = []
      transport.onState((state) => states.push(state))
      const arrived = await consumed(transport)

      await own.restart()
      await waitFor(() => states.includes('ready'))
      await transport.publish([toQueue('q', 'after')])

      expect(textOf(await first(arrived))).toBe('after')
      expect(states).toEqual(['lost', 'ready'])
      expect(await transport.queueNames()).toEqual(['q'])
    })

    test('a server that forgot the scripts is given them again', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      await foreign.call('SCRIPT', 'FLUSH')

      await transport.publish([toQueue('q', 'one')])

      expect(await (await first(arrived)).ack()).toBe('ok')
    })
  })

  describe('leases', () => {
    test('a message that is held for longer than the visibility timeout stays with its holder', async () => {
      const seconds = 1.5
      const transport = await connected({ visibilityTimeoutMs: seconds * 1000 })
      const arrived = await consumed(transport)
      await transport.publish([toQueue('q', 'slow')])
      const delivery = await first(arrived)
      const heldSince = async (): Promise<number> => {
        const [, score] = (await foreign.call('ZRANGE', 'unacked_index', 0, -1, 'WITHSCORES')) as string[]
        return Number(score)
      }
      const start = await heldSince()

      await waitFor(async () => (await heldSince()) > start + seconds) // the lease was refreshed so late

      expect(arrived.length).toBe(1)
      expect(await delivery.ack()).toBe('ok')
    })

    test('what a vanished holder held is delivered again and is no longer its own', async () => {
      const patient = await connected({ visibilityTimeoutMs: 60_000 })
      const old = await consumed(patient)
      await patient.publish([toQueue('q', 'one')])
      const former = await first(old)
      const [tag, score] = (await foreign.call('ZRANGE', 'unacked_index', 0, -1, 'WITHSCORES')) as string[]
      await foreign.call('ZADD', 'unacked_index', Number(score) - 3600, String(tag))
      const other = await connected({ visibilityTimeoutMs: 60_000 })

      const arrived = await consumed(other)
      const found = await waitForEither(old, 1, arrived, 0)

      expect(found.info).toMatchObject({ redelivered: true, deliveries: 2 })
      expect(await former.ack()).toBe('lost')
      expect(await found.ack()).toBe('ok')
    })

    async function waitForEither(a: Delivery[], atA: number, b: Delivery[], atB: number): Promise<Delivery> {
      await waitFor(() => a.length > atA || b.length > atB)
      const found = a[atA] ?? b[atB]
      if (!found) throw new Error('nothing arrived')
      return found
    }

    test('a parked message stands where Python looks for what is due, with the name of who parked it', async () => {
      const transport = await connected({ hostname: 'celery@here', visibilityTimeoutMs: 3_600_000 })
      const arrived = await consumed(transport)
      await transport.publish([toQueue('q', 'one')])
      const dueMs = systemClock.now() + 7_200_000

      await (await first(arrived)).park(dueMs)

      const [, score] = (await foreign.call('ZRANGE', 'unacked_index', 0, -1, 'WITHSCORES')) as string[]
      expect(Number(score)).toBeCloseTo(dueMs / 1000 - 3600, 3)
      const [parked] = await transport.peek('q', { limit: 1, state: 'parked' })
      expect(parked && parkedBy(parked)).toBe('celery@here')
    })
  })

  describe('strange texts', () => {
    test('a text that is no envelope is quarantined and the next message is delivered', async () => {
      const said: string[] = []
      const logger: Logger = { ...silentLogger, error: (text) => said.push(text) }
      const transport = await connected({ logger })
      await foreign.call(
        'LPUSH',
        'q',
        'no json',
        '{"properties": {}}',
        '{"body": 1, "properties": {"delivery_tag": "t"}}',
      )
      await transport.publish([toQueue('q', 'good')])

      const arrived = await consumed(transport)

      expect(textOf(await first(arrived))).toBe('good')
      await waitFor(async () => (await transport.quarantine.list(10)).length === 3)
      const kept = await transport.quarantine.list(10)
      expect(kept.map((one) => one.queue)).toEqual(['q', 'q', 'q'])
      expect(kept.some((one) => textOf(one.raw) === 'no json')).toBe(true)
      expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 1 })
      expect(said.length).toBe(3)
    })

    test('the delivery tag is found where the headers come last and hold one too', async () => {
      const transport = await connected()
      const envelope = (tag: string): string =>
        `{"properties": {"delivery_tag": "${tag}", "body_encoding": "base64", "delivery_info": {}}, "body": "eA==", "headers": {"delivery_tag": "same"}}`
      await foreign.call('LPUSH', 'q', envelope('one'), envelope('two'))

      const arrived = await consumed(transport)
      await first(arrived, 1)

      expect((await foreign.call('HKEYS', 'unacked')) as string[]).toEqual(expect.arrayContaining(['one', 'two']))
      expect(await Promise.all(arrived.map((delivery) => delivery.ack()))).toEqual(['ok', 'ok'])
      expect(await foreign.call('HLEN', 'unacked')).toBe(0)
    })
  })

  test('lists are polled where the server refuses to report changes', async () => {
    const warned: string[] = []
    await foreign.call('ACL', 'SETUSER', 'default', '-client|tracking')
    try {
      const transport = await connected({ logger: { ...silentLogger, warn: (text) => warned.push(text) } })
      const arrived = await consumed(transport)

      await transport.publish([toQueue('q', 'one')])

      expect(await (await first(arrived)).ack()).toBe('ok')
      expect(warned.join()).toContain('CLIENT TRACKING')
    } finally {
      await foreign.call('ACL', 'SETUSER', 'default', '+@all')
    }
  })

  test('a result of the wrong kind does not hold up the acknowledgements beside it', async () => {
    const own = connection()
    const transport = await connected({}, own)
    const backend = new RedisBackend(own, deps)
    await transport.publish(numbered(3).map((text) => toQueue('q', text)))
    const arrived = await consumed(transport)
    await first(arrived, 2)
    await foreign.call('LPUSH', 'celery-task-meta-m1', 'not a document')

    const answers = await Promise.allSettled(
      arrived.map((one) => one.ack({ storing: backend.plan(success(textOf(one)), { ttlMs: 0 }) })),
    )

    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await transport.queueInfo('q')).held).toBe(1)
  })

  describe.skipIf(!requireService('celery'))('beside kombu', () => {
    function python(code: string): string {
      const head = `import kombu, sys; c = kombu.Connection('${server.url}', transport_options={'visibility_timeout': 3600}); ch = c.channel()\n`
      const { stdout, stderr, status } = spawnSync(debianPython, ['-c', head + code], { encoding: 'utf8' })
      expect(stderr).toBe('')
      expect(status).toBe(0)
      return stdout.trim()
    }

    test('kombu reads what tq sends, and tq reads what kombu sends', async () => {
      const transport = await connected()
      await transport.publish([toQueue('q', '"from tq"')])

      const read = python(`
q = c.SimpleQueue('q'); m = q.get(timeout=5); print(m.payload); m.ack()
q.put('from kombu'); q.close()`)

      expect(read).toBe('from tq')
      expect(textOf(await first(await consumed(transport)))).toBe('from kombu')
      expect(await transport.queueInfo('q')).toMatchObject({ ready: 0, held: 1 })
    })

    test('kombu puts back what a vanished tq held', async () => {
      const transport = await connected()
      await transport.publish([toQueue('q', 'one')])
      const arrived = await consumed(transport)
      const delivery = await first(arrived)

      // Two hours later, as kombu's clock has it; its own queue cycle is not needed for that.
      python(`
import time; now = time.time; kombu.transport.redis.time = lambda: now() + 7200
ch.qos.restore_visible()`)

      expect(textOf(await first(arrived, 1))).toBe('one')
      expect(arrived[1]?.info).toMatchObject({ redelivered: true, deliveries: 2 })
      expect(await delivery.ack()).toBe('lost')
      expect(await arrived[1]?.ack()).toBe('ok')
    })

    test('the copies that one message of kombu has in several queues are held and settled each for itself', async () => {
      python(`
ex = kombu.Exchange('work', type='topic')
for name in ('a', 'b', 'c'): kombu.Queue(name, ex, routing_key='#')(ch).declare()
kombu.Producer(ch, ex).publish('same', routing_key='x.y')`)
      const [one, other] = [await connected(), await connected()]

      const [both, third]: [Delivery[], Delivery[]] = [[], []]
      await one.subscribe(['a', 'b'], { prefetch: 0 }, (deliveries) => both.push(...deliveries))
      await first(both, 1)
      await other.subscribe(['c'], { prefetch: 0 }, (deliveries) => third.push(...deliveries))
      const last = await first(third)

      const held = [...both, last]
      expect(held.map(({ info }) => info.queue).toSorted()).toEqual(['a', 'b', 'c'])
      expect(await foreign.call('HLEN', 'unacked')).toBe(3)
      expect(await Promise.all(both.map((delivery) => delivery.ack()))).toEqual(['ok', 'ok'])
      expect(await last.reject({ requeue: true })).toBe('ok')
      await waitFor(async () => (await foreign.call('HLEN', 'unacked')) === 1)
      expect(await foreign.call('ZCARD', 'unacked_index')).toBe(1)
    })

    test('tq puts back what a vanished kombu held', async () => {
      python(`
import os
q = c.SimpleQueue('q'); q.put('one'); q.get(timeout=5); os._exit(0)`)
      const [tag, score] = (await foreign.call('ZRANGE', 'unacked_index', 0, -1, 'WITHSCORES')) as string[]
      await foreign.call('ZADD', 'unacked_index', Number(score) - 7200, String(tag))

      const delivery = await first(await consumed(await connected()))

      expect(textOf(delivery)).toBe('one')
      expect(delivery.info).toMatchObject({ queue: 'q', redelivered: true })
    })
  })
})
