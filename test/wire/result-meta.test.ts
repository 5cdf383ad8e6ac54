import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError } from '../../runtime/src/core/errors.ts'
import type { TaskMeta } from '../../runtime/src/core/states.ts'
import { decodeJson, encodeJson } from '../../runtime/src/serializers/json.ts'
import {
  chordPart,
  chordPartOf,
  dictToGroup,
  dictToMeta,
  groupToDict,
  metaToDict,
  refToTuple,
  tupleToRef,
} from '../../runtime/src/wire/result-meta.ts'
import { failure, success } from '../helpers/messages.ts'

describe('a result document', () => {
  test('of a success is what Celery stores', () => {
    expect(metaToDict({ ...success('id-1', 3), children: [] })).toEqual({
      status: 'SUCCESS',
      result: 3,
      traceback: null,
      children: [],
      date_done: '2026-01-01T00:00:00.000000+00:00',
      task_id: 'id-1',
    })
  })

  test('of a failure has the error in place of the result', () => {
    expect(metaToDict(failure('id-1'))).toMatchObject({
      status: 'FAILURE',
      result: { exc_type: 'ValueError', exc_message: ['boom'], exc_module: 'builtins' },
      children: null,
    })
  })

  test('comes back as it was, with every field', () => {
    const meta: TaskMeta = {
      ...success('id-1', { deep: [1] }),
      children: [{ id: 'c', parent: { id: 'id-1' } }],
      parentId: 'p',
      groupId: 'g',
      name: 'tasks.add',
      args: [1],
      kwargs: { k: 2 },
      worker: 'w@host',
      retries: 1,
      queue: 'celery',
      stamps: { tenant: 'a' },
      extra: { odd: 1 },
    }

    expect(dictToMeta(decodeJson(encodeJson(metaToDict(meta))))).toEqual(meta)
    expect(dictToMeta(metaToDict(failure('id-2')))).toEqual(failure('id-2'))
  })

  test('without an offset in its time is in UTC', () => {
    expect(dictToMeta({ status: 'SUCCESS', task_id: 'i', date_done: '2026-01-01T00:00:00.5' }).doneAtMs).toBe(
      Date.UTC(2026, 0, 1) + 500,
    )
  })

  test.each<[unknown, unknown]>([
    [
      { exc_type: 'E', exc_message: 'text', exc_module: null },
      { type: 'E', message: ['text'], module: 'builtins' },
    ],
    [
      { exc_type: 'a.b.E', exc_message: [42, 'x'], exc_module: 'm' },
      { type: 'a.b.E', message: [42, 'x'], module: 'm' },
    ],
    [{ exc_type: 'E' }, { type: 'E', message: [], module: 'builtins' }],
    ['only text', { type: 'Exception', message: ['only text'], module: 'builtins' }],
    [null, undefined],
  ])('with the error %j is read', (result, error) => {
    expect(dictToMeta({ status: 'FAILURE', task_id: 'i', result }).error).toEqual(error)
  })

  test('of a custom state has its meta as result, whatever it looks like', () => {
    const result = { exc_type: 'E' }

    expect(dictToMeta({ status: 'PROGRESS', task_id: 'i', result })).toMatchObject({ state: 'PROGRESS', result })
  })

  test('keeps arguments that are only a text', () => {
    const dict = {
      status: 'SUCCESS',
      task_id: 'i',
      result: 1,
      args: '(1,)',
      kwargs: '{}',
      traceback: null,
      children: null,
      date_done: null,
    }

    expect(dictToMeta(dict)).toMatchObject({ args: undefined, extra: { args: '(1,)', kwargs: '{}' } })
    expect(metaToDict(dictToMeta(dict))).toEqual(dict)
  })

  test.each([
    null,
    [],
    {},
    { status: 'SUCCESS' },
    { status: 1, task_id: 'i' },
    { status: 'SUCCESS', task_id: 'i', traceback: 5 },
    { status: 'SUCCESS', task_id: 'i', children: {} },
    { status: 'SUCCESS', task_id: 'i', children: [[]] },
    { status: 'SUCCESS', task_id: 'i', date_done: 'yesterday' },
    { status: 'FAILURE', task_id: 'i', result: { exc_type: 5 } },
  ])('%j is none', (dict) => {
    expect(() => dictToMeta(dict)).toThrow(DecodeError)
  })

  test('throws nothing but DecodeError, whatever the JSON', () => {
    const field = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('SUCCESS', 'FAILURE', 'i', null))
    const dict = fc.dictionary(
      fc.constantFrom('status', 'task_id', 'result', 'children', 'date_done', 'traceback', 'args', 'x', '__proto__'),
      field,
    )
    fc.assert(
      fc.property(fc.oneof(dict, fc.jsonValue()), (value) => {
        for (const read of [dictToMeta, dictToGroup, tupleToRef]) {
          try {
            read(value)
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError)
          }
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a reference', () => {
  test('is the lists that Celery stores', () => {
    expect(refToTuple({ id: 't' })).toEqual([['t', null], null])
    expect(refToTuple({ id: 'b', parent: { id: 'g', results: [{ id: '0' }, { id: '1' }] } })).toEqual([
      [
        'b',
        [
          ['g', null],
          [
            [['0', null], null],
            [['1', null], null],
          ],
        ],
      ],
      null,
    ])
  })

  test('comes back as it was', () => {
    const ref = { id: 'b', parent: { id: 'g', results: [{ id: '0' }], parent: { id: 'p' } } }

    expect(tupleToRef(refToTuple(ref))).toEqual(ref)
    expect(tupleToRef(['bare', null])).toEqual({ id: 'bare' })
  })

  test('nested without end is refused', () => {
    let tuple: unknown = [['t', null], null]
    for (let level = 0; level < 50_000; level++) tuple = [['t', tuple], null]

    expect(() => tupleToRef(tuple)).toThrow(DecodeError)
  })
})

test('a saved group comes back as it was', () => {
  const group = { id: 'g', results: [{ id: '0' }, { id: '1' }] }

  expect(groupToDict(group)).toEqual({
    result: [
      ['g', null],
      [
        [['0', null], null],
        [['1', null], null],
      ],
    ],
  })
  expect(dictToGroup(groupToDict(group))).toEqual(group)
  expect(dictToGroup(groupToDict({ ...group, parent: { id: 'p' } }))).toEqual({ ...group, parent: { id: 'p' } })
})

describe('a part of a chord', () => {
  test('is the text that Celery counts', () => {
    expect(chordPart(success('t', { a: 1 }))).toEqual([1, 't', 'SUCCESS', { a: 1 }])
    expect(chordPartOf(chordPart(success('t', 4)))).toEqual({
      id: 't',
      state: 'SUCCESS',
      result: 4,
    })
  })

  test('of a failed task has its error', () => {
    const { error } = failure('t')

    expect(chordPartOf(chordPart(failure('t')))).toEqual({
      id: 't',
      state: 'FAILURE',
      error,
    })
  })

  test.each(['[]', '{}', '[1, "t"]', '[1, 2, 3, 4]', 'x'])('%s is none', (text) => {
    expect(() => chordPartOf(decodeJson(text))).toThrow(DecodeError)
  })
})
