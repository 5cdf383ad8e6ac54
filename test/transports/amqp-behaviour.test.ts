import { type Channel, type ChannelModel, connect } from 'amqplib'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, ConnectionError } from '../../runtime/src/core/errors.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { AmqpTransport, type AmqpTransportDeps } from '../../runtime/src/transports/amqp.ts'
import { directQueue, type Queue } from '../../runtime/src/transports/topology.ts'
import type { ConnectionState, Delivery } from '../../runtime/src/transports/transport.ts'
import { delayEntry, delayKey, delayQueues, quarantineQueue } from '../../runtime/src/wire/amqp-layout.ts'
import { decodeTask } from '../../runtime/src/wire/task-protocol.ts'
import { waitFor } from '../helpers/clock.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../helpers/messages.ts'
import { startProxy } from '../helpers/proxy.ts'
import { type RabbitmqNode, type RabbitmqVhost, sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'
import { amqpRecordings } from '../wire/recordings.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe.skipIf(!requireService('rabbitmq'))('the RabbitMQ transport', () => {
  let server: RabbitmqNode
  let vhost: RabbitmqVhost
  let connections: AmqpConnection[] = []
  let transports: AmqpTransport[] = []
  /** Looks at the broker as a client that knows nothing of tq. */
  let foreign: Channel
  let foreignModel: ChannelModel

  beforeAll(async () => {
    server = await sharedRabbitmq()
  })
  beforeEach(async () => {
    vhost = server.vhost()
    foreignModel = await connect(vhost.url)
    foreign = await foreignModel.createChannel()
    foreign.on('error', () => {})
  })
  afterEach(async () => {
    for (const transport of transports) await transport.close()
    for (const connection of connections) await connection.close()
    transports = []
    connections = []
    await foreignModel.close().catch(() => undefined) // a test may have cut it
    vhost.drop()
  })

  function connection(url = vhost.url, more: { readonly logger?: Logger } = {}): AmqpConnection {
    const made = new AmqpConnection(url, { ...deps, ...more })
    connections.push(made)
    return made
  }

  async function connected(
    queues: readonly Queue[] = [directQueue('q')],
    { over = connection(), ...options }: Partial<AmqpTransportDeps> & { readonly over?: AmqpConnection } = {},
  ): Promise<AmqpTransport> {
    const transport = new AmqpTransport(over, { ...deps, delayQueueType: 'classic', ...options })
    transports.push(transport)
    await transport.connect()
    await transport.declare({ queues })
    return transport
  }

  async function consumed(transport: AmqpTransport, queues = ['q'], prefetch = 0): Promise<Delivery[]> {
    const arrived: Delivery[] = []
    await transport.subscribe(queues, { prefetch }, (deliveries) => arrived.push(...deliveries))
    return arrived
  }

  async function first(arrived: readonly Delivery[], at = 0): Promise<Delivery> {
    await waitFor(() => arrived.length > at)
    const delivery = arrived[at]
    if (!delivery) throw new Error('nothing arrived')
    return delivery
  }

  const withArguments = (args: Record<string, unknown>): Queue => ({ ...directQueue('q'), arguments: args })

  describe('declarations', () => {
    test("are Celery's: a durable queue on a durable direct exchange of its name", async () => {
      await connected([directQueue('celery')])

      await foreign.assertExchange('celery', 'direct', { durable: true })
      await foreign.assertQueue('celery', { durable: true, autoDelete: false, exclusive: false })
      foreign.publish('celery', 'celery', Buffer.from('one'))
      await waitFor(async () => (await foreign.checkQueue('celery')).messageCount === 1)
    })

    test('one that does not fit names the argument, both values and what to do', async () => {
      await foreign.assertQueue('q', { durable: true, arguments: { 'x-max-priority': 10 } })

      const refused = connected()

      await expect(refused).rejects.toBeInstanceOf(ChannelError)
      await expect(refused).rejects.toThrow(
        /queue 'q' exists .* with x-max-priority 10, and this program declares it with nothing\. .*delete_queue q/,
      )
    })

    test('a refused declaration hinders nothing else', async () => {
      await foreign.assertQueue('other', { durable: true, arguments: { 'x-max-length': 5 } })
      const transport = await connected()

      await expect(transport.declare({ queues: [directQueue('other')] })).rejects.toBeInstanceOf(ChannelError)
      await transport.publish([toQueue('q', 'one')])

      expect((await transport.queueInfo('q')).ready).toBe(1)
    })

    test('arguments are passed on: a full queue that refuses says so to the sender', async () => {
      const transport = await connected([withArguments({ 'x-max-length': 1, 'x-overflow': 'reject-publish' })])
      await transport.publish([toQueue('q', 'one')])

      await expect(transport.publish([toQueue('q', 'two')])).rejects.toThrow(/queue is full/)

      expect((await transport.queueInfo('q')).ready).toBe(1)
    })

    test('a queue that goes with its last consumer is made and used', async () => {
      const bcast: Queue = {
        name: 'bcast.1',
        exchange: { name: 'f', type: 'fanout' },
        routingKey: '',
        autoDelete: true,
      }
      const transport = await connected([bcast])
      const arrived = await consumed(transport, ['bcast.1'])

      await transport.publish([{ exchange: 'f', routingKey: '', message: rawMessage('all') }])

      expect(textOf(await first(arrived))).toBe('all')
      await transport.close()
      await expect(foreign.checkQueue('bcast.1')).rejects.toThrow(/NOT_FOUND/)
    })
  })

  test('a transport that is closed while it subscribes leaves no consumer behind, wherever it was in it', async () => {
    const over = connection()
    await over.consuming.connect()

    for (let turns = 0; turns < 40; turns++) {
      const transport = await connected([directQueue('q')], { over })
      const subscribing = transport.subscribe(['q'], { prefetch: 0 }, () => {}).catch((error: unknown) => error)
      for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      await transport.close()
      if (turns === 0) expect(await subscribing).toBeInstanceOf(ConnectionError)
      await subscribing
    }

    expect(server.evaluate(`length(rabbit_amqqueue:consumers_all(<<"${vhost.name}">>))`).trim()).toBe('0')
  })

  test('a look into the quarantine shows all of it, also what is still on its way', async () => {
    const many = 450 // a queue hands over 200 at a time
    const transport = await connected()
    await transport.publish(numbered(many).map((text) => toQueue('q', text)))
    const arrived = await consumed(transport)
    await first(arrived, many - 1)
    await Promise.all(arrived.map((delivery) => transport.quarantine.put(delivery, 'broken')))

    const looks: number[] = []
    for (let look = 0; look < 12; look++) looks.push((await transport.quarantine.list(many)).length)

    expect(new Set(looks)).toEqual(new Set([many]))
  })

  test('a quarantine that was deleted is made again instead of losing what comes into it', async () => {
    const transport = await connected()
    await transport.publish([toQueue('q', 'one'), toQueue('q', 'two')])
    const arrived = await consumed(transport)
    await transport.quarantine.put(await first(arrived), 'broken')
    await foreign.deleteQueue(quarantineQueue.name)

    await transport.quarantine.put(await first(arrived, 1), 'broken, too')

    expect(await transport.quarantine.list(9)).toMatchObject([{ reason: 'broken, too' }])
  })

  test('who looks into the quarantine while others take from it sees all that is left', async () => {
    const transport = await connected()
    await transport.publish(numbered(6).map((text) => toQueue('q', text)))
    const arrived = await consumed(transport)
    await first(arrived, 5)
    for (const delivery of arrived.slice(0, 6)) await transport.quarantine.put(delivery, 'broken')
    const others = await connected()

    for (const [taken, { id }] of (await transport.quarantine.list(9)).entries()) {
      const looks = numbered(6).map(() => others.quarantine.list(9))
      await transport.quarantine.restore(id)

      for (const seen of await Promise.all(looks))
        expect(6 - seen.length).toSatisfy((n) => n === taken || n === taken + 1)
    }
  })

  describe('publishing', () => {
    test('a queue that was deleted is made again instead of losing the message', async () => {
      const transport = await connected()
      await foreign.deleteQueue('q')

      await transport.publish(numbered(3).map((text) => toQueue('q', text)))

      expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toEqual(numbered(3))
    })

    test('an exchange that is not there is an error of those who publish to it alone', async () => {
      const transport = await connected()
      const wrong = transport.publish([{ exchange: 'nowhere', routingKey: 'x', message: rawMessage('one') }])
      const right = transport.publish([toQueue('q', 'two')])

      await expect(wrong).rejects.toThrow(/no exchange 'nowhere'/)
      await right.catch((error: unknown) => expect(error).toBeInstanceOf(ConnectionError))
      await transport.publish([toQueue('q', 'three')])

      expect(texts(await transport.peek('q', { limit: 9, state: 'ready' }))).toContain('three')
    })

    test('the highest priority goes first where the queue knows priorities', async () => {
      const transport = await connected([withArguments({ 'x-max-priority': 10 })])
      const order = [0, 9, 3, 9]
      await transport.publish(
        order.map((priority, at) => toQueue('q', `${priority}-${at}`, { properties: { priority } })),
      )

      const arrived = await consumed(transport)

      await first(arrived, 3)
      expect(texts(arrived)).toEqual(['9-1', '9-3', '3-2', '0-0'])
      expect(arrived.map(({ info }) => info.priority)).toEqual([9, 9, 3, 0])
    })

    test('what Python sent is read, and sent again with the same properties and bytes', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      await foreign.assertQueue('copy')
      let at = 0
      for (const { sent } of amqpRecordings()) {
        for (const { properties, body } of sent) {
          const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.base64, 'base64')
          const { application_headers: headers, expiration, priority, correlation_id: correlationId } = properties
          const plain = {
            contentType: properties.content_type,
            contentEncoding: properties.content_encoding,
            headers,
            deliveryMode: Number(properties['delivery_mode']),
            correlationId: String(correlationId),
            replyTo: String(properties['reply_to']),
            ...(priority === undefined ? {} : { priority: Number(priority) }),
            ...(expiration === undefined ? {} : { expiration: text(expiration) }),
            ...(properties['app_id'] === undefined ? {} : { appId: text(properties['app_id']) }),
          }
          foreign.publish('', 'q', bytes, plain)
          const { raw } = await first(arrived, at++)

          expect(decodeTask({ headers: raw.headers, properties: raw.properties, body: [[], {}, {}] }).id).toBe(
            headers['id'],
          )
          await transport.publish([{ exchange: '', routingKey: 'copy', message: raw }])

          const copy = await foreign.get('copy', { noAck: true })
          if (!copy) throw new Error('no copy')
          const known = Object.entries(copy.properties).filter(([, value]) => value !== undefined)
          expect(Object.fromEntries(known)).toEqual({ priority: 0, ...plain })
          expect(copy.content.equals(bytes)).toBe(true)
        }
      }
      expect(at).toBeGreaterThan(60)
    })
  })

  describe('settling', () => {
    test('a dropped message goes to the dead-letter exchange with its history', async () => {
      const dead = directQueue('dead')
      const transport = await connected([
        dead,
        withArguments({ 'x-dead-letter-exchange': 'dead', 'x-dead-letter-routing-key': 'dead' }),
      ])
      const [live, letters] = [await consumed(transport), await consumed(transport, ['dead'])]
      await transport.publish([toQueue('q', 'one')])

      await (await first(live)).reject({ requeue: false })

      const letter = await first(letters)
      expect(textOf(letter)).toBe('one')
      expect(letter.raw.headers['x-death']).toMatchObject([{ queue: 'q', reason: 'rejected' }])
    })

    test('acknowledging in any order leaves exactly what was not acknowledged', async () => {
      const transport = await connected()
      await transport.publish(numbered(100).map((text) => toQueue('q', text)))
      const arrived = await consumed(transport)
      await first(arrived, 99)
      const kept = new Set([0, 17, 50, 51, 99])

      const acks: Promise<unknown>[] = []
      for (const [at, delivery] of [...arrived.entries()].toSorted(([a], [b]) => ((a * 37) % 100) - ((b * 37) % 100))) {
        if (kept.has(at)) continue
        acks.push(delivery.ack())
        if (at % 7 === 0) await new Promise<void>((resolve) => setImmediate(resolve))
      }
      await Promise.all(acks)
      await transport.close()

      const again = await consumed(await connected())
      await first(again, kept.size - 1)
      expect(texts(again)).toEqual([...kept].map((at) => `m${at}`))
    })
  })

  describe('quorum queues', () => {
    const quorum = (name: string): Queue => ({ ...directQueue(name), arguments: { 'x-queue-type': 'quorum' } })

    test('the prefetch holds for all queues together, and changes while running', async () => {
      const transport = await connected([quorum('a'), quorum('b')])
      await transport.publish(numbered(10).map((text) => toQueue('a', text)))
      await transport.publish(numbered(10).map((text) => toQueue('b', text)))
      const arrived: Delivery[] = []
      const subscription = await transport.subscribe(['a', 'b'], { prefetch: 4 }, (some) => arrived.push(...some))
      await first(arrived, 3)
      await transport.queueInfo('a')
      expect(arrived).toHaveLength(4)

      subscription.setPrefetch(6)
      await first(arrived, 5)
      await transport.queueInfo('a')
      expect(arrived).toHaveLength(6)

      for (let at = 0; at < 20; at++) expect(await (await first(arrived, at)).ack()).toBe('ok')
      expect(new Set(arrived).size).toBe(20)
    })

    test('deliveries are counted', async () => {
      const transport = await connected([quorum('a')])
      await transport.publish([toQueue('a', 'one')])
      const arrived = await consumed(transport, ['a'])

      for (let at = 0; at < 3; at++) await (await first(arrived, at)).reject({ requeue: true })

      const last = await first(arrived, 3)
      expect(arrived.map(({ info }) => info.deliveries)).toEqual([1, 2, 3, 4])
      expect(last.raw.headers).not.toHaveProperty('x-delivery-count')
    })

    test('one that somebody else declared is consumed without being told its type', async () => {
      await foreign.assertQueue('theirs', { durable: true, arguments: { 'x-queue-type': 'quorum' } })
      const transport = await connected()
      const arrived = await consumed(transport, ['q', 'theirs'], 3)

      foreign.sendToQueue('theirs', Buffer.from('one'))

      expect(textOf(await first(arrived))).toBe('one')
    })
  })

  describe('delays', () => {
    test('whole seconds are waited for in the broker, and nothing of it is seen afterwards', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      const dueMs = systemClock.now() + 1300

      await transport.publish([toQueue('q', 'later', { dueMs })])

      const delivery = await first(arrived)
      expect(systemClock.now()).toBeGreaterThanOrEqual(dueMs)
      expect(delivery.info).toMatchObject({ exchange: '', routingKey: 'q', redelivered: false, deliveries: 1 })
      expect(delivery.raw.headers).toEqual(rawMessage('later').headers)
    })

    test('a message may wait again and again', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      await transport.publish([toQueue('q', 'one')])

      for (let at = 0; at < 2; at++) await (await first(arrived, at)).park(systemClock.now() + 1050)

      expect(textOf(await first(arrived, 2))).toBe('one')
    })

    test('it reaches its own queue alone, though the name of another ends in the same words', async () => {
      const transport = await connected([directQueue('mail'), directQueue('high.mail')])
      const arrived = await consumed(transport, ['mail', 'high.mail'])

      await transport.publish([
        toQueue('high.mail', 'high', { dueMs: systemClock.now() + 1010 }),
        toQueue('mail', 'low', { dueMs: systemClock.now() + 1010 }),
      ])

      await first(arrived, 1)
      await transport.queueInfo('mail')
      expect(arrived.map(({ info, raw }) => `${info.queue} ${textOf(raw)}`).toSorted()).toEqual([
        'high.mail high',
        'mail low',
      ])
    })

    test("a message that Celery 5.5 delayed arrives, and is counted and purged as the queue's", async () => {
      const transport = await connected([directQueue('q'), directQueue('r')])
      await transport.publish([toQueue('q', 'ours', { dueMs: systemClock.now() + 3_600_000 })])
      await transport.publish([toQueue('r', 'other', { dueMs: systemClock.now() + 3_600_000 })])
      const arrived = await consumed(transport)

      foreign.publish(delayEntry, delayKey(1, 'q'), Buffer.from('theirs'), { correlationId: 'theirs' })
      expect(textOf(await first(arrived))).toBe('theirs')
      foreign.publish(delayEntry, delayKey(4000, 'q'), Buffer.from('theirs'), { correlationId: 'theirs' })

      await waitFor(async () => (await transport.queueInfo('q')).parked === 2)
      expect(texts(await transport.peek('q', { limit: 9, state: 'parked' }))).toEqual(['ours', 'theirs'])
      expect(await transport.purge('q')).toBe(2)
      expect(await transport.queueInfo('q')).toMatchObject({ parked: 0 })
      expect(await transport.queueInfo('r')).toMatchObject({ parked: 1 })
    })

    test('what an exchange delivers too early is put back by the consumer', async () => {
      const all: Queue = { ...directQueue('q'), exchange: { name: 't', type: 'topic' }, routingKey: '#' }
      const transport = await connected([all])
      const arrived = await consumed(transport)
      const dueMs = systemClock.now() + 1700
      const toAll = (text: string, due: number): Promise<void> =>
        transport.publish([{ exchange: 't', routingKey: 'any', message: rawMessage(text), dueMs: due }])

      await toAll('much later', systemClock.now() + 3_600_000)
      await toAll('soon', dueMs)

      expect(textOf(await first(arrived))).toBe('soon')
      expect(systemClock.now()).toBeGreaterThanOrEqual(dueMs)
      await waitFor(async () => (await transport.queueInfo('q')).parked === 1)
      expect(texts(await transport.peek('q', { limit: 9, state: 'parked' }))).toEqual(['much later'])
    })

    test('delay queues of another type are taken as they are', async () => {
      const before = await connected()
      await before.publish([toQueue('q', 'early', { dueMs: systemClock.now() + 3_600_000 })])

      const transport = await connected(undefined, { delayQueueType: 'quorum' })
      await transport.publish([toQueue('q', 'later', { dueMs: systemClock.now() + 3_600_000 })])

      expect((await transport.queueInfo('q')).parked).toBe(2)
    })

    test('the delay queues are quorum queues unless told otherwise, and delay', async () => {
      const transport = new AmqpTransport(connection(), deps)
      transports.push(transport)
      await transport.connect()
      await transport.declare({ queues: [directQueue('q')] })
      const arrived = await consumed(transport)

      await transport.publish([toQueue('q', 'later', { dueMs: systemClock.now() + 1050 })])

      expect(textOf(await first(arrived))).toBe('later')
      await foreign.assertQueue(delayQueues[27] ?? '', {
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-overflow': 'reject-publish',
          'x-message-ttl': 1000,
          'x-dead-letter-exchange': 'celery_delayed_delivery',
          'x-dead-letter-strategy': 'at-least-once',
        },
      })
    })
  })

  describe('what the broker takes away', () => {
    test('a cut connection comes back, and what was held is delivered again and was lost to its holder', async () => {
      const transport = await connected()
      const states: ConnectionState[] = []
      transport.onState((state) => states.push(state))
      const heard: string[] = []
      await transport.listen('celeryev', {}, (message) => heard.push(textOf(message)))
      const arrived = await consumed(transport)
      await transport.publish(numbered(3).map((text) => toQueue('q', text)))
      await first(arrived, 2)

      server.cut(vhost)

      await waitFor(() => states.includes('lost'))
      expect(await arrived[0]?.ack()).toBe('lost')
      await first(arrived, 5)
      await waitFor(() => states.at(-1) === 'ready')
      expect(texts(arrived.slice(3))).toEqual(numbered(3))
      expect(arrived.slice(3).map(({ info }) => info.redelivered)).toEqual([true, true, true])
      expect(await arrived[3]?.ack()).toBe('ok')
      await transport.broadcast('celeryev', rawMessage('event'), 'task.sent')
      await waitFor(() => heard.length > 0)
      await transport.publish([toQueue('q', 'new')])
      expect(textOf(await first(arrived, 6))).toBe('new')
    })

    test('nothing is lost or left over when connections are cut while messages run through', async () => {
      const count = 3000
      const publisher = await connected()
      await publisher.publish(numbered(count).map((text) => toQueue('q', text)))
      const transport = await connected()
      const settled = new Set<string>()
      await transport.subscribe(['q'], { prefetch: 50 }, (deliveries) => {
        for (const delivery of deliveries)
          void delivery.ack().then((how) => how === 'ok' && settled.add(textOf(delivery)))
      })

      for (let round = 1; round <= 4; round++) {
        await waitFor(() => settled.size >= (count * round) / 6)
        server.cut(vhost)
      }

      await waitFor(() => settled.size === count)
      await waitFor(async () => (await foreign.checkQueue('q')).messageCount === 0)
    })

    test.each([
      ['closing', (transport: AmqpTransport) => transport.close()],
      ['a question', (transport: AmqpTransport) => transport.queueInfo('q').catch(String)],
    ])('%s ends though the connection breaks in its middle', async (_, work) => {
      const proxy = await startProxy(server.port)
      const over = connection(vhost.url.replace(`:${server.port}/`, `:${proxy.port}/`))
      const transport = await connected(undefined, { over })
      await consumed(transport)

      proxy.swallow()
      const done = work(transport)
      await waitFor(() => proxy.swallowedBytes > 0)
      proxy.cut()

      await done
    })

    test('a queue that is deleted under its consumer is made and consumed again', async () => {
      const transport = await connected()
      const arrived = await consumed(transport)
      await transport.publish([toQueue('q', 'one')])
      const held = await first(arrived)

      await foreign.deleteQueue('q')
      await waitFor(async () => (await transport.queueInfo('q')).consumers === 1)
      await transport.publish([toQueue('q', 'two')])

      expect(textOf(await first(arrived, 1))).toBe('two')
      expect(await held.ack()).toBe('ok')
    })
  })

  describe('connecting', () => {
    test('the next of several URLs is tried', async () => {
      const transport = await connected(undefined, { over: connection(`amqp://127.0.0.1:1;${vhost.url}`) })

      await transport.publish([toQueue('q', 'one')])

      expect((await transport.queueInfo('q')).ready).toBe(1)
    })

    test.each([
      [
        'nobody listens',
        () => 'amqp://u:secret@127.0.0.1:1//',
        ConnectionError,
        /Cannot reach RabbitMQ .*Is it running/,
      ],
      [
        'the password is wrong',
        () => vhost.url.replace('guest:guest', 'guest:secret'),
        ChannelError,
        /refuses this user or password/,
      ],
      ['the vhost is missing', () => `${server.url.slice(0, -1)}secret-place`, ChannelError, /no such vhost/],
    ])('%s: the error says so', async (_, url, kind, words) => {
      const connecting = connection(url()).connect()

      await expect(connecting).rejects.toBeInstanceOf(kind)
      await expect(connecting).rejects.toThrow(words)
      await expect(connecting).rejects.not.toThrow(/secret@/)
    })

    test('a server that accepts and stays silent is given up in time', async () => {
      const silent = await import('node:net').then(({ createServer }) => createServer(() => {}))
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
      const address = silent.address()
      const port = typeof address === 'object' ? address?.port : 0
      const slow = new AmqpConnection(`amqp://127.0.0.1:${port}//`, { ...deps, connectTimeoutMs: 100 })

      await expect(slow.connect()).rejects.toThrow(/no answer within 0\.1 s/)

      await slow.close()
      silent.close()
    })
  })
})

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
