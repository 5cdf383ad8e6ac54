import { describe, expect, test } from 'vitest'
import { failure, numbered, success } from '../../helpers/messages.ts'
import { ttl, type ResultBackendSuite } from './suite.ts'

/** The part of the suite about watching. */
export function describeWatching(suite: ResultBackendSuite): void {
  const { connected, told, watch } = suite

  describe('watching', () => {
    test('the current state comes first, then each change, and a ready state ends it', async () => {
      const [writer, reader] = [await connected(), await connected()]
      await writer.store([{ id: 'a', state: 'STARTED' }], ttl)

      const watched = watch(reader, ['a'])
      await suite.fixture.waitFor(() => watched.seen.length === 1)
      await writer.store([{ id: 'a', state: 'PROGRESS', result: 1 }], ttl)
      await suite.fixture.waitFor(() => watched.seen.length === 2)
      await writer.store([success('a')], ttl)

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.map((meta) => meta.state)).toEqual(['STARTED', 'PROGRESS', 'SUCCESS'])
      expect(watched.seen[2]).toMatchObject(told(success('a')))
    })

    test('a watch that starts before anything is stored sees it', async () => {
      const [writer, reader] = [await connected(), await connected()]
      const watched = watch(reader, ['a'])

      await writer.store([failure('a')], ttl)

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen).toEqual([expect.objectContaining(told(failure('a')))])
    })

    test('a result that was ready before is seen once', async () => {
      const backend = await connected()
      await backend.store([success('a')], ttl)

      const watched = watch(backend, ['a'])

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
    })

    test('a client hears what it stores itself', async () => {
      const backend = await connected()
      const watched = watch(backend, ['a'])

      await backend.store([success('a')], ttl)

      await suite.fixture.waitFor(() => watched.ended)
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
      await suite.fixture.waitFor(() => watched.seen.length >= 199)
      expect(watched.ended).toBe(false)
      await writer.store([failure('m199')], ttl)

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.map((meta) => meta.id).toSorted()).toEqual(ids.toSorted())
    })

    test('an id that is named twice is one', async () => {
      const backend = await connected()
      const watched = watch(backend, ['a', 'a'])

      await backend.store([success('a')], ttl)

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.length).toBe(1)
    })

    test('two watches of one id do not disturb each other', async () => {
      const [writer, reader] = [await connected(), await connected()]
      const gone = watch(reader, ['a'])
      const kept = watch(reader, ['a'])
      gone.abort()
      await suite.fixture.waitFor(() => gone.ended)

      await writer.store([success('a')], ttl)

      await suite.fixture.waitFor(() => kept.ended)
      expect(kept.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
      expect(gone.seen).toEqual([])
    })

    test('a change that precedence refuses is not seen', async () => {
      const [writer, reader] = [await connected(), await connected()]
      await writer.store([failure('a')], ttl)
      const watched = watch(reader, ['a', 'b'])
      await suite.fixture.waitFor(() => watched.seen.length === 1)

      await writer.store([{ id: 'a', state: 'STARTED' }], ttl)
      await writer.store([success('b')], ttl)

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.map((meta) => `${meta.id} ${meta.state}`)).toEqual(['a FAILURE', 'b SUCCESS'])
    })

    test('watching nothing ends at once', async () => {
      const watched = watch(await connected(), [])

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen).toEqual([])
    })

    test('aborting ends it without an error', async () => {
      const watched = watch(await connected(), ['a'])

      watched.abort()

      await suite.fixture.waitFor(() => watched.ended)
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
      await suite.fixture.waitFor(() => watched.seen.length === 1)

      await backend.close()

      await suite.fixture.waitFor(() => watched.ended)
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

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.at(-1)?.state).toBe('SUCCESS')
    })

    test('what was prepared for is seen', async () => {
      const [writer, reader] = [await connected(), await connected()]
      await reader.prepare(['a'], 'reply-queue')
      await writer.store([success('a')], { ...ttl, replyTo: 'reply-queue' })

      const watched = watch(reader, ['a'])

      await suite.fixture.waitFor(() => watched.ended)
      expect(watched.seen.map((meta) => meta.state)).toEqual(['SUCCESS'])
    })
  })
}
