import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Clock, systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { RedisTransport, type RedisTransportDeps } from '../../runtime/src/transports/redis.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { debianPython } from '../helpers/install.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../helpers/messages.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe.skipIf(!requireService('redis'))('options of the transport over Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())
  beforeEach(() => foreign().call('FLUSHALL'))

  function foreign(): RedisConnection {
    const made = new RedisConnection(server.url, deps)
    onTestFinished(() => made.close())
    return made
  }

  async function connected(options: Partial<RedisTransportDeps>): Promise<RedisTransport> {
    const transport = new RedisTransport(foreign(), { ...deps, ...options })
    onTestFinished(() => transport.close())
    await transport.connect()
    await transport.declare({ queues: ['a', 'b', 'c'].map((name) => directQueue(name)) })
    return transport
  }

  async function received(transport: RedisTransport, count: number, queues = ['a']): Promise<Delivery[]> {
    const arrived: Delivery[] = []
    await transport.subscribe(queues, { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
    await waitFor(() => arrived.length >= count, { what: `${count} messages` })
    return arrived
  }

  describe.skipIf(!requireService('celery'))('as kombu has them', () => {
    function python(options: string, code: string): string {
      const head = `import kombu; c = kombu.Connection('${server.url}', transport_options=${options}); ch = c.channel()\n`
      const { stdout, stderr, status } = spawnSync(debianPython, ['-c', head + code], { encoding: 'utf8' })
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
      return stdout.trim()
    }

    test('what is held lies under the keys that are named', async () => {
      const names = { unackedKey: 'held', unackedIndexKey: 'held_index', unackedMutexKey: 'held_mutex' }
      const options = `{'unacked_key': 'held', 'unacked_index_key': 'held_index', 'unacked_mutex_key': 'held_mutex'}`
      const transport = await connected(names)
      await transport.publish([toQueue('a', '"mine"'), toQueue('b', '"theirs"')])
      const [held] = await received(transport, 1)

      // Python holds one as well, looks at both and lets its own go.
      const seen = python(
        options,
        `m = ch.basic_get('b')
r = kombu.Connection('${server.url}').default_channel.client
print(r.hlen('held'), r.zcard('held_index'), r.exists('unacked'), r.exists('unacked_index'))
ch.basic_ack(m.delivery_tag)
print(r.hlen('held'))`,
      )

      expect(seen).toBe('2 2 0 0\n1')
      expect(await held?.ack()).toBe('ok')
      expect(await foreign().call('HLEN', 'held')).toBe(0)
    })

    test('separator, priority steps and key prefix lead to the same lists', async () => {
      const transport = await connected({ separator: ':', prioritySteps: [0, 5, 8], globalKeyprefix: 'shop.' })
      const options = `{'sep': ':', 'priority_steps': [0, 5, 8], 'global_keyprefix': 'shop.'}`
      await transport.publish([
        toQueue('a', '"nine"', { properties: { priority: 9 } }),
        toQueue('a', '"four"', { properties: { priority: 4 } }),
      ])
      expect(((await foreign().call('KEYS', 'shop.a*')) as string[]).toSorted()).toEqual(['shop.a', 'shop.a:8'])

      const read = python(
        options,
        `
q = c.SimpleQueue('a')
for _ in range(2): m = q.get(timeout=5); print(m.payload); m.ack()
kombu.Producer(ch).publish('six', routing_key='a', priority=6)
kombu.Producer(ch).publish('zero', routing_key='a', priority=0)`,
      )

      expect(read.split('\n')).toEqual(['four', 'nine'])
      expect(texts(await received(transport, 2)).map((text) => text.replaceAll('"', ''))).toEqual(['zero', 'six'])
    })

    test.each([
      ['no prefix', { fanoutPrefix: false }, `{'fanout_prefix': False}`, 'news/eu'],
      ['a prefix of its own', { fanoutPrefix: '/shop{db}.' }, `{'fanout_prefix': '/shop{db}.'}`, '/shop0.news/eu'],
      ['no routing keys', { fanoutPatterns: false }, `{'fanout_patterns': False}`, '/0.news'],
    ])('fanout with %s uses the same channel', async (_name, options, kombuOptions, channel) => {
      const transport = await connected(options)
      const [heard, channels]: [string[], string[]] = [[], []]
      const listening = foreign()
      await listening.listener.psubscribe('*', (_text, at) => channels.push(at))
      await transport.listen('news', { pattern: '#' }, (message) => heard.push(Buffer.from(message.body).toString()))

      python(
        kombuOptions,
        `kombu.Producer(ch, kombu.Exchange('news', type='fanout')).publish('kombu', routing_key='eu')`,
      )
      await transport.broadcast('news', rawMessage('tq'), 'eu')

      await waitFor(() => heard.length === 2, { what: 'both' })
      expect(heard).toEqual([expect.stringContaining('kombu'), 'tq'])
      expect(channels.filter((one) => one.includes('news'))).toEqual([channel, channel])
    })
  })

  test.each([
    ['round_robin', ['c', 'a', 'b', 'c', 'a', 'b']],
    ['sorted', ['a', 'a', 'b', 'b', 'c', 'c']],
    ['priority', ['c', 'c', 'a', 'a', 'b', 'b']],
  ] as const)('queue order %s', async (queueOrderStrategy, order) => {
    const transport = await connected({ queueOrderStrategy })
    await transport.publish(['a', 'b', 'c', 'a', 'b', 'c'].map((queue) => toQueue(queue, queue)))

    const served: string[] = []
    await transport.subscribe(['c', 'a', 'b'], { prefetch: 1 }, (deliveries) => {
      for (const delivery of deliveries) {
        served.push(textOf(delivery))
        void delivery.ack()
      }
    })

    await waitFor(() => served.length === 6, { what: 'all' })
    expect(served).toEqual(order)
  })

  describe('what vanished holders held', () => {
    async function abandoned(count: number): Promise<void> {
      const transport = await connected({})
      await transport.publish(numbered(count).map((text) => toQueue('a', text)))
      const own = foreign()
      const holder = new RedisTransport(own, deps)
      await holder.connect()
      await received(holder, count)
      await own.close()
      const held = (await foreign().call('ZRANGE', 'unacked_index', 0, -1)) as string[]
      const longAgo = held.flatMap((tag, at) => [at + 1, tag])
      await foreign().call('ZADD', 'unacked_index', ...longAgo)
    }

    /** How often anybody has set a key since the last reset. */
    async function triesForMutex(): Promise<number> {
      const stats = String(await foreign().call('INFO', 'commandstats'))
      return Number(/cmdstat_set:calls=(\d+)/.exec(stats)?.[1] ?? 0)
    }

    test('comes back whole, however few at once', async () => {
      await abandoned(7)

      const arrived = await received(await connected({ unackedRestoreLimit: 2 }), 7)

      expect(texts(arrived).toSorted()).toEqual(numbered(7))
      expect(arrived.every(({ info }) => info.redelivered)).toBe(true)
    })

    test('does not wait for ever for a mutex that a dead consumer has left', async () => {
      await abandoned(2)
      await foreign().call('SET', 'unacked_mutex', 'of the dead', 'PX', 300_000)
      // Waiting takes a hundredth of its time.
      const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 100 }

      const arrived = await received(await connected({ clock }), 2)

      expect(texts(arrived).toSorted()).toEqual(numbered(2))
      expect(await foreign().call('GET', 'unacked_mutex')).toBe('of the dead')
    })

    test('is left to the consumer that has the mutex', async () => {
      await abandoned(2)
      await foreign().call('CONFIG', 'RESETSTAT')
      await foreign().call('SET', 'unacked_mutex', 'of somebody else', 'PX', 300_000)
      const transport = await connected({})
      const arrived: Delivery[] = []
      await transport.subscribe(['a'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
      await transport.publish([toQueue('a', 'next')])
      await waitFor(() => arrived.length > 0, { what: 'the next one' })
      await waitFor(async () => (await triesForMutex()) > 1, { what: 'a try for the mutex' })
      expect(texts(arrived)).toEqual(['next'])
      expect(await foreign().call('GET', 'unacked_mutex')).toBe('of somebody else')

      await foreign().call('DEL', 'unacked_mutex')

      await waitFor(() => arrived.length === 3, { what: 'what was held' })
      expect(await foreign().call('EXISTS', 'unacked_mutex')).toBe(0)
    })
  })
})
