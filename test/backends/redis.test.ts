import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { RedisBackend } from '../../runtime/src/backends/redis.ts'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
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

    test('a chord whose last part Python has counted is complete, and left to Python for a while', async () => {
      const foreign = connection()
      const clock = new VirtualClock()
      const backend = new RedisBackend(connection(), { ...deps, clock })
      const chord = { groupId: 'left-by-python' }
      const claim = { completeMs: 1000, waitingMs: 9000, limit: 99 }
      const isLeft = async (): Promise<boolean | undefined> =>
        (await backend.claimChords(claim)).find(({ groupId }) => groupId === chord.groupId)?.complete
      await backend.openChord(chord, 2, { ttlMs: 60_000 })
      const parts = ['0', '[1, "a", "SUCCESS", 3]', '1', '[1, "b", "SUCCESS", 4]']
      await foreign.call('ZADD', 'celery-taskset-meta-left-by-python.j', ...parts)

      await clock.advance(9000)
      expect(await isLeft()).toBeUndefined()

      await clock.advance(999)
      expect(await isLeft()).toBeUndefined()
      await clock.advance(1)
      expect(await isLeft()).toBe(true)
    })

    test('of two that look at once only one is told of a chord, until it was quiet again', async () => {
      const clock = new VirtualClock()
      const one = new RedisBackend(connection(), { ...deps, clock })
      const other = new RedisBackend(connection(), { ...deps, clock })
      const claim = { completeMs: 1000, waitingMs: 9000, limit: 99 }
      await one.openChord({ groupId: 'contested' }, 1, { ttlMs: 60_000 })
      await one.joinChord({ groupId: 'contested' }, { index: 0, meta: success('part') }, { ttlMs: 60_000 })
      const told = async (): Promise<number> =>
        (await Promise.all([one.claimChords(claim), other.claimChords(claim)]))
          .flat()
          .filter(({ groupId }) => groupId === 'contested').length

      await clock.advance(1000)
      expect(await told()).toBe(1)
      expect(await told()).toBe(0)

      await clock.advance(1000)
      expect(await told()).toBe(1)
    })

    test('chords that nobody asks for any more are not kept for ever', async () => {
      const foreign = connection()
      const clock = new VirtualClock()
      const backend = new RedisBackend(connection(), { ...deps, clock })
      await backend.openChord({ groupId: 'forgotten' }, 1, { ttlMs: 60_000 })

      await clock.advance(60_001)
      await backend.openChord({ groupId: 'newer' }, 1, { ttlMs: 60_000 })

      const kept = await foreign.call('ZRANGE', 'tq.chords', 0, -1)
      expect(kept).toContain('newer')
      expect(kept).not.toContain('forgotten')
      expect(Number(await foreign.call('PTTL', 'tq.chords'))).toBeGreaterThan(0)
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
      const left = await backend.claimChords({ completeMs: 0, waitingMs: 0, limit: 9 })
      expect(left.map(({ groupId }) => groupId)).not.toContain('mixed')
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
