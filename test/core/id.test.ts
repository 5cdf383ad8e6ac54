import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { nodeName, randomId, requestOrigin, taskId } from '../../runtime/src/core/id.ts'

const version7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const version4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('a task id is a UUID of version 7 that begins with the time', () => {
  const id = taskId(0x0123456789ab)

  expect(id).toMatch(version7)
  expect(id.slice(0, 13)).toBe('01234567-89ab')
})

test('task ids of later times sort behind those of earlier ones', () => {
  const times = [1, 999, 1_000_000, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1) + 1, Date.UTC(2100, 0, 1)]

  const ids = times.map(taskId)

  expect([...ids].sort()).toEqual(ids)
})

test('a fraction of a millisecond does not change the form', () => {
  expect(taskId(1.75)).toMatch(version7)
})

test('ids of one moment differ, past the end of the entropy page too', () => {
  const many = 2000

  const ids = new Set(Array.from({ length: many }, (_, i) => (i % 2 === 0 ? taskId(1) : randomId())))

  expect(ids.size).toBe(many)
  expect([...ids].filter((id) => !version7.test(id) && !version4.test(id))).toEqual([])
})

test('a random id is a UUID of version 4', () => {
  expect(Array.from({ length: 50 }, randomId).filter((id) => !version4.test(id))).toEqual([])
})

test.each([
  ['celery@%h', 'celery@web-1.eu.example.com'],
  ['w%n', 'wweb-1@web-1.eu.example.com'],
  ['%n@%d', 'web-1@eu.example.com'],
  ['100%%@%h', '100%@web-1.eu.example.com'],
  ['%x@%h', '%x@web-1.eu.example.com'],
  ['plain', 'plain@web-1.eu.example.com'],
])('the node name %s is %s', (pattern, name) => {
  expect(nodeName(pattern, 'web-1.eu.example.com')).toBe(name)
})

test('a host without a domain has all of its name in %n', () => {
  expect(nodeName('%n.%d@%h', 'box')).toBe('box.@box')
})

test('the host is that of the machine unless it is given', () => {
  expect(nodeName('w')).toBe(`w@${hostname()}`)
  expect(requestOrigin(12, 'box')).toBe('gen12@box')
})
