import { describe, expect, test } from 'vitest'
import type { ChordPart, ResultBackend } from '../../../runtime/src/backends/result-backend.ts'
import type { ChordRef, GroupMeta } from '../../../runtime/src/core/states.ts'
import { failure, success } from '../../helpers/messages.ts'
import { hourMs, ttl, type ResultBackendSuite } from './suite.ts'

/** The part of the suite about groups, chords. */
export function describeGroups(suite: ResultBackendSuite): void {
  const { connected, state } = suite

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

      await suite.fixture.waitFor(async () => (await backend.fetchGroup('g')) === undefined)
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

      await suite.fixture.waitFor(async () => (await other.openChords(0)).length > 0)
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
}
