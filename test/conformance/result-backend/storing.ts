import { describe, expect, test } from 'vitest'
import type { ResultBackend } from '../../../runtime/src/backends/result-backend.ts'
import { ConnectionError } from '../../../runtime/src/core/errors.ts'
import type { TaskMeta } from '../../../runtime/src/core/states.ts'
import { directQueue } from '../../../runtime/src/transports/topology.ts'
import type { Delivery } from '../../../runtime/src/transports/transport.ts'
import { failure, numbered, success, toQueue } from '../../helpers/messages.ts'
import { ttl, type ResultBackendSuite } from './suite.ts'

/** The part of the suite about storing and fetching, precedence, plans. */
export function describeStoring(suite: ResultBackendSuite): void {
  const { connected, state, told, withKeeping, withPlans } = suite

  describe('storing and fetching', () => {
    test('a stored result is seen by every client', async () => {
      const [writer, reader] = [await connected(), await connected()]

      await writer.store([success('a', { sum: 4 })], ttl)

      expect(await reader.fetch(['a'])).toEqual([expect.objectContaining(told(success('a', { sum: 4 })))])
    })

    test('results come in the order of the ids, undefined for those that are unknown', async () => {
      const backend = await connected()
      await backend.store([success('a', 1), success('b', 2)], ttl)

      const metas = await backend.fetch(['b', 'nobody', 'a', 'b'])

      expect(metas.map((meta) => meta?.result)).toEqual([2, undefined, 1, 2])
      expect(metas[1]).toBeUndefined()
    })

    test('fetching and storing nothing is harmless', async () => {
      const backend = await connected()

      await backend.store([], ttl)

      expect(await backend.fetch([])).toEqual([])
    })

    test.each<[string, unknown]>([
      ['null', null],
      ['false', false],
      ['zero', 0],
      ['an empty text', ''],
      ['unicode', 'größe 中文 🎉 \u0000 \u2028 "quoted" \\ back'],
      ['nested data', { list: [1, 'two', { three: null }], 'größe 🎉': {} }],
      ['a megabyte', 'ä1"\\'.repeat(210_000)],
    ])('%s survives as a result', async (_, result) => {
      const backend = await connected()

      await backend.store([success('a', result)], ttl)

      expect((await backend.fetch(['a']))[0]?.result).toEqual(result)
    })

    test('an error keeps its type, message, module and traceback', async () => {
      const backend = await connected()
      const error = { type: 'KeyError', message: ['größe', 3, { why: null }], module: 'shop.errors' }
      const stored: TaskMeta = { ...failure('a'), error, traceback: 'Traceback …\n  line "two"\n' }

      await backend.store([stored], ttl)

      expect((await backend.fetch(['a']))[0]).toMatchObject(told(stored))
    })

    test('children, parent, group and the extended fields survive', async () => {
      const backend = await connected()
      const stored: TaskMeta = {
        ...success('a', 4),
        children: [{ id: 'child' }, { id: 'group', results: [{ id: 'x' }, { id: 'y' }] }],
        parentId: 'parent',
        groupId: 'g',
        name: 'tasks.add',
        args: [2, 'zwölf'],
        kwargs: { deep: { list: [null] } },
        worker: 'celery@host',
        retries: 2,
        queue: 'mail',
      }

      await backend.store([stored], ttl)

      expect((await backend.fetch(['a']))[0]).toMatchObject(told(stored))
    })

    test('a custom state keeps its meta', async () => {
      const backend = await connected()

      await backend.store([{ id: 'a', state: 'PROGRESS', result: { done: 3, of: 10 } }], ttl)

      expect((await backend.fetch(['a']))[0]).toMatchObject({ state: 'PROGRESS', result: { done: 3, of: 10 } })
    })

    test('many results are stored in one go', async () => {
      const backend = await connected()

      await backend.store(
        numbered(300).map((id) => success(id, id)),
        ttl,
      )

      expect((await backend.fetch(numbered(300))).map((meta) => meta?.result)).toEqual(numbered(300))
    })

    test('a forgotten result is unknown, and forgetting twice is harmless', async () => {
      const backend = await connected()
      await backend.store([success('a'), success('b')], ttl)

      await backend.forget('a')
      await backend.forget('a')

      expect((await backend.fetch(['a', 'b'])).map((meta) => meta?.id)).toEqual([undefined, 'b'])
    })

    withKeeping('a result is gone after its time to live, one with 0 stays', async () => {
      const backend = await connected()
      await backend.store([success('short')], { ttlMs: 40 })
      await backend.store([success('kept')], { ttlMs: 0 })

      await suite.fixture.waitFor(async () => (await state(backend, 'short')) === undefined)

      expect(await state(backend, 'kept')).toBe('SUCCESS')
    })

    test('using it after close rejects with a ConnectionError', async () => {
      const backend = await connected()
      await backend.close()
      await backend.close()

      await expect(backend.fetch(['a'])).rejects.toBeInstanceOf(ConnectionError)
      await expect(backend.store([success('a')], ttl)).rejects.toBeInstanceOf(ConnectionError)
    })
  })

  describe('precedence', () => {
    test.each(precedence)('%s, then %s: %s stands', async (first, second, stands) => {
      const [backend, other] = [await connected(), await connected()]

      await backend.store([inState('a', first)], ttl)
      await other.store([inState('a', second)], ttl)

      expect(await state(backend, 'a')).toBe(stands)
    })

    test.each(precedence)('in one batch %s, then %s: %s stands', async (first, second, stands) => {
      const backend = await connected()

      await backend.store([inState('a', first), inState('a', second)], ttl)

      expect(await state(backend, 'a')).toBe(stands)
    })

    test('the first SUCCESS keeps its value', async () => {
      const backend = await connected()
      await backend.store([success('a', 'first')], ttl)

      await backend.store([success('a', 'second')], ttl)

      expect((await backend.fetch(['a']))[0]?.result).toBe('first')
    })

    test('progress replaces progress', async () => {
      const backend = await connected()
      await backend.store([{ id: 'a', state: 'PROGRESS', result: 1 }], ttl)

      await backend.store([{ id: 'a', state: 'PROGRESS', result: 2 }], ttl)

      expect((await backend.fetch(['a']))[0]?.result).toBe(2)
    })

    test('what is forgotten can start anew', async () => {
      const backend = await connected()
      await backend.store([success('a')], ttl)
      await backend.forget('a')

      await backend.store([{ id: 'a', state: 'STARTED' }], ttl)

      expect(await state(backend, 'a')).toBe('STARTED')
    })

    for (const [first, second, stands] of precedence) {
      withPlans(`through plans ${first}, then ${second}: ${stands} stands`, async () => {
        const backend = await connected()
        const carryOut = await planRunner(backend)

        await carryOut(inState('a', first))
        await carryOut(inState('a', second))

        expect(await state(backend, 'a')).toBe(stands)
      })
    }
  })

  describe('plans', () => {
    withPlans('a plan that is carried out stores what store() does', async () => {
      const backend = await connected()
      const carryOut = await planRunner(backend)
      const { id: _, ...full } = { ...success('', { größe: ['x', null] }), children: [{ id: 'c' }], retries: 1 }

      await backend.store([{ id: 'stored', ...full }], ttl)
      await carryOut({ id: 'planned', ...full })

      const [stored, planned] = await backend.fetch(['stored', 'planned'])
      expect(planned).toEqual({ ...stored, id: 'planned' })
    })

    test('a plan that is not carried out changes nothing', async () => {
      const backend = await connected()

      backend.plan(success('a'), ttl)

      expect(await backend.fetch(['a'])).toEqual([undefined])
    })

    withPlans('a plan keeps its time to live', async () => {
      const backend = await connected()
      const carryOut = await planRunner(backend)

      await carryOut(success('short'), 40)
      await carryOut(success('kept'), 0)

      await suite.fixture.waitFor(async () => (await state(backend, 'short')) === undefined)
      expect(await state(backend, 'kept')).toBe('SUCCESS')
    })
  })

  /** Carries plans out as a worker does: with the acknowledgement of a message. */
  async function planRunner(backend: ResultBackend): Promise<(meta: TaskMeta, ttlMs?: number) => Promise<void>> {
    if (!suite.fixture.transport) throw new Error('The fixture has no transport: say `plans: false`.')
    const transport = await suite.fixture.transport()
    suite.closeLater(transport)
    await transport.connect()
    await transport.declare({ queues: [directQueue('q')] })
    const arrived: Delivery[] = []
    await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
    return async (meta, ttlMs = ttl.ttlMs) => {
      await transport.publish([toQueue('q', meta.id)])
      await suite.fixture.waitFor(() => arrived.length > 0)
      const storing = backend.plan(meta, { ttlMs })
      expect(storing?.meta).toEqual(meta)
      expect(await arrived.shift()?.ack({ storing })).toBe('ok')
    }
  }
}

/** First stored, then stored, what stands. */
const precedence: [string, string, string][] = [
  ['STARTED', 'RETRY', 'RETRY'],
  ['RETRY', 'STARTED', 'STARTED'],
  ['STARTED', 'PROGRESS', 'PROGRESS'],
  ['STARTED', 'FAILURE', 'FAILURE'],
  ['STARTED', 'SUCCESS', 'SUCCESS'],
  ['FAILURE', 'STARTED', 'FAILURE'],
  ['FAILURE', 'RETRY', 'FAILURE'],
  ['FAILURE', 'REVOKED', 'REVOKED'],
  ['FAILURE', 'SUCCESS', 'SUCCESS'],
  ['REVOKED', 'PROGRESS', 'REVOKED'],
  ['REVOKED', 'SUCCESS', 'SUCCESS'],
  ['PROGRESS', 'ABORTED', 'ABORTED'],
  ['ABORTED', 'PROGRESS', 'ABORTED'],
  ['ABORTED', 'FAILURE', 'FAILURE'],
  ['ABORTED', 'SUCCESS', 'SUCCESS'],
  ['SUCCESS', 'ABORTED', 'SUCCESS'],
  ['SUCCESS', 'STARTED', 'SUCCESS'],
  ['SUCCESS', 'FAILURE', 'SUCCESS'],
  ['SUCCESS', 'REVOKED', 'SUCCESS'],
]

function inState(id: string, state: string): TaskMeta {
  if (state === 'SUCCESS') return success(id)
  if (state === 'FAILURE') return failure(id)
  return state === 'REVOKED' ? { ...failure(id, 'terminated'), state } : { id, state }
}
