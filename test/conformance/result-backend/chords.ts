import { describe, expect, test } from 'vitest'
import type { ChordPart, ResultBackend } from '../../../runtime/src/backends/result-backend.ts'
import type { ChordBody } from '../../../runtime/src/core/chord.ts'
import type { ChordRef } from '../../../runtime/src/core/states.ts'
import { failure, success } from '../../helpers/messages.ts'
import { hourMs, ttl, type ResultBackendSuite } from './suite.ts'

/** The part of the suite about chords: counting, what is kept of them, and those that somebody left. */
export function describeChords(suite: ResultBackendSuite): void {
  const { connected, state } = suite

  describe('chords', () => {
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

      await backend.growChord(chord, 1, [])

      expect(await joined(backend, [1, 2])).toEqual(['waiting', 'complete'])
    })

    test('parts that are added again by the same tasks are no more parts', async () => {
      const [backend, other] = [await connected(), await connected()]
      await backend.openChord(chord, 1, ttl)
      const added = [1, 2].map((index) => ({ id: `part${index}`, index: 0 }))

      await backend.growChord(chord, 2, added)
      await other.growChord(chord, 2, added)

      expect((await backend.chordRecord(chord))?.places).toHaveLength(2)
      expect(await joined(backend, [0, 1, 2])).toEqual(['waiting', 'waiting', 'complete'])
    })

    test('chords do not mix', async () => {
      const backend = await connected()
      await backend.openChord(chord, 2, ttl)
      await backend.openChord({ groupId: 'other' }, 1, ttl)

      expect(await joined(backend, [0])).toEqual(['waiting'])
      expect(await backend.joinChord({ groupId: 'other' }, part(0), ttl)).toBe('complete')
    })

    test('after it was complete a part hears that it was so before', async () => {
      const backend = await connected()
      await backend.openChord(chord, 2, ttl)

      expect(await joined(backend, [0, 1, 1, 0])).toEqual(['waiting', 'complete', 'again', 'again'])
    })

    test('parts that join late do not complete a closed chord again', async () => {
      const backend = await connected()
      await backend.openChord(chord, 2, ttl)
      await joined(backend, [0, 1])

      await backend.closeChord(chord)
      await backend.closeChord(chord)

      expect(await joined(backend, [1])).toEqual(['waiting'])
      expect(await backend.claimChords({ completeMs: 0, waitingMs: 0, limit: 9 })).toEqual([])
    })

    test('a part is stored with its counting where that is asked for, and only then', async () => {
      const backend = await connected()
      await backend.openChord(chord, 3, ttl)

      await backend.joinChord(chord, part(0), { ...ttl, storesResult: true })
      await backend.joinChord(chord, part(1), ttl)

      expect([await state(backend, 'part0'), await state(backend, 'part1')]).toEqual(['SUCCESS', undefined])
    })

    test('a result that is stored with the counting is seen by who watches it, and is final', async () => {
      const [backend, reader] = [await connected(), await connected()]
      await backend.openChord(chord, 3, ttl)
      const watched = suite.watch(reader, ['part0'])

      await backend.joinChord(chord, part(0, 'first'), { ...ttl, storesResult: true })
      await suite.fixture.waitFor(() => watched.ended)
      await backend.joinChord(chord, part(0, 'second'), { ...ttl, storesResult: true })

      expect(watched.seen.map((meta) => meta.result)).toEqual(['first'])
      expect((await reader.fetch(['part0']))[0]?.result).toBe('first')
    })

    test('an unknown chord has no parts', async () => {
      expect(await (await connected()).chordParts({ groupId: 'nobody' })).toEqual([])
    })
  })

  describe('what is kept of a chord until its body was sent', () => {
    test('the body and the places that were known when it was opened', async () => {
      const [backend, other] = [await connected(), await connected()]

      await backend.openChord(chord, 2, { ...ttl, body, places: [place(0), place(1)] })

      expect(await other.chordRecord(chord)).toMatchObject({ size: 2, body, places: [place(0), place(1)] })
    })

    test('the body that a part brings along, where it was opened without one', async () => {
      const [backend, other] = [await connected(), await connected()]
      await backend.joinChord(chord, part(0), { ...ttl, body })

      await backend.openChord(chord, 2, ttl)

      expect(await other.chordRecord(chord)).toMatchObject({ size: 2, body, places: [] })
    })

    test('the first body stays', async () => {
      const [backend, other] = [await connected(), await connected()]
      await backend.openChord(chord, 3, { ...ttl, body })

      await backend.joinChord(chord, part(0), { ...ttl, body: { ...body, rootId: 'another' } })
      await other.joinChord(chord, part(1), { ...ttl, body: { ...body, rootId: 'another' } })

      expect((await other.chordRecord(chord))?.body?.rootId).toBe('root')
    })

    test('parts that were added have places too', async () => {
      const [backend, other] = [await connected(), await connected()]
      await backend.openChord(chord, 1, { ...ttl, body, places: [place(0)] })

      await other.growChord(chord, 1, [{ id: 'more', index: 0 }])
      await backend.growChord(chord, 1, [{ id: 'last', index: undefined }])

      const record = await backend.chordRecord(chord)
      expect(record?.size).toBe(3)
      expect(record?.places.map(({ id }) => id).toSorted()).toEqual(['last', 'more', 'part0'])
    })

    test('arguments of the body that JSON alone does not know come back as they were', async () => {
      const [backend, other] = [await connected(), await connected()]
      const args = [new Date(Date.UTC(2026, 1, 3)), new Uint8Array([1, 2, 255]), 'größe', null]
      const signature = { ...body.signature, args }

      await backend.openChord(chord, 1, { ...ttl, body: { ...body, signature } })

      expect((await other.chordRecord(chord))?.body?.signature.args).toEqual(args)
    })

    test('nothing once it is closed, nor of one that nobody opened', async () => {
      const backend = await connected()
      await backend.openChord(chord, 1, { ...ttl, body })
      await backend.joinChord(chord, part(0), ttl)

      await backend.closeChord(chord)

      expect(await backend.chordRecord(chord)).toBeUndefined()
      expect(await backend.chordRecord({ groupId: 'nobody' })).toBeUndefined()
    })
  })

  describe('chords that somebody left', () => {
    const soon = { completeMs: 0, waitingMs: hourMs, limit: 9 }

    test('a complete chord can be claimed until it is closed', async () => {
      const [backend, other] = [await connected(), await connected()]
      await backend.openChord(chord, 1, ttl)
      await backend.openChord({ groupId: 'incomplete' }, 2, ttl)
      await backend.joinChord(chord, part(0), ttl)

      const claimed = await other.claimChords(soon)
      await backend.closeChord(chord)

      expect(claimed).toEqual([{ groupId: 'g', complete: true }])
      expect(await other.claimChords(soon)).toEqual([])
    })

    test('a chord that was completed a moment ago is left to whoever did it', async () => {
      const backend = await connected()
      await backend.openChord(chord, 1, ttl)
      await backend.joinChord(chord, part(0), ttl)

      expect(await backend.claimChords({ ...soon, completeMs: hourMs })).toEqual([])
    })

    test('a chord that waits can be claimed as one that waits', async () => {
      const [backend, other] = [await connected(), await connected()]
      await backend.openChord(chord, 2, ttl)
      await backend.joinChord(chord, part(0), ttl)

      expect(await other.claimChords({ ...soon, waitingMs: 0 })).toEqual([{ groupId: 'g', complete: false }])
    })

    test('no more are claimed than are wanted, complete ones first', async () => {
      const backend = await connected()
      for (const groupId of ['w1', 'w2', 'c1', 'c2']) await backend.openChord({ groupId }, 1, ttl)
      for (const groupId of ['c1', 'c2']) await backend.joinChord({ groupId }, part(0), ttl)

      const claimed = await backend.claimChords({ completeMs: 0, waitingMs: 0, limit: 3 })

      expect(claimed.map(({ complete }) => complete)).toEqual([true, true, false])
    })
  })
}

const chord: ChordRef = { groupId: 'g' }

const part = (index: number, result: unknown = index): ChordPart => ({
  index,
  meta: { ...success(`part${index}`, result), groupId: 'g' },
})

const place = (index: number) => ({ id: `part${index}`, index })

const body: ChordBody = {
  signature: {
    kind: 'task',
    task: 'tests.sum',
    args: ['x'],
    kwargs: { deep: { and: [1, null] } },
    options: { taskId: 'body', queue: 'q' },
    immutable: false,
  },
  rootId: 'root',
}
