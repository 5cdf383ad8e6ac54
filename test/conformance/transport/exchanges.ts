import { describe, expect, test } from 'vitest'
import { type ExchangeType, type Queue, directQueue } from '../../../runtime/src/transports/topology.ts'
import type { Transport } from '../../../runtime/src/transports/transport.ts'
import type { RawMessage } from '../../../runtime/src/core/message.ts'
import { numbered, rawMessage, textOf } from '../../helpers/messages.ts'
import type { TransportSuite } from './suite.ts'

/** The part of the suite about exchanges, listening. */
export function describeExchanges(suite: TransportSuite): void {
  const { connected, unconnected, consumed } = suite

  describe('exchanges', () => {
    const bound = (name: string, exchange: string, type: ExchangeType, routingKey: string): Queue => ({
      name,
      exchange: { name: exchange, type },
      routingKey,
    })

    async function reached(queues: readonly Queue[], exchange: string, routingKey: string): Promise<string[]> {
      const transport = await connected(queues)
      await transport.publish([{ exchange, routingKey, message: rawMessage('one') }])
      const hit: string[] = []
      for (const queue of queues) if ((await transport.queueInfo(queue.name)).ready === 1) hit.push(queue.name)
      return hit
    }

    test('a direct exchange reaches the queues bound with the same key', async () => {
      const queues = [bound('a', 'd', 'direct', 'x'), bound('b', 'd', 'direct', 'y'), bound('c', 'd', 'direct', 'x')]

      expect(await reached(queues, 'd', 'x')).toEqual(['a', 'c'])
    })

    test('a topic exchange reaches the queues whose pattern matches', async () => {
      const queues = [
        bound('all', 't', 'topic', '#'),
        bound('one', 't', 'topic', 'mail.*'),
        bound('deep', 't', 'topic', 'mail.#'),
        bound('other', 't', 'topic', 'image.#'),
      ]

      expect(await reached(queues, 't', 'mail.send.now')).toEqual(['all', 'deep'])
    })

    test('a fanout exchange reaches every queue bound to it', async () => {
      const queues = [bound('a', 'f', 'fanout', ''), bound('b', 'f', 'fanout', 'x'), directQueue('c')]

      expect(await reached(queues, 'f', 'any')).toEqual(['a', 'b'])
    })

    test('a fanout exchange reaches the queues that other clients consume, and no more than these', async () => {
      const [first, second] = [await unconnected(), await unconnected()]
      const own = (name: string): Queue => ({ ...bound(name, 'news', 'fanout', 'k'), autoDelete: true })
      for (const [transport, name] of [
        [first, 'a'],
        [second, 'b'],
      ] as const) {
        await transport.connect()
        await transport.declare({ queues: [own(name)] })
      }
      const inboxes = [await consumed(first, ['a']), await consumed(second, ['b'])]
      const sender = await connected([])
      await sender.declare({ queues: [], exchanges: [{ name: 'news', type: 'fanout' }] })

      await sender.publish([{ exchange: 'news', routingKey: 'k', message: rawMessage('one') }])
      await first.publish([{ exchange: 'news', routingKey: 'k', message: rawMessage('two') }])

      for (const inbox of inboxes) {
        expect([textOf(await inbox.next()), textOf(await inbox.next())].toSorted()).toEqual(['one', 'two'])
      }
    })

    test('what is published to a fanout exchange without queues is dropped', async () => {
      const transport = await connected()
      await transport.declare({ queues: [], exchanges: [{ name: 'void', type: 'fanout' }] })

      await transport.publish([{ exchange: 'void', routingKey: 'k', message: rawMessage('unheard') }])

      expect((await transport.queueInfo('q')).ready).toBe(0)
    })

    test('a queue that deletes itself goes with its last consumer', async () => {
      const transport = await unconnected()
      await transport.connect()
      const queue: Queue = { ...bound('own', 'news', 'fanout', 'k'), autoDelete: true }
      await transport.declare({ queues: [queue], exchanges: [queue.exchange] })
      const subscription = await transport.subscribe(['own'], { prefetch: 0 }, () => {})

      await subscription.close()
      await transport.publish([{ exchange: 'news', routingKey: 'k', message: rawMessage('late') }])

      expect((await transport.queueInfo('own')).ready).toBe(0)
    })

    test('the anonymous exchange reaches the queue that the key names', async () => {
      expect(await reached([bound('a', 'd', 'direct', 'x'), directQueue('x')], '', 'a')).toEqual(['a'])
    })

    test('declaring twice is harmless', async () => {
      const transport = await connected()
      await transport.declare({ queues: [directQueue('q')] })
      await (await connected()).publish([{ exchange: 'q', routingKey: 'q', message: rawMessage('one') }])

      expect((await transport.queueInfo('q')).ready).toBe(1)
    })
  })

  describe('listening', () => {
    test('a broadcast reaches every listener of the exchange', async () => {
      const [first, second, sender] = [await connected(), await connected(), await connected()]
      const heard: string[][] = [[], [], []]
      await first.listen('events', {}, (message) => heard[0]?.push(textOf(message)))
      await second.listen('events', {}, (message) => heard[1]?.push(textOf(message)))
      await second.listen('control', {}, (message) => heard[2]?.push(textOf(message)))

      for (const text of numbered(3)) await sender.broadcast('events', rawMessage(text), 'task.sent')
      await sender.broadcast('control', rawMessage('other'))

      await suite.fixture.waitFor(() => heard.every((own) => own.length > 0) && heard.flat().length >= 7)
      expect(heard).toEqual([numbered(3), numbered(3), ['other']])
    })

    test('a listener hears its own broadcasts', async () => {
      const transport = await connected()
      const heard: string[] = []
      await transport.listen('events', {}, (message) => heard.push(textOf(message)))

      await transport.broadcast('events', rawMessage('mine'), 'worker.online')

      await suite.fixture.waitFor(() => heard.length > 0)
      expect(heard).toEqual(['mine'])
    })

    test('a listener hears the routing keys that its pattern matches', async () => {
      const transport = await connected()
      const heard: string[] = []
      await transport.listen('events', { pattern: 'task.#' }, (message) => heard.push(textOf(message)))

      await transport.broadcast('events', rawMessage('a worker'), 'worker.online')
      await transport.broadcast('events', rawMessage('a task'), 'task.sent')

      await suite.fixture.waitFor(() => heard.length > 0)
      expect(heard).toEqual(['a task'])
    })

    test('a listener hears only what comes after it', async () => {
      const [sender, receiver] = [await connected(), await connected()]
      await sender.broadcast('events', rawMessage('before'), 'task.sent')
      const heard: string[] = []

      await receiver.listen('events', {}, (message) => heard.push(textOf(message)))
      await sender.broadcast('events', rawMessage('after'), 'task.sent')

      await suite.fixture.waitFor(() => heard.length > 0)
      expect(heard).toEqual(['after'])
    })

    test('a closed listener hears nothing more', async () => {
      const transport = await connected()
      const heard: string[] = []
      const closed = await transport.listen('events', {}, () => heard.push('closed'))
      await transport.listen('events', {}, () => heard.push('open'))

      await closed.close()
      await transport.broadcast('events', rawMessage('one'), 'task.sent')

      await suite.fixture.waitFor(() => heard.length > 0)
      expect(heard).toEqual(['open'])
    })

    test('a broadcast carries its body and headers unchanged', async () => {
      const transport = await connected()
      const heard: RawMessage[] = []
      await transport.listen('events', {}, (message) => heard.push(message))
      const sent = rawMessage('one', { body: everyByte(), headers: { hostname: 'celery@büro', clock: 7 } })

      await transport.broadcast('events', sent, 'task.sent')

      await suite.fixture.waitFor(() => heard.length > 0)
      expect(heard[0]?.headers).toMatchObject(sent.headers)
      expect(sameBytes(heard[0]?.body, sent.body)).toBe(true)
    })

    test('a reply reaches the reply address, and that alone', async () => {
      const [asker, other, worker] = [await connected(), await connected(), await connected()]
      const heard: string[] = []
      const listenFor = (transport: Transport, ticket: string): Promise<unknown> =>
        transport.listen('replies', { pattern: ticket, replyQueue: `${ticket}.replies` }, (message) =>
          heard.push(`${ticket}: ${textOf(message)}`),
        )
      await listenFor(asker, 'ticket-1')
      await listenFor(other, 'ticket-2')

      await worker.broadcast('replies', rawMessage('not a reply'), 'ticket-1')
      await worker.reply({ exchange: 'replies', routingKey: 'ticket-1' }, rawMessage('pong'))
      await worker.reply({ exchange: 'replies', routingKey: 'ticket-2' }, rawMessage('last'))

      await suite.fixture.waitFor(() => heard.length >= 2)
      expect(heard.toSorted()).toEqual(['ticket-1: pong', 'ticket-2: last'])
    })

    test('a reply to an address that is gone is dropped', async () => {
      const transport = await connected()
      const listening = await transport.listen('replies', { pattern: 'ticket', replyQueue: 'ticket.replies' }, () => {})
      await listening.close()

      await transport.reply({ exchange: 'replies', routingKey: 'ticket' }, rawMessage('late'))
    })
  })
}

function everyByte(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => value)
}

function sameBytes(left: Uint8Array | undefined, right: Uint8Array): boolean {
  return left !== undefined && Buffer.compare(left, right) === 0
}
