import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EncodeError, ProtocolError } from '../../runtime/src/core/errors.ts'
import type { Message } from '../../runtime/src/core/message.ts'
import type { SignatureData } from '../../runtime/src/core/signature.ts'
import { decodeTask, encodeTask } from '../../runtime/src/wire/task-protocol.ts'

const message: Message = {
  id: 'id-1',
  task: 'tasks.add',
  args: [1, 2],
  kwargs: { k: 3 },
  rootId: 'root',
  parentId: 'parent',
  groupId: 'group',
  groupIndex: 0,
  etaMs: Date.UTC(2026, 0, 2),
  expiresMs: Date.UTC(2026, 0, 3),
  retries: 2,
  limits: { softSeconds: 5, hardSeconds: 10 },
  callbacks: [step('callback')],
  errbacks: [step('errback')],
  chain: [step('second'), step('third')],
  chord: step('body'),
  replyTo: 'me',
  origin: 'gen1@host',
  ignoreResult: true,
  shadow: 'other',
  argsRepr: '(…)',
  kwargsRepr: '{…}',
  replacedTaskNesting: 1,
  stamps: { tenant: 'a' },
  stampedHeaders: ['tenant'],
  extraHeaders: { 'x-mine': { deep: [1] } },
  properties: { priority: 7, deliveryMode: 1, correlationId: 'id-1' },
}

function parsed(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>
}

function step(task: string): SignatureData {
  return { kind: 'task', task, args: [], kwargs: {}, options: {}, immutable: false }
}

describe('encodeTask', () => {
  test('writes the headers of protocol 2', () => {
    expect(encodeTask(message).headers).toEqual({
      lang: 'js',
      task: 'tasks.add',
      id: 'id-1',
      shadow: 'other',
      eta: '2026-01-02T00:00:00.000000+00:00',
      expires: '2026-01-03T00:00:00.000000+00:00',
      group: 'group',
      group_index: 0,
      retries: 2,
      timelimit: [10, 5],
      root_id: 'root',
      parent_id: 'parent',
      argsrepr: '(…)',
      kwargsrepr: '{…}',
      origin: 'gen1@host',
      ignore_result: true,
      replaced_task_nesting: 1,
      stamped_headers: ['tenant'],
      stamps: { tenant: 'a' },
      'x-mine': { deep: [1] },
    })
  })

  test('puts the rest of the chain into the body in reverse', () => {
    expect(encodeTask(message).body).toMatchObject([
      [1, 2],
      { k: 3 },
      { chain: [{ task: 'third' }, { task: 'second' }] },
    ])
    expect(message.chain.map(({ task }) => task)).toEqual(['second', 'third'])
  })

  test('decodeTask reads all of it back', () => {
    expect(decodeTask(encodeTask(message))).toEqual(message)
  })

  test('a message that expires lives no longer on brokers that honour it', () => {
    expect(encodeTask(message).properties.expirationMs).toBeUndefined()
    expect(encodeTask(message, Date.UTC(2026, 0, 2)).properties.expirationMs).toBe(86_400_000)
    expect(encodeTask(message, Date.UTC(2027, 0, 1)).properties.expirationMs).toBe(0)
    expect(encodeTask({ ...message, expiresMs: undefined }, 0).properties.expirationMs).toBeUndefined()
  })

  test('extra headers replace none of its own', () => {
    const { headers } = encodeTask({
      ...message,
      extraHeaders: parsed('{"id": "forged", "__proto__": {"polluted": 1}}'),
    })

    expect(headers['id']).toBe('id-1')
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype)
  })

  test.each([new Map(), new Date(0), 1n, Number.NaN, () => 1, { a: [new Set()] }])(
    'refuses the header value %o',
    (value) => {
      expect(() => encodeTask({ ...message, extraHeaders: { 'x-mine': value } })).toThrow(EncodeError)
    },
  )

  test('refuses a time that is none', () => {
    expect(() => encodeTask({ ...message, etaMs: Number.NaN })).toThrow(EncodeError)
  })
})

describe('decodeTask', () => {
  const raw = (headers: Record<string, unknown>, body: unknown = [[], {}, {}]) => ({ headers, properties: {}, body })

  test('every header but task and id has a default', () => {
    expect(decodeTask(raw({ task: 't', id: 'i' }, [[1], {}, null]))).toEqual({
      id: 'i',
      task: 't',
      args: [1],
      kwargs: {},
      rootId: 'i',
      retries: 0,
      limits: {},
      callbacks: [],
      errbacks: [],
      chain: [],
      replyTo: '',
      origin: '',
      ignoreResult: false,
      replacedTaskNesting: 0,
      stamps: {},
      stampedHeaders: [],
      extraHeaders: {},
      properties: { priority: 0, deliveryMode: 2, correlationId: 'i' },
    })
  })

  test('headers that belong to one delivery are not carried on', () => {
    const { extraHeaders } = decodeTask(
      raw({
        task: 't',
        id: 'i',
        redelivered: true,
        compression: 'x',
        'x-death': [{}],
        'x-tq-parked': 'w',
        'x-mine': 1,
      }),
    )

    expect(extraHeaders).toEqual({ 'x-mine': 1 })
  })

  test('reads protocol 1', () => {
    const body = {
      task: 't',
      id: 'i',
      args: [1],
      kwargs: { a: 2 },
      taskset: 'g',
      retries: 1,
      eta: '2026-01-02T00:00:00',
      expires: null,
      utc: true,
      callbacks: [{ task: 'c' }],
      errbacks: null,
      timelimit: [10, null],
      chord: { task: 'b' },
    }

    expect(decodeTask(raw({ 'x-mine': 1 }, body))).toMatchObject({
      task: 't',
      id: 'i',
      args: [1],
      kwargs: { a: 2 },
      groupId: 'g',
      retries: 1,
      etaMs: Date.UTC(2026, 0, 2),
      limits: { hardSeconds: 10 },
      callbacks: [{ task: 'c' }],
      chord: { task: 'b' },
      extraHeaders: { 'x-mine': 1 },
    })
  })

  test('reads headers of protocol 2 with a dict as body', () => {
    const body = { args: [1], kwargs: {}, retries: 3, task: 'other', chain: [{ task: 'last' }, { task: 'next' }] }

    expect(decodeTask(raw({ task: 't', id: 'i' }, body))).toMatchObject({
      task: 't',
      args: [1],
      retries: 3,
      chain: [{ task: 'next' }, { task: 'last' }],
    })
  })

  test.each<[string, unknown]>([
    ['task', 5],
    ['task', ''],
    ['id', null],
    ['id', {}],
    ['root_id', 5],
    ['parent_id', []],
    ['group', {}],
    ['group_index', '1'],
    ['group_index', -1],
    ['eta', 'soon'],
    ['eta', 17],
    ['expires', '2026-99-01T00:00:00Z'],
    ['retries', 'many'],
    ['retries', 1.5],
    ['timelimit', 5],
    ['timelimit', [1]],
    ['timelimit', { 0: 1, 1: 2 }],
    ['origin', 1],
    ['ignore_result', 'yes'],
    ['shadow', 1],
    ['argsrepr', []],
    ['kwargsrepr', 1],
    ['replaced_task_nesting', 'x'],
    ['stamps', []],
    ['stamped_headers', 'x'],
  ])('the header %s of value %j is named in the error', (header, value) => {
    expect(() => decodeTask(raw({ task: 't', id: 'i', [header]: value }))).toThrow(
      expect.objectContaining({ code: 'TQ_PROTOCOL', header }),
    )
  })

  test.each<[string, unknown]>([
    ['body', null],
    ['body', 'text'],
    ['body', [[], {}]],
    ['body', [[], {}, {}, 1]],
    ['args', ['x', {}, {}]],
    ['kwargs', [[], [], {}]],
    ['embed', [[], {}, 1]],
    ['callbacks[0]', [[], {}, { callbacks: [1] }]],
    ['errbacks', [[], {}, { errbacks: 'x' }]],
    ['chain[1].task', [[], {}, { chain: [{ task: 't' }, {}] }]],
    ['chord.args', [[], {}, { chord: { task: 't', args: 1 } }]],
  ])('the part %s of the body is named in the error', (header, body) => {
    expect(() => decodeTask(raw({ task: 't', id: 'i' }, body))).toThrow(expect.objectContaining({ header }))
  })

  test('a body without a task in it or in the headers is no task message', () => {
    expect(() => decodeTask(raw({}, { args: [] }))).toThrow(expect.objectContaining({ header: 'task' }))
    expect(() => decodeTask(raw({}, [[], {}, {}]))).toThrow(ProtocolError)
  })

  test('keys named __proto__ reach no prototype', () => {
    const hostile = parsed('{"task": "t", "id": "i", "x": 1, "__proto__": {"polluted": 1}}')
    const decoded = decodeTask(
      raw(hostile, JSON.parse('[[], {"__proto__": {"polluted": 1}}, {"__proto__": {"chain": [1]}}]')),
    )

    expect(Object.getPrototypeOf(decoded.extraHeaders)).toBe(Object.prototype)
    expect(decoded.extraHeaders).toEqual({ x: 1 })
    expect(decoded.chain).toEqual([])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('throws nothing but ProtocolError, whatever the JSON', () => {
    const names = Object.keys(encodeTask(message).headers)
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('2026-01-01', [1, 2], [null, null], {}))
    const headers = fc.dictionary(fc.constantFrom(...names, '__proto__', 'constructor'), value)
    const part = fc.oneof(fc.constantFrom([], {}, null), value)
    const body = fc.oneof(
      value,
      fc.tuple(part, part, part),
      fc.dictionary(fc.constantFrom('args', 'kwargs', 'task', 'id', 'chain', 'taskset', 'eta'), value),
    )
    fc.assert(
      fc.property(headers, fc.boolean(), value, body, (some, isTask, property, content) => {
        const properties = { replyTo: property, priority: property, correlationId: property, deliveryMode: property }
        const given = isTask ? { ...some, task: 't', id: 'i' } : some
        try {
          // What a broker's client hands over is not what the types promise.
          decodeTask({ headers: given, properties: properties as never, body: content })
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
