import { randomUUID } from 'node:crypto'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../runtime/src/backends/result-backend.ts'
import { RpcBackend, type RpcDeps } from '../../runtime/src/backends/rpc.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, ConnectionError } from '../../runtime/src/core/errors.ts'
import { type Logger, silentLogger } from '../../runtime/src/core/logger.ts'
import type { TaskMeta } from '../../runtime/src/core/states.ts'
import { AmqpConnection } from '../../runtime/src/drivers/amqp-connection.ts'
import { describeResultBackend } from '../conformance/result-backend.ts'
import { waitFor } from '../helpers/clock.ts'
import { failure, numbered, success } from '../helpers/messages.ts'
import { type RabbitmqNode, type RabbitmqVhost, sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'

const ttlMs = 3_600_000

/** Whatever any of several clients stores goes to one of them, as all of them ask it. */
class AddressedBackend extends RpcBackend {
  readonly #reader: RpcBackend
  readonly #replyTo: string
  readonly #closing = new AbortController()

  constructor(
    connection: AmqpConnection,
    { reader, replyTo }: { readonly reader: RpcBackend; readonly replyTo: string },
    deps: RpcDeps,
  ) {
    super(connection, deps)
    this.#reader = reader
    this.#replyTo = replyTo
  }

  /** Resolves when the reader has it: what comes behind it has come. */
  override async store(metas: readonly TaskMeta[], options: StoreOptions): Promise<void> {
    const last = randomUUID()
    await super.store([...metas, success(last)], { ...options, replyTo: this.#replyTo })
    for await (const _ of this.#reader.watch([last], new AbortController().signal));
  }

  override async fetch(ids: readonly string[]): Promise<readonly (TaskMeta | undefined)[]> {
    await super.fetch([]) // once closed, it rejects
    return this.#reader.fetch(ids)
  }

  override async *watch(ids: readonly string[], signal: AbortSignal): AsyncGenerator<TaskMeta> {
    const until = AbortSignal.any([signal, this.#closing.signal])
    yield* this.#reader.watch(ids, until)
  }

  override async forget(id: string): Promise<void> {
    await this.#reader.forget(id)
  }

  override async close(): Promise<void> {
    this.#closing.abort()
    await super.close()
  }
}

describe.skipIf(!requireService('rabbitmq'))('rpc under the suite of all', () => {
  const deps = { clock: systemClock, logger: silentLogger }
  let vhost: RabbitmqVhost
  let connections: AmqpConnection[] = []
  let tests = 0

  beforeAll(async () => {
    vhost = (await sharedRabbitmq()).vhost()
    connections = Array.from({ length: 3 }, () => new AmqpConnection(vhost.url, deps))
  })
  afterAll(async () => {
    for (const each of connections) await each.close()
    vhost?.drop()
  })

  describeResultBackend(
    'rpc',
    async () => {
      // Connections are made once; each test has a reader with a reply queue of its own.
      const [reading, ...writing] = connections
      const replyTo = `reader-${tests++}`
      const reader = new RpcBackend(reading ?? expect.unreachable(), deps)
      await reader.connect()
      await reader.prepare([], replyTo)
      let opened = 0
      return {
        open: async () => {
          const connection = writing[opened++ % writing.length] ?? expect.unreachable()
          return new AddressedBackend(connection, { reader, replyTo }, deps)
        },
        waitFor,
        cleanup: () => reader.close(),
      }
    },
    { plans: false, keeps: false },
  )
})

describe.skipIf(!requireService('rabbitmq'))('the rpc result backend', () => {
  let server: RabbitmqNode
  let vhost: RabbitmqVhost
  let opened: { close(): Promise<void> }[] = []
  let foreign: Channel
  let foreignModel: ChannelModel

  beforeAll(async () => {
    server = await sharedRabbitmq()
  })
  beforeEach(async () => {
    vhost = server.vhost()
    foreignModel = await connect(vhost.url)
    foreign = await foreignModel.createChannel()
  })
  afterEach(async () => {
    for (const each of opened.toReversed()) await each.close()
    opened = []
    await foreignModel.close().catch(() => undefined) // a test may have cut it
    vhost.drop()
  })

  async function connected(options: Partial<RpcDeps> = {}): Promise<RpcBackend> {
    const connection = new AmqpConnection(vhost.url, { clock: systemClock, logger: silentLogger })
    const backend = new RpcBackend(connection, { clock: systemClock, logger: silentLogger, ...options })
    opened.push(connection, backend)
    await backend.connect()
    return backend
  }

  async function asker(ids: readonly string[], options: Partial<RpcDeps> = {}): Promise<RpcBackend> {
    const backend = await connected(options)
    await backend.prepare(ids, 'me')
    return backend
  }

  function watched(backend: RpcBackend, ids: readonly string[]): { seen: TaskMeta[]; done: Promise<void> } {
    const seen: TaskMeta[] = []
    const done = (async () => {
      for await (const meta of backend.watch(ids, new AbortController().signal)) seen.push(meta)
    })()
    return { seen, done }
  }

  test('a result reaches the process that sent the task, each state in turn', async () => {
    const [client, worker] = [await asker(['a']), await connected()]
    const { seen, done } = watched(client, ['a'])

    await worker.store([{ id: 'a', state: 'STARTED', result: { pid: 7 } }], { ttlMs, replyTo: 'me' })
    await worker.store([success('a', { größe: [1, null] })], { ttlMs, replyTo: 'me' })

    await done
    expect(seen.map(({ state }) => state)).toEqual(['STARTED', 'SUCCESS'])
    expect(seen[1]).toMatchObject({ id: 'a', result: { größe: [1, null] } })
    expect((await client.fetch(['a', 'b'])).map((meta) => meta?.state)).toEqual(['SUCCESS', undefined])
  })

  test('who watches late sees all that came before, who comes again the end', async () => {
    const [client, worker] = [await asker(['a']), await connected()]
    const progress: TaskMeta = { id: 'a', state: 'PROGRESS', result: { done: 1 } }
    await worker.store([progress], { ttlMs, replyTo: 'me' })
    await worker.store([success('a')], { ttlMs, replyTo: 'me' })
    await waitFor(async () => (await client.fetch(['a']))[0]?.state === 'SUCCESS')

    const [first, again] = [watched(client, ['a']), watched(client, ['a'])]

    await Promise.all([first.done, again.done])
    expect(first.seen.map(({ state }) => state)).toEqual(['PROGRESS', 'SUCCESS'])
    expect(again.seen.map(({ state }) => state)).toEqual(['SUCCESS'])
  })

  test('it reaches nobody else', async () => {
    const [client, other, worker] = [await asker(['a']), await connected(), await connected()]
    await other.prepare(['b'], 'other')

    await worker.store([success('a')], { ttlMs, replyTo: 'me' })

    await waitFor(async () => (await client.fetch(['a']))[0] !== undefined)
    expect(await other.fetch(['a'])).toEqual([undefined])
  })

  test('many results arrive, and a watch ends with the last', async () => {
    const ids = numbered(300)
    const [client, worker] = [await asker(ids), await connected()]
    const { seen, done } = watched(client, ids)

    await worker.store(
      ids.map((id) => success(id, id)),
      { ttlMs, replyTo: 'me' },
    )

    await done
    expect(seen.map(({ result }) => result)).toEqual(ids)
  })

  test('the message on the wire is what Celery sends', async () => {
    await foreign.assertQueue('me')
    const worker = await connected()

    await worker.store([{ ...failure('a', 'boom'), children: [] }], { ttlMs, replyTo: 'me' })

    const message = await foreign.get('me', { noAck: true })
    if (!message) throw new Error('nothing was sent')
    expect(message.fields).toMatchObject({ exchange: '', routingKey: 'me' })
    expect(message.properties).toMatchObject({
      correlationId: 'a',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 1,
    })
    expect(JSON.parse(message.content.toString())).toEqual({
      task_id: 'a',
      status: 'FAILURE',
      result: { exc_type: 'ValueError', exc_message: ['boom'], exc_module: 'builtins' },
      traceback: expect.stringContaining('Traceback'),
      children: [],
    })
  })

  test('results are persistent on request', async () => {
    await foreign.assertQueue('me')
    const worker = await connected({ persistent: true })

    await worker.store([success('a')], { ttlMs, replyTo: 'me' })

    const message = await foreign.get('me', { noAck: true })
    expect(message && message.properties.deliveryMode).toBe(2)
  })

  test('nobody waits: nothing is sent, and a reply address that is gone is no error', async () => {
    const worker = await connected()

    await worker.store([success('a')], { ttlMs })
    await worker.store([success('a')], { ttlMs, replyTo: 'gone' })
  })

  test('a final state stays', async () => {
    const [client, worker] = [await asker(['a', 'b']), await connected()]

    await worker.store([success('a', 'first'), success('a', 'second'), { id: 'a', state: 'STARTED' }], {
      ttlMs,
      replyTo: 'me',
    })
    await worker.store([success('b')], { ttlMs, replyTo: 'me' })

    await waitFor(async () => (await client.fetch(['b']))[0] !== undefined)
    expect((await client.fetch(['a']))[0]).toMatchObject({ state: 'SUCCESS', result: 'first' })
  })

  test('a result that came before it was asked for is there', async () => {
    const [client, worker] = [await asker(['a']), await connected()]
    await worker.store([success('a')], { ttlMs, replyTo: 'me' })
    await waitFor(async () => (await client.fetch(['a']))[0] !== undefined)

    const { seen, done } = watched(client, ['a', 'a'])

    await done
    expect(seen).toHaveLength(1)
    await client.forget('a')
    expect(await client.fetch(['a'])).toEqual([undefined])
  })

  test('a result that comes while the connection is down arrives when it is back', async () => {
    const [client, worker] = [await asker(['a', 'b']), await connected()]
    const { seen, done } = watched(client, ['a', 'b'])
    await worker.store([success('a')], { ttlMs, replyTo: 'me' })
    await waitFor(() => seen.length === 1)

    server.cut(vhost)
    await waitFor(async () => {
      try {
        await worker.store([success('b')], { ttlMs, replyTo: 'me' })
        return true
      } catch (error) {
        expect(error).toBeInstanceOf(ConnectionError)
        return false
      }
    })

    await done
    expect(seen.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  test('no more results are kept than resultCacheMax says, the latest ones', async () => {
    const [client, worker] = [await asker(['a', 'b', 'c'], { mostResults: 2 }), await connected()]

    await worker.store([success('a'), success('b'), success('c')], { ttlMs, replyTo: 'me' })

    await waitFor(async () => (await client.fetch(['c']))[0] !== undefined)
    expect((await client.fetch(['a', 'b', 'c'])).map((meta) => meta?.id)).toEqual([undefined, 'b', 'c'])
  })

  test('the reply queue goes with the process', async () => {
    const client = await asker(['a'])
    await foreign.checkQueue('me')

    await client.close()

    const other = await foreignModel.createChannel()
    other.on('error', () => {})
    await expect(other.checkQueue('me')).rejects.toThrow(/NOT_FOUND/)
    await expect(client.fetch(['a'])).rejects.toBeInstanceOf(ConnectionError)
  })

  test('a watch does not outlive its client, nor its signal', async () => {
    const client = await asker(['a'])
    const abort = new AbortController()
    const aborted = (async () => {
      for await (const meta of client.watch(['a'], abort.signal)) expect.unreachable(meta.id)
    })()
    const { done } = watched(client, ['a'])

    abort.abort()
    await aborted
    await client.close()

    await done
  })

  test('waiting for a task that another process sent is warned of', async () => {
    const warned: string[] = []
    const logger: Logger = { ...silentLogger, warn: (message) => void warned.push(message) }
    const client = await asker(['mine'], { logger })

    void watched(client, ['mine'])
    expect(warned).toEqual([])
    void watched(client, ['theirs'])

    expect(warned).toEqual([expect.stringMatching(/theirs was not sent by this process.*redis:\/\//)])
  })

  test('what cannot be read is told and skipped', async () => {
    const warned: string[] = []
    const logger: Logger = { ...silentLogger, warn: (message) => void warned.push(message) }
    const [client, worker] = [await asker(['a'], { logger }), await connected()]

    foreign.sendToQueue('me', Buffer.from('{"no": "result"}'), { correlationId: 'x' })
    await waitFor(() => warned.length === 1)
    await worker.store([success('a')], { ttlMs, replyTo: 'me' })

    await waitFor(async () => (await client.fetch(['a']))[0] !== undefined)
    expect(warned[0]).toMatch(/result of x that cannot be read/)
  })

  test('groups and chords are refused by name', async () => {
    const backend = await connected()

    for (const refused of [backend.storeGroup(), backend.openChord(), backend.joinChord(), backend.chordParts()]) {
      await expect(refused).rejects.toBeInstanceOf(ChannelError)
      await expect(refused.catch(String)).resolves.toMatch(
        /rpc result backend cannot (?:save a group|run a chord).*redis:\/\//,
      )
    }
    expect(backend.plan()).toBeUndefined()
    expect(await backend.claimChords()).toEqual([])
  })
})
