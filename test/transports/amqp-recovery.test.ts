import { describe, expect, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, ConnectionError } from '../../runtime/src/core/errors.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import type { AmqpTransport } from '../../runtime/src/transports/amqp.ts'
import { directQueue, type Queue } from '../../runtime/src/transports/topology.ts'
import type { ConnectionState } from '../../runtime/src/transports/transport.ts'
import { waitFor } from '../helpers/clock.ts'
import { numbered, rawMessage, textOf, texts, toQueue } from '../helpers/messages.ts'
import { startProxy } from '../helpers/proxy.ts'
import { requireService } from '../helpers/services.ts'
import { amqpClients } from './amqp-clients.ts'

const deps = { clock: systemClock, logger: silentLogger }

describe.skipIf(!requireService('rabbitmq'))('the RabbitMQ transport settles, loses and connects', () => {
  const on = amqpClients()
  const { connection, connected, consumed, first } = on

  const withArguments = (args: Record<string, unknown>): Queue => ({ ...directQueue('q'), arguments: args })

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

      on.server.cut(on.vhost)

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
        on.server.cut(on.vhost)
      }

      await waitFor(() => settled.size === count)
      await waitFor(async () => (await on.foreign.checkQueue('q')).messageCount === 0)
    })

    test.each([
      ['closing', (transport: AmqpTransport) => transport.close()],
      ['a question', (transport: AmqpTransport) => transport.queueInfo('q').catch(String)],
    ])('%s ends though the connection breaks in its middle', async (_, work) => {
      const proxy = await startProxy(on.server.port)
      const over = connection(on.vhost.url.replace(`:${on.server.port}/`, `:${proxy.port}/`))
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

      await on.foreign.deleteQueue('q')
      await waitFor(async () => (await transport.queueInfo('q')).consumers === 1)
      await transport.publish([toQueue('q', 'two')])

      expect(textOf(await first(arrived, 1))).toBe('two')
      expect(await held.ack()).toBe('ok')
    })
  })

  describe('connecting', () => {
    test('the next of several URLs is tried', async () => {
      const transport = await connected(undefined, { over: connection(`amqp://127.0.0.1:1;${on.vhost.url}`) })

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
        () => on.vhost.url.replace('guest:guest', 'guest:secret'),
        ChannelError,
        /refuses this user or password/,
      ],
      ['the on.vhost is missing', () => `${on.server.url.slice(0, -1)}secret-place`, ChannelError, /no such vhost/],
    ])('%s: the error says so', async (_, url, kind, words) => {
      const connecting = connection(url()).connect()

      await expect(connecting).rejects.toBeInstanceOf(kind)
      await expect(connecting).rejects.toThrow(words)
      await expect(connecting).rejects.not.toThrow(/secret@/)
    })

    test('a on.server that accepts and stays silent is given up in time', async () => {
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

    expect(on.server.evaluate(`length(rabbit_amqqueue:consumers_all(<<"${on.vhost.name}">>))`).trim()).toBe('0')
  })
})
