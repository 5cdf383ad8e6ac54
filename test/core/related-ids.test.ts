import { expect, test } from 'vitest'
import { relatedIds, relationOf, taskId, timeOfId } from '../../runtime/src/core/id.ts'

test('ids of one canvas are UUIDs of version 7 in the order of asking, and related', () => {
  const newId = relatedIds(1_700_000_000_000)

  const ids = Array.from({ length: 300 }, newId)

  expect(new Set(ids).size).toBe(300)
  expect(ids.toSorted()).toEqual(ids)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids.map(relationOf)).size).toBe(1)
  expect(timeOfId(ids[299] ?? '')).toBe(1_700_000_000_000)
})

test('ids of two canvases are not related, however many one of them needs', () => {
  const [one, other] = [relatedIds(1), relatedIds(1)]

  expect(relationOf(one())).not.toBe(relationOf(other()))
  let last = one()
  for (let i = 0; i < 16 ** 5; i++) last = one()
  expect(relationOf(last)).not.toBe(relationOf(relatedIds(1)()))
  expect(last).toHaveLength(36)
})

test('an id that is no UUID of version 7 tells no time', () => {
  expect(timeOfId('an-id-of-mine')).toBeUndefined()
  expect(timeOfId(taskId(5))).toBe(5)
})
