import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ChordPart, ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import { ConnectionError } from '../../runtime/src/core/errors.ts'
import type { ChordRef, GroupMeta, TaskMeta } from '../../runtime/src/core/states.ts'
import type { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import type { Delivery, Transport } from '../../runtime/src/transports/transport.ts'
import type { Condition } from '../helpers/clock.ts'
import { failure, numbered, success, toQueue } from '../helpers/messages.ts'

/** One empty store of results, made anew for each test. */
export interface ResultBackendFixture {
  /** A further client of the same store, over a connection of its own, not connected yet. The suite closes it. */
  open(): Promise<ResultBackend>
  /** The store's clock where it is a virtual one; absent where time is real. */
  readonly clock?: VirtualClock | undefined
  /** `waitFor` or `waitForOn(clock)` of helpers/clock.ts. */
  waitFor(condition: Condition): Promise<void>
  /** Called after the clients are closed. */
  cleanup(): Promise<void>
  /** A transport that carries out this backend's plans, not connected yet; absent where there is none. */
  readonly transport?: (() => Promise<Transport>) | undefined
}

/** What every result backend does; `plans: false` where no transport of the same driver carries its writes out. */
export function describeResultBackend(
  name: string,
  factory: () => Promise<ResultBackendFixture>,
  { plans = true }: { readonly plans?: boolean } = {},
): void {
  const withPlans = (title: string, run: () => Promise<void>): void => {
    if (plans) test(title, run)
  }

  describe(`${name} result backend`, () => {
    let fixture: ResultBackendFixture
    let opened: { close(): Promise<void> }[] = []
    let aborts: AbortController[] = []

    beforeEach(async () => {
      fixture = await factory()
    })

    afterEach(async () => {
      try {
        for (const abort of aborts) abort.abort()
        for (const client of opened) await client.close()
      } finally {
        aborts = []
        opened = []
        await fixture.cleanup()
      }
    })

    async function connected(): Promise<ResultBackend> {
      const backend = await fixture.open()
      opened.push(backend)
      await backend.connect()
      return backend
    }

    const state = async (backend: ResultBackend, id: string): Promise<string | undefined> =>
      (await backend.fetch([id]))[0]?.state

    /** Starts to watch; `seen` grows while the test goes on. */
    function watch(backend: ResultBackend, ids: readonly string[]): Watched {
      const abort = new AbortController()
      aborts.push(abort)
      const watched: Watched = { seen: [], ended: false, abort: () => abort.abort(), failure: undefined }
      const run = async (): Promise<void> => {
        for await (const meta of backend.watch(ids, abort.signal)) watched.seen.push(meta)
      }
      run()
        .catch((error: unknown) => {
          watched.failure = error
        })
        .finally(() => {
          watched.ended = true
        })
      return watched
    }

    describe('storing and fetching', () => {
      test('a stored result is seen by every client', async () => {
        const [writer, reader] = [await connected(), await connected()]

        await writer.store([success('a', { sum: 4 })], ttl)

        expect(await reader.fetch(['a'])).toEqual([expect.objectContaining(success('a', { sum: 4 }))])
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

        expect((await backend.fetch(['a']))[0]).toMatchObject(stored)
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

        expect((await backend.fetch(['a']))[0]).toMatchObject(stored)
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

      test('a result is gone after its time to live, one with 0 stays', async () => {
        const backend = await connected()
        await backend.store([success('short')], { ttlMs: 40 })
        await backend.store([success('kept')], { ttlMs: 0 })

        await fixture.waitFor(async () => (await state(backend, 'short')) === undefined)

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

        await fixture.waitFor(async () => (await state(backend, 'short')) === undefined)
        expect(await state(backend, 'kept')).toBe('SUCCESS')
      })
    })

    /** Carries plans out as a worker does: with the acknowledgement of a message. */
    async function planRunner(backend: ResultBackend): Promise<(meta: TaskMeta, ttlMs?: number) => Promise<void>> {
      if (!fixture.transport) throw new Error('The fixture has no transport: say `plans: false`.')
      const transport = await fixture.transport()
      opened.push(transport)
      await transport.connect()
      await transport.declare({ queues: [directQueue('q')] })
      const arrived: Delivery[] = []
      await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => arrived.push(...deliveries))
      return async (meta, ttlMs = ttl.ttlMs) => {
        await transport.publish([toQueue('q', meta.id)])
        await fixture.waitFor(() => arrived.length > 0)
        const storing = backend.plan(meta, { ttlMs })
        expect(storing?.meta).toEqual(meta)
        expect(await arrived.shift()?.ack({ storing })).toBe('ok')
      }
    }

    describe('watching', () => {
      test('the current state comes first, then each change, and a ready state ends it', async () => {
        const [writer, reader] = [await connected(), await connected()]
        await writer.store([{ id: 'a', state: 'STARTED' }], ttl)

        const watched = watch(reader, ['a'])
        await fixture.waitFor(() => watched.seen.length === 1)
        await writer.store([{ id: 'a', state: 'PROGRESS', result: 1 }], ttl)
        await fixture.waitFor(() => watched.seen.length === 2)
        await writer.store([success('a')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.map((meta) => meta.state)).toEqual(['STARTED', 'PROGRESS', 'SUCCESS'])
        expect(watched.seen[2]).toMatchObject(success('a'))
      })

      test('a watch that starts before anything is stored sees it', async () => {
        const [writer, reader] = [await connected(), await connected()]
        const watched = watch(reader, ['a'])

        await writer.store([failure('a')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen).toEqual([expect.objectContaining(failure('a'))])
      })

      test('a result that was ready before is seen once', async () => {
        const backend = await connected()
        await backend.store([success('a')], ttl)

        const watched = watch(backend, ['a'])

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
      })

      test('a client hears what it stores itself', async () => {
        const backend = await connected()
        const watched = watch(backend, ['a'])

        await backend.store([success('a')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
      })

      test('many ids are watched until the last is ready', async () => {
        const ids = numbered(200)
        const [writer, reader] = [await connected(), await connected()]
        await writer.store(
          ids.slice(0, 50).map((id) => success(id, id)),
          ttl,
        )
        const watched = watch(reader, ids)

        await writer.store(
          ids.slice(50, 199).map((id) => success(id, id)),
          ttl,
        )
        await fixture.waitFor(() => watched.seen.length >= 199)
        expect(watched.ended).toBe(false)
        await writer.store([failure('m199')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.map((meta) => meta.id).toSorted()).toEqual(ids.toSorted())
      })

      test('an id that is named twice is one', async () => {
        const backend = await connected()
        const watched = watch(backend, ['a', 'a'])

        await backend.store([success('a')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.length).toBe(1)
      })

      test('two watches of one id do not disturb each other', async () => {
        const [writer, reader] = [await connected(), await connected()]
        const gone = watch(reader, ['a'])
        const kept = watch(reader, ['a'])
        gone.abort()
        await fixture.waitFor(() => gone.ended)

        await writer.store([success('a')], ttl)

        await fixture.waitFor(() => kept.ended)
        expect(kept.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
        expect(gone.seen).toEqual([])
      })

      test('a change that precedence refuses is not seen', async () => {
        const [writer, reader] = [await connected(), await connected()]
        await writer.store([failure('a')], ttl)
        const watched = watch(reader, ['a', 'b'])
        await fixture.waitFor(() => watched.seen.length === 1)

        await writer.store([{ id: 'a', state: 'STARTED' }], ttl)
        await writer.store([success('b')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.map((meta) => `${meta.id} ${meta.state}`)).toEqual(['a FAILURE', 'b SUCCESS'])
      })

      test('watching nothing ends at once', async () => {
        const watched = watch(await connected(), [])

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen).toEqual([])
      })

      test('aborting ends it without an error', async () => {
        const watched = watch(await connected(), ['a'])

        watched.abort()

        await fixture.waitFor(() => watched.ended)
        expect(watched.failure).toBeUndefined()
      })

      test('a signal that was aborted before ends it at once', async () => {
        const backend = await connected()

        for await (const meta of backend.watch(['a'], AbortSignal.abort())) expect.unreachable(meta.id)
      })

      test('a watch does not outlive its client', async () => {
        const backend = await connected()
        await backend.store([{ id: 'a', state: 'STARTED' }], ttl)
        const watched = watch(backend, ['a'])
        await fixture.waitFor(() => watched.seen.length === 1)

        await backend.close()

        await fixture.waitFor(() => watched.ended)
      })

      test('a reader that stops early leaves nothing behind that hinders the next', async () => {
        const backend = await connected()
        await backend.store([{ id: 'a', state: 'STARTED' }], ttl)
        for await (const meta of backend.watch(['a'], new AbortController().signal)) {
          expect(meta.state).toBe('STARTED')
          break
        }

        const watched = watch(backend, ['a'])
        await backend.store([success('a')], ttl)

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.at(-1)?.state).toBe('SUCCESS')
      })

      test('what was prepared for is seen', async () => {
        const [writer, reader] = [await connected(), await connected()]
        await reader.prepare(['a'], 'reply-queue')
        await writer.store([success('a')], { ...ttl, replyTo: 'reply-queue' })

        const watched = watch(reader, ['a'])

        await fixture.waitFor(() => watched.ended)
        expect(watched.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
      })
    })

    describe('groups', () => {
      const group: GroupMeta = {
        id: 'g',
        results: [{ id: 'a' }, { id: 'b', parent: { id: 'p' } }, { id: 'inner', results: [{ id: 'c' }] }],
        parent: { id: 'p', parent: { id: 'pp' } },
      }

      test('a stored group is fetched by every client', async () => {
        const [writer, reader] = [await connected(), await connected()]

        await writer.storeGroup(group, ttl)

        expect(await reader.fetchGroup('g')).toMatchObject(group)
      })

      test('an unknown group is undefined', async () => {
        expect(await (await connected()).fetchGroup('nobody')).toBeUndefined()
      })

      test('a dropped group is unknown, and dropping twice is harmless', async () => {
        const backend = await connected()
        await backend.storeGroup(group, ttl)

        await backend.dropGroup('g')
        await backend.dropGroup('g')

        expect(await backend.fetchGroup('g')).toBeUndefined()
      })

      test('a group is gone after its time to live', async () => {
        const backend = await connected()
        await backend.storeGroup(group, { ttlMs: 40 })

        await fixture.waitFor(async () => (await backend.fetchGroup('g')) === undefined)
      })
    })

    describe('chords', () => {
      const chord: ChordRef = { groupId: 'g' }
      const part = (index: number, result: unknown = index): ChordPart => ({
        index,
        meta: { ...success(`part${index}`, result), groupId: 'g' },
      })

      async function joined(backend: ResultBackend, indices: readonly number[]): Promise<string[]> {
        const answers: string[] = []
        for (const index of indices) answers.push(await backend.joinChord(chord, part(index), ttl))
        return answers
      }

      test('a chord is complete with its last part, not before', async () => {
        const backend = await connected()

        await backend.openChord(chord, 3, ttl)

        expect(await joined(backend, [0, 1, 2])).toEqual(['waiting', 'waiting', 'complete'])
      })

      test('parts that join before the chord is opened count', async () => {
        const [backend, other] = [await connected(), await connected()]
        expect(await joined(other, [0, 1])).toEqual(['waiting', 'waiting'])

        await backend.openChord(chord, 3, ttl)

        expect(await joined(other, [2])).toEqual(['complete'])
      })

      test('a part counts once, however often it joins', async () => {
        const backend = await connected()
        await backend.openChord(chord, 2, ttl)

        expect(await joined(backend, [0, 0, 0])).toEqual(['waiting', 'waiting', 'waiting'])
        expect(await joined(backend, [1])).toEqual(['complete'])
      })

      test('parts that join at once complete it', async () => {
        const [backend, other] = [await connected(), await connected()]
        await backend.openChord(chord, 40, ttl)

        const answers = await Promise.all(
          Array.from({ length: 40 }, (_, index) =>
            (index % 2 === 0 ? backend : other).joinChord(chord, part(index), ttl),
          ),
        )

        expect(answers).toContain('complete')
        expect((await backend.chordParts(chord)).length).toBe(40)
      })

      test('parts come in the order of their index', async () => {
        const backend = await connected()
        await backend.openChord(chord, 12, ttl)
        await joined(backend, [10, 2, 0, 11, 9, 1, 3, 8, 7, 4, 6, 5])

        const parts = await backend.chordParts(chord)

        expect(parts.map((meta) => meta.result)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
      })

      test('a part keeps its state, its result and its error', async () => {
        const backend = await connected()
        await backend.openChord(chord, 2, ttl)
        await backend.joinChord(chord, part(0, { größe: ['x', null] }), ttl)
        await backend.joinChord(chord, { index: 1, meta: failure('part1') }, ttl)

        const parts = await backend.chordParts(chord)

        expect(parts[0]).toMatchObject({ id: 'part0', state: 'SUCCESS', result: { größe: ['x', null] } })
        expect(parts[1]).toMatchObject({ id: 'part1', state: 'FAILURE', error: failure('part1').error })
      })

      test('a chord that grew waits for the added parts', async () => {
        const backend = await connected()
        await backend.openChord(chord, 2, ttl)
        await joined(backend, [0])

        await backend.growChord(chord, 1)

        expect(await joined(backend, [1, 2])).toEqual(['waiting', 'complete'])
      })

      test('chords do not mix', async () => {
        const backend = await connected()
        await backend.openChord(chord, 2, ttl)
        await backend.openChord({ groupId: 'other' }, 1, ttl)

        expect(await joined(backend, [0])).toEqual(['waiting'])
        expect(await backend.joinChord({ groupId: 'other' }, part(0), ttl)).toBe('complete')
      })

      test('a complete chord is open until it is closed', async () => {
        const [backend, other] = [await connected(), await connected()]
        await backend.openChord(chord, 2, ttl)
        await backend.openChord({ groupId: 'incomplete' }, 2, ttl)
        await joined(backend, [0, 1])

        await fixture.waitFor(async () => (await other.openChords(0)).length > 0)
        expect((await other.openChords(0)).map((open) => open.groupId)).toEqual(['g'])
        expect(await other.openChords(hourMs)).toEqual([])

        await backend.closeChord(chord)
        expect(await other.openChords(0)).toEqual([])
      })

      test('parts that join late do not complete a closed chord again', async () => {
        const backend = await connected()
        await backend.openChord(chord, 2, ttl)
        await joined(backend, [0, 1])

        await backend.closeChord(chord)
        await backend.closeChord(chord)

        expect(await joined(backend, [1])).toEqual(['waiting'])
        expect(await backend.openChords(0)).toEqual([])
      })

      test('an unknown chord has no parts', async () => {
        expect(await (await connected()).chordParts({ groupId: 'nobody' })).toEqual([])
      })
    })
  })
}

interface Watched {
  readonly seen: TaskMeta[]
  ended: boolean
  failure: unknown
  abort(): void
}

const hourMs = 3_600_000
const ttl = { ttlMs: hourMs }

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
  ['SUCCESS', 'STARTED', 'SUCCESS'],
  ['SUCCESS', 'FAILURE', 'SUCCESS'],
  ['SUCCESS', 'REVOKED', 'SUCCESS'],
]

function inState(id: string, state: string): TaskMeta {
  if (state === 'SUCCESS') return success(id)
  if (state === 'FAILURE') return failure(id)
  return state === 'REVOKED' ? { ...failure(id, 'terminated'), state } : { id, state }
}
