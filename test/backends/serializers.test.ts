import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryBackend, MemoryResults } from '../../runtime/src/backends/memory.ts'
import { RedisBackend } from '../../runtime/src/backends/redis.ts'
import { SqliteBackend } from '../../runtime/src/backends/sqlite.ts'
import type { ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import { systemClock as clock } from '../../runtime/src/core/clock.ts'
import { DecodeError } from '../../runtime/src/core/errors.ts'
import { silentLogger as logger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { CompressionRegistry } from '../../runtime/src/serializers/compression.ts'
import { type ResultCodec, type ResultCodecSettings, resultCodec } from '../../runtime/src/serializers/result-codec.ts'
import { SerializerRegistry } from '../../runtime/src/serializers/serializer.ts'
import { SqliteTransport } from '../../runtime/src/transports/sqlite.ts'
import { describeResultBackend } from '../conformance/result-backend.ts'
import { SqliteFixture } from '../drivers/sqlite-fixture.ts'
import { waitFor, waitForOn } from '../helpers/clock.ts'
import { failure, success } from '../helpers/messages.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

/** What the settings make of results. */
function codecOf(settings: Partial<ResultCodecSettings>): ResultCodec {
  const all = {
    resultSerializer: 'json',
    resultCompression: undefined,
    resultAcceptContent: undefined,
    acceptContent: ['json'],
    jsonStyle: 'typed' as const,
    ...settings,
  }
  return resultCodec(all, new SerializerRegistry([]), new CompressionRegistry())
}

const yaml = codecOf({ resultSerializer: 'yaml' })
const msgpack = codecOf({ resultSerializer: 'msgpack' })
const packed = codecOf({ resultSerializer: 'msgpack', resultCompression: 'zstd' })

// The whole contract over documents that no script can look into, over text and over bytes.
describe.skipIf(!requireService('redis'))('on Redis', () => {
  let server: RedisServer
  const connections: RedisConnection[] = []
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  function connection(): RedisConnection {
    const made = new RedisConnection(server.url, { clock, logger })
    connections.push(made)
    return made
  }
  const cleanup = async (): Promise<void> => {
    for (const each of connections.splice(0)) await each.close()
  }
  const opened = (codec: ResultCodec) => async (): Promise<ResultBackend> =>
    new RedisBackend(connection(), { clock, logger, codec })

  const backends = [
    ['redis with yaml', yaml],
    ['redis with compressed msgpack', packed],
  ] as const
  for (const [name, codec] of backends) {
    const fixture = async () => {
      await connection().call('FLUSHALL')
      return { open: opened(codec), waitFor, cleanup }
    }
    describeResultBackend(name, fixture, { plans: false })
  }

  test('documents are stored as Python reads them: text, or the bytes alone', async () => {
    await (await opened(yaml)()).store([success('text', 4)], { ttlMs: 0 })
    await (await opened(msgpack)()).store([success('bytes', 4)], { ttlMs: 0 })

    const one = connection()
    expect(await one.call('GET', 'celery-task-meta-text')).toContain('"status": "SUCCESS"\n')
    const bytes = await one.callBytes('GET', 'celery-task-meta-bytes')
    expect(msgpack.decode(bytes as Uint8Array)).toMatchObject({ status: 'SUCCESS', task_id: 'bytes', result: 4 })
    await cleanup()
  })

  test('writers of one result at the same moment: the more final state stands', async () => {
    const writers = await Promise.all(Array.from({ length: 8 }, opened(msgpack)))

    await Promise.all(
      writers.map((writer, index) =>
        writer.store([index === 3 ? success('same') : failure('same', `${index}`)], { ttlMs: 0 }),
      ),
    )

    const [meta] = await (writers[0]?.fetch(['same']) ?? [])
    expect(meta?.state).toBe('SUCCESS')
    await cleanup()
  })

  test('a document of another serializer is an error that says so, and gives way', async () => {
    await (await opened(codecOf({}))()).store([success('mixed')], { ttlMs: 0 })
    const reader = await opened(msgpack)()

    await expect(reader.fetch(['mixed'])).rejects.toThrow(/cannot be read.*resultSerializer/)
    await reader.store([success('mixed', 5)], { ttlMs: 0 })
    expect((await reader.fetch(['mixed']))[0]?.result).toBe(5)
    await cleanup()
  })
})

describeResultBackend('sqlite with compressed msgpack', async () => {
  const fixture = new SqliteFixture()
  return {
    open: async () => new SqliteBackend(await fixture.store(), { clock, logger, codec: packed }),
    waitFor,
    cleanup: fixture.cleanup,
    transport: async () => new SqliteTransport(await fixture.store(), { clock, logger }),
  }
})

const memory = async () => {
  const virtual = new VirtualClock()
  const results = new MemoryResults()
  return {
    clock: virtual,
    waitFor: waitForOn(virtual),
    open: async () => new MemoryBackend(results, { clock: virtual, codec: yaml }),
    cleanup: async () => {},
  }
}
describeResultBackend('memory with yaml', memory, { plans: false })

describe('every serializer through every backend', () => {
  const value = {
    n: [1, 2.5, -3, 2 ** 40, 2n ** 60n, 1e300],
    text: 'żółć \u0000 \u2028',
    flags: [true, false, null],
    when: new Date('2026-01-02T03:04:05.678Z'),
    bytes: Uint8Array.of(0, 1, 255),
    nested: { list: [[], {}] },
  }
  const codecs: [string, ResultCodec][] = ['json', 'yaml', 'msgpack'].flatMap((resultSerializer) =>
    [undefined, 'gzip', 'brotli', 'zstd', 'lzma'].map((resultCompression): [string, ResultCodec] => [
      `${resultSerializer} ${resultCompression ?? 'alone'}`,
      codecOf({ resultSerializer, resultCompression }),
    ]),
  )
  const both = [success('ok', value), { ...failure('bad', 'żółć'), traceback: 'at x' }]

  test.each(codecs)('%s on sqlite and in memory', async (_, codec) => {
    const fixture = new SqliteFixture()
    const sqlite = new SqliteBackend(await fixture.store(), { clock, logger, codec })
    const memory = new MemoryBackend(new MemoryResults(), { clock, codec })

    for (const backend of [sqlite, memory]) {
      await backend.store(both, { ttlMs: 60_000 })
      expect(await backend.fetch(['ok', 'bad'])).toMatchObject(both)
    }

    await sqlite.close()
    await fixture.cleanup()
  })

  describe.skipIf(!requireService('redis'))('on redis', () => {
    test('each', async () => {
      const server = await startRedis()
      const connection = new RedisConnection(server.url, { clock, logger })

      for (const [name, codec] of codecs) {
        const backend = new RedisBackend(connection, { clock, logger, codec, globalKeyprefix: name })
        await backend.store(both, { ttlMs: 60_000 })
        expect(await backend.fetch(['ok', 'bad']), name).toMatchObject(both)
      }

      await connection.close()
      await server.stop()
    })
  })
})

describe('a result that comes as a message', () => {
  const message = (codec: ResultCodec, value: unknown) => {
    const document = codec.encode(value)
    const body = typeof document === 'string' ? Buffer.from(document) : document
    return { body, contentType: codec.contentType, contentEncoding: codec.contentEncoding }
  }

  test('is read by the types that it names, whatever the reader would write', () => {
    const reader = codecOf({ resultAcceptContent: ['json', 'application/x-msgpack'] })

    expect(reader.received(message(packed, { n: 1 }), packed.compression)).toEqual({ n: 1 })
    expect(reader.received(message(reader, { n: 1 }), undefined)).toEqual({ n: 1 })
  })

  test('is refused where its type is not accepted, or unknown', () => {
    const reader = codecOf({})

    expect(() => reader.received(message(yaml, 1), undefined)).toThrow(DecodeError)
    expect(() => reader.received({ ...message(yaml, 1), contentType: 'application/x-soap' }, undefined)).toThrow(
      /accepted are json/,
    )
    expect(() => reader.received(message(reader, 1), 'application/x-gzip')).toThrow(DecodeError)
  })
})

test('plain JSON is written for results, too', () => {
  expect(codecOf({ jsonStyle: 'plain' }).encode([new Date(0)])).toBe('["1970-01-01T00:00:00.000000Z"]')
})
