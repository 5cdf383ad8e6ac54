import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { RedisBackend } from '../../runtime/src/backends/redis.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { RedisTransport } from '../../runtime/src/transports/redis.ts'
import { describeResultBackend } from '../conformance/result-backend.ts'
import { waitFor } from '../helpers/clock.ts'
import { success } from '../helpers/messages.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

describe.skipIf(!requireService('redis'))('over a private server', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  describe('beside Celery', () => {
    const connections: RedisConnection[] = []
    const deps = { clock: systemClock, logger: silentLogger }
    const connection = (): RedisConnection => {
      const made = new RedisConnection(server.url, deps)
      connections.push(made)
      return made
    }
    afterEach(async () => {
      for (const each of connections.splice(0)) await each.close()
    })

    test('a document stands under its key for its time to live and is announced on a channel of that name', async () => {
      const foreign = connection()
      await foreign.call('FLUSHALL')
      const heard: string[] = []
      await foreign.listener.subscribe('celery-task-meta-a', (text) => heard.push(text))

      await new RedisBackend(connection(), deps).store([success('a')], { ttlMs: 86_400_000 })

      await waitFor(() => heard.length === 1)
      const text = await foreign.call('GET', 'celery-task-meta-a')
      expect(heard).toEqual([text])
      expect(JSON.parse(String(text))).toMatchObject({ status: 'SUCCESS', task_id: 'a', result: 4, traceback: null })
      expect(await foreign.call('TTL', 'celery-task-meta-a')).toBeGreaterThan(86_300)
    })

    test('a key prefix gets its underscore', async () => {
      const foreign = connection()

      await new RedisBackend(connection(), { ...deps, globalKeyprefix: 'shop' }).store([success('a')], { ttlMs: 0 })

      expect(await foreign.call('EXISTS', 'shop_celery-task-meta-a')).toBe(1)
    })

    test('who waits hears a result whose announcement was lost with the connection', async () => {
      const foreign = connection()
      await foreign.call('FLUSHALL')
      const own = connection()
      const backend = new RedisBackend(own, deps)
      const seen: unknown[] = []
      const watching = (async () => {
        for await (const meta of backend.watch(['a'], new AbortController().signal)) seen.push(meta.state)
      })()
      await waitFor(async () => String(await foreign.call('PUBSUB', 'CHANNELS')).includes('celery-task-meta-a'))

      await foreign.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await foreign.call('SET', 'celery-task-meta-a', '{"status": "SUCCESS", "result": 1, "task_id": "a"}')

      await watching
      expect(seen).toEqual(['SUCCESS'])
      await backend.close()
    })

    test('a part that ran twice and gave two results is one part', async () => {
      const backend = new RedisBackend(connection(), deps)
      const chord = { groupId: 'twice' }
      await backend.openChord(chord, 2, { ttlMs: 60_000 })

      await backend.joinChord(chord, { index: 0, meta: success('part', 'first') }, { ttlMs: 60_000 })
      const answer = await backend.joinChord(chord, { index: 0, meta: success('part', 'second') }, { ttlMs: 60_000 })

      expect(answer).toBe('waiting')
      expect((await backend.chordParts(chord)).map((part) => part.result)).toEqual(['second'])
    })

    test('a part that Python has counted counts, and a chord that Python has closed is not open', async () => {
      const foreign = connection()
      const backend = new RedisBackend(connection(), deps)
      const chord = { groupId: 'mixed' }
      const parts = 'celery-taskset-meta-mixed.j'
      await backend.openChord(chord, 2, { ttlMs: 60_000 })
      await foreign.call('ZADD', parts, 0, '[1, "python", "SUCCESS", 3]')

      expect(await backend.joinChord(chord, { index: 1, meta: success('ours') }, { ttlMs: 60_000 })).toBe('complete')

      expect((await backend.chordParts(chord)).map((part) => part.id)).toEqual(['python', 'ours'])
      await foreign.call('DEL', parts, 'celery-taskset-meta-mixed.s', 'celery-taskset-meta-mixed.t')
      expect(await backend.openChords(0)).not.toContainEqual(chord)
    })
  })

  describeResultBackend('redis', async () => {
    const deps = { clock: systemClock, logger: silentLogger }
    const connections: RedisConnection[] = []
    const connection = (): RedisConnection => {
      const made = new RedisConnection(server.url, deps)
      connections.push(made)
      return made
    }
    await connection().call('FLUSHALL')
    return {
      open: async () => new RedisBackend(connection(), deps),
      waitFor,
      transport: async () => new RedisTransport(connection(), deps),
      cleanup: async () => {
        for (const each of connections) await each.close()
      },
    }
  })
})
