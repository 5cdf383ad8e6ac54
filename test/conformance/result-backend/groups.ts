import { describe, expect, test } from 'vitest'
import type { GroupMeta } from '../../../runtime/src/core/states.ts'
import { type ResultBackendSuite, ttl } from './suite.ts'

/** The part of the suite about saved groups. */
export function describeGroups(suite: ResultBackendSuite): void {
  const { connected } = suite

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
}
