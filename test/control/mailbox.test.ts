import { describe, expect, onTestFinished, test } from 'vitest'
import { type CommandHandler, Mailbox, serveMailbox } from '../../runtime/src/control/mailbox.ts'
import { ConnectionError } from '../../runtime/src/core/errors.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { LamportClock } from '../../runtime/src/events/lamport.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'
import type { Transport } from '../../runtime/src/transports/transport.ts'
import { type ControlRequest, decodeRequest, encodeReply, encodeRequest } from '../../runtime/src/wire/control-dict.ts'

const containing = (text: string): unknown => expect.stringContaining(text)
// One turn in which things are sent, and those in which the memory broker delivers them.
const turn = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

async function setUp() {
  const clock = new VirtualClock()
  const logs: string[] = []
  const logger: Logger = { ...silentLogger, warn: (text) => logs.push(text) }
  const transport = new MemoryTransport(new MemoryBroker(), { clock, logger })
  await transport.connect()
  const mailbox = new Mailbox({ transport, clock, lamport: new LamportClock(), logger, oid: 'oid' })
  onTestFinished(async () => {
    await mailbox.close()
    await transport.close()
  })
  const serve = (hostname: string, handle: CommandHandler, lamport = new LamportClock()) =>
    serveMailbox({ transport, hostname, lamport, logger }, handle)
  return { clock, logs, mailbox, serve, transport, logger }
}

const pong: CommandHandler = () => ({ ok: 'pong' })

describe('a call', () => {
  test('brings the answer of every node once nothing came for a second', async () => {
    const { clock, mailbox, serve } = await setUp()
    await serve('w1@h', pong)
    await serve('w2@h', pong)

    const replies = mailbox.call('ping')
    await clock.advance(1000)

    expect((await replies).map(({ hostname, value }) => [hostname, value])).toEqual([
      ['w1@h', { ok: 'pong' }],
      ['w2@h', { ok: 'pong' }],
    ])
  })

  test('waits for its timeout anew after each reply', async () => {
    const { clock, mailbox, serve } = await setUp()
    await serve('w1@h', async () => {
      await clock.sleep(800)
      return 1
    })
    await serve('w2@h', async () => {
      await clock.sleep(1600)
      return 2
    })
    await serve('w3@h', async () => {
      await clock.sleep(2700)
      return 3
    })

    const replies = mailbox.call('ping')
    await clock.advance(3000)

    expect((await replies).map(({ value }) => value)).toEqual([1, 2])
  })

  test('ends without waiting when all that it names have answered', async () => {
    const { mailbox, serve, clock } = await setUp()
    for (const name of ['w1@h', 'w2@h', 'w3@h']) await serve(name, pong)

    const replies = await mailbox.call('ping', {}, { destination: ['w1@h', 'w3@h'] })

    expect(replies.map(({ hostname }) => hostname)).toEqual(['w1@h', 'w3@h'])
    expect(clock.pending).toBe(0)
  })

  test('ends when it has as many replies as it asked for', async () => {
    const { mailbox, serve } = await setUp()
    for (const name of ['w1@h', 'w2@h']) await serve(name, pong)

    expect(await mailbox.call('ping', {}, { limit: 1 })).toHaveLength(1)
  })

  test('is empty when nobody answers', async () => {
    const { clock, mailbox } = await setUp()

    const replies = mailbox.call('ping', {}, { timeoutMs: 50 })
    await clock.advance(50)

    expect(await replies).toEqual([])
  })

  test('gets its own replies while another one is open', async () => {
    const { mailbox, serve } = await setUp()
    await serve('w1@h', (command) => command)

    const [clock, stats] = await Promise.all([
      mailbox.call('clock', {}, { limit: 1 }),
      mailbox.call('stats', {}, { limit: 1 }),
    ])

    expect([clock[0]?.value, stats[0]?.value]).toEqual(['clock', 'stats'])
  })

  test('passes over replies to a call that is over and over what is no reply', async () => {
    const { clock, logs, mailbox, transport } = await setUp()
    const to = { exchange: 'reply.celery.pidbox', routingKey: 'oid' }
    const replies = mailbox.call('ping')
    await turn()

    const stale = encodeReply({ ticket: 'other', hostname: 'w', value: 1, clock: 1 })
    await transport.reply(to, stale)
    await transport.reply(to, { ...stale, body: Buffer.from('[]') })
    await clock.advance(1000)

    expect(await replies).toEqual([])
    expect(logs).toEqual([expect.stringContaining('A reply to remote control is dropped')])
  })

  test('resolves with what it has when the mailbox is closed, and no other can be made', async () => {
    const { mailbox, serve } = await setUp()
    await serve('w1@h', pong)
    const replies = mailbox.call('ping')
    await turn()
    await turn()

    await mailbox.close()

    expect(await replies).toHaveLength(1)
    await expect(mailbox.call('ping')).rejects.toThrow(ConnectionError)
  })

  test('that cannot open its reply address rejects, and the next one tries again', async () => {
    const { clock, logger, transport, serve } = await setUp()
    await serve('w1@h', pong)
    let tries = 0
    const connect = async (): Promise<Transport> => {
      tries++
      if (tries === 1) throw new ConnectionError('The broker is away.')
      return transport
    }
    const mailbox = new Mailbox({ transport: connect, clock, lamport: new LamportClock(), logger })

    await expect(mailbox.call('ping', {}, { limit: 1 })).rejects.toThrow('away')

    expect(await mailbox.call('ping', {}, { limit: 1 })).toHaveLength(1)
    await mailbox.close()
  })

  test('tells when it expires and where to answer; a cast does not', async () => {
    const { clock, mailbox, transport } = await setUp()
    const requests: ControlRequest[] = []
    await transport.listen('celery.pidbox', {}, (message) => requests.push(decodeRequest(message)))

    const replies = mailbox.call('ping', {}, { timeoutMs: 500, pattern: 'w*' })
    await turn()
    await mailbox.cast('shutdown')
    await clock.advance(500)
    await replies

    expect(requests[0]).toMatchObject({
      method: 'ping',
      pattern: 'w*',
      matcher: 'glob',
      replyTo: { exchange: 'reply.celery.pidbox', routingKey: 'oid' },
      expiresMs: Date.UTC(2026, 0, 1) + 500,
    })
    expect(requests[1]).toMatchObject({
      method: 'shutdown',
      ticket: undefined,
      replyTo: undefined,
      expiresMs: undefined,
    })
  })
})

describe('a served mailbox', () => {
  test('hands over command and arguments under our names', async () => {
    const { mailbox, serve } = await setUp()
    const seen: unknown[] = []
    await serve('w1@h', (command, args) => void seen.push([command, args]))

    await mailbox.cast('revoke', { taskId: 'a', terminate: true, signal: 'SIGTERM' })
    await turn()

    expect(seen).toEqual([['revoke', { taskId: 'a', terminate: true, signal: 'SIGTERM' }]])
  })

  test.each([
    ['nothing', {}, ['w1@h', 'w2@h', 'x@h']],
    ['an empty destination', { destination: [] }, ['w1@h', 'w2@h', 'x@h']],
    ['names', { destination: ['x@h', 'gone@h'] }, ['x@h']],
    ['a glob', { pattern: 'w?@*' }, ['w1@h', 'w2@h']],
    ['a glob with a set', { pattern: 'w[!2]@h' }, ['w1@h']],
    ['a regular expression, anchored at the start', { pattern: 'w[12]', matcher: 'pcre' as const }, ['w1@h', 'w2@h']],
    ['a regular expression that matches only further on', { pattern: '@h', matcher: 'pcre' as const }, []],
    ['a broken regular expression', { pattern: '(', matcher: 'pcre' as const }, []],
  ])('listens to requests addressed by %s', async (_, options, nodes) => {
    const { mailbox, serve } = await setUp()
    const seen: string[] = []
    for (const name of ['w1@h', 'w2@h', 'x@h']) await serve(name, () => void seen.push(name))

    await mailbox.cast('heartbeat', {}, options)
    await turn()

    expect(seen).toEqual(nodes)
  })

  test('answers with the error of a handler that fails', async () => {
    const { mailbox, serve } = await setUp()
    await serve('w1@h', async () => {
      throw new Error('no such queue')
    })

    const [reply] = await mailbox.call('cancelConsumer', { queue: 'q' }, { limit: 1 })

    expect(reply?.value).toEqual({ error: 'no such queue' })
  })

  test('answers an unknown command as Celery does, without asking its handler', async () => {
    const { mailbox, serve } = await setUp()
    const seen: string[] = []
    await serve('w1@h', (command) => seen.push(command))

    const [reply] = await mailbox.call('nosuch', {}, { limit: 1 })

    expect(reply?.value).toEqual({ error: "KeyError('nosuch')" })
    expect(seen).toEqual([])
  })

  test('answers with an error when the value is not JSON', async () => {
    const { mailbox, serve } = await setUp()
    await serve('w1@h', () => ({ ok: () => 1 }))

    const [reply] = await mailbox.call('report', {}, { limit: 1 })

    expect(reply?.value).toEqual({ error: containing('Cannot serialise') })
  })

  test('sends no reply for undefined, and null as null', async () => {
    const { clock, mailbox, serve } = await setUp()
    await serve('w1@h', () => undefined)
    await serve('w2@h', () => null)

    const replies = mailbox.call('heartbeat')
    await clock.advance(1000)

    expect((await replies).map(({ hostname, value }) => [hostname, value])).toEqual([['w2@h', null]])
  })

  test('goes on after a message that is no request', async () => {
    const { logs, mailbox, serve, transport } = await setUp()
    await serve('w1@h', pong)

    const request = encodeRequest({ method: 'ping', args: {}, clock: 1 })
    await transport.broadcast('celery.pidbox', { ...request, body: Buffer.from('{') })

    expect(await mailbox.call('ping', {}, { limit: 1 })).toHaveLength(1)
    expect(logs).toEqual([expect.stringContaining('ignored')])
  })

  test('moves both Lamport clocks', async () => {
    const { mailbox, serve } = await setUp()
    const lamport = new LamportClock(40)
    await serve('w1@h', pong, lamport)

    await mailbox.call('ping', {}, { limit: 1 })
    const [second] = await mailbox.call('ping', {}, { limit: 1 })

    expect(second?.clock).toBeGreaterThan(43)
    expect(lamport.value).toBe(second?.clock)
  })

  test('is silent once closed', async () => {
    const { mailbox, serve } = await setUp()
    const seen: string[] = []
    const listening = await serve('w1@h', (command) => void seen.push(command))

    await listening.close()
    await mailbox.cast('heartbeat')
    await turn()

    expect(seen).toEqual([])
  })
})
