import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../runtime/src/core/errors.ts'
import type { SignatureData, SignatureOptions } from '../../runtime/src/core/signature.ts'
import { dictToSignature, signatureToDict } from '../../runtime/src/wire/canvas-dict.ts'

function task(name: string, options: SignatureOptions = {}, args: readonly unknown[] = []): SignatureData {
  return { kind: 'task', task: name, args, kwargs: {}, options, immutable: false }
}

describe('a signature as a dict', () => {
  test('is what Celery makes of it', () => {
    expect(signatureToDict(task('tasks.add', { taskId: 'id-1' }, [1, 2]))).toEqual({
      task: 'tasks.add',
      args: [1, 2],
      kwargs: {},
      options: { task_id: 'id-1' },
      subtask_type: null,
      immutable: false,
    })
  })

  test('a chain and a group carry their members in kwargs.tasks', () => {
    const members = [task('a'), task('b')]
    const chain: SignatureData = { ...task('celery.chain'), kind: 'chain', parts: members }

    const dict = signatureToDict(chain)

    expect(dict).toMatchObject({
      task: 'celery.chain',
      subtask_type: 'chain',
      kwargs: { tasks: [{ task: 'a' }, { task: 'b' }] },
    })
    expect(dictToSignature(dict)).toEqual(chain)
  })

  test('a chord has its header as a list, or as the group it came as', () => {
    const chord: SignatureData = {
      ...task('celery.chord'),
      kind: 'chord',
      parts: [task('a'), task('b')],
      body: task('sum'),
      kwargs: { k: 1 },
    }
    const ofGroup: SignatureData = { ...chord, headerOptions: { taskId: 'group-1' } }

    expect(signatureToDict(chord)).toMatchObject({
      subtask_type: 'chord',
      kwargs: { kwargs: { k: 1 }, header: [{ task: 'a' }, { task: 'b' }], body: { task: 'sum' } },
    })
    expect(signatureToDict(ofGroup)).toMatchObject({
      kwargs: { header: { task: 'celery.group', subtask_type: 'group', options: { task_id: 'group-1' } } },
    })
    expect(dictToSignature(signatureToDict(chord))).toEqual(chord)
    expect(dictToSignature(signatureToDict(ofGroup))).toEqual(ofGroup)
  })

  test('keeps every option', () => {
    const options: Required<SignatureOptions> = {
      taskId: 'id',
      replyTo: 'me',
      rootId: 'root',
      parentId: 'parent',
      groupId: 'group',
      groupIndex: 3,
      chord: task('body'),
      chain: [task('next'), task('last')],
      link: [task('l')],
      linkError: [task('e'), task('f')],
      queue: 'q',
      exchange: 'x',
      routingKey: 'k',
      priority: 5,
      countdown: 1.5,
      etaMs: 123.456,
      expires: undefined,
      expiresMs: 1000,
      serializer: 'json',
      compression: 'gzip',
      headers: { h: 1 },
      shadow: 's',
      timeLimit: 10,
      softTimeLimit: 9,
      ignoreResult: true,
      stamps: { a: 1 },
      extra: { producer: null },
    }

    const dict = signatureToDict(task('t', options))

    expect(dict['options']).toMatchObject({
      eta: '1970-01-01T00:00:00.123456+00:00',
      expires: '1970-01-01T00:00:01.000000+00:00',
    })
    expect(dictToSignature(JSON.parse(JSON.stringify(dict)))).toEqual(task('t', options))
  })

  test('the few keys of a foreign client are enough', () => {
    expect(dictToSignature({ task: 't', args: null, kwargs: null, options: null, chord_size: 2 })).toEqual(task('t'))
    expect(dictToSignature({ task: 'celery.group', kwargs: { tasks: [{ task: 'a' }] } })).toMatchObject({
      kind: 'group',
      parts: [{ task: 'a' }],
    })
    expect(dictToSignature({ task: 't', options: { expires: 30, link: { task: 'l' } } }).options).toMatchObject({
      expires: 30,
      link: [{ task: 'l' }],
    })
  })

  test('the task inside a map stays a dict', () => {
    const map = {
      task: 'celery.map',
      args: [],
      kwargs: { task: { task: 'a' }, it: [1, 2] },
      options: {},
      subtask_type: null,
      immutable: true,
    }

    expect(dictToSignature(map)).toMatchObject({ kind: 'task', kwargs: map.kwargs, immutable: true })
    expect(signatureToDict(dictToSignature(map))).toEqual(map)
  })

  test.each<[unknown, string]>([
    [null, 'signature'],
    [{}, 'signature.task'],
    [{ task: 't', args: 'x' }, 'signature.args'],
    [{ task: 't', kwargs: [] }, 'signature.kwargs'],
    [{ task: 't', options: { link: [{ task: 1 }] } }, 'signature.options.link[0].task'],
    [{ task: 't', options: { eta: 'soon' } }, 'signature.options.eta'],
    [
      { task: 't', options: { chord: { task: 't', options: { priority: '1' } } } },
      'signature.options.chord.options.priority',
    ],
    [{ task: 'g', subtask_type: 'group', kwargs: { tasks: [1] } }, 'signature.tasks[0]'],
  ])('%j is refused with the part that is wrong', (value, header) => {
    expect(() => dictToSignature(value)).toThrow(expect.objectContaining({ code: 'TQ_PROTOCOL', header }))
  })

  test('nesting has a limit, at every place where it can occur', () => {
    const nestings: ((inner: unknown) => unknown)[] = [
      (inner) => ({ task: 'celery.chain', subtask_type: 'chain', kwargs: { tasks: [inner] } }),
      (inner) => ({ task: 't', options: { link: [inner] } }),
      (inner) => ({ task: 't', options: { chord: inner } }),
      (inner) => ({ task: 'celery.chord', subtask_type: 'chord', kwargs: { header: [], body: inner } }),
      (inner) => ({ task: 'celery.chord', subtask_type: 'chord', kwargs: { header: inner } }),
    ]
    for (const nest of nestings) {
      const nested = (levels: number): unknown => {
        let dict: unknown = { task: 't' }
        for (let level = 0; level < levels; level++) dict = nest(dict)
        return dict
      }

      expect(() => dictToSignature(nested(100))).not.toThrow()
      expect(() => dictToSignature(nested(20_000))).toThrow(ProtocolError)
    }
  })

  test('throws nothing but ProtocolError, whatever the JSON', () => {
    const { dict } = fc.letrec<{ dict: unknown; field: unknown }>((tie) => ({
      field: fc.oneof(
        { maxDepth: 3 },
        fc.jsonValue({ maxDepth: 1 }),
        tie('dict'),
        fc.array(tie('dict'), { maxLength: 2 }),
      ),
      dict: fc.record(
        {
          task: fc.oneof(fc.constantFrom('t', 'celery.chord', 'celery.group'), fc.jsonValue({ maxDepth: 1 })),
          subtask_type: fc.constantFrom(null, 'chain', 'group', 'chord', 'x', 1),
          args: tie('field'),
          kwargs: fc.oneof(
            tie('field'),
            fc.record(
              { tasks: tie('field'), header: tie('field'), body: tie('field'), kwargs: tie('field') },
              { requiredKeys: [] },
            ),
          ),
          options: fc.oneof(
            tie('field'),
            fc.record(
              { link: tie('field'), chord: tie('field'), eta: tie('field'), priority: tie('field') },
              { requiredKeys: [] },
            ),
          ),
          immutable: fc.constantFrom(true, null, 1),
        },
        { requiredKeys: [] },
      ),
    }))
    fc.assert(
      fc.property(fc.oneof(dict, fc.jsonValue()), (value) => {
        try {
          const signature = dictToSignature(value)
          expect(dictToSignature(signatureToDict(signature))).toEqual(signature)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
