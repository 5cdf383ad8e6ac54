import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, ProtocolError } from '../../runtime/src/core/errors.ts'
import type { RawMessage } from '../../runtime/src/core/message.ts'
import {
  activeQueueToDict,
  type ControlRequest,
  controlMethods,
  decodeReply,
  decodeRequest,
  dictToActiveQueue,
  dictToQueried,
  dictToScheduled,
  dictToStats,
  dictToTaskInfo,
  encodeReply,
  encodeRequest,
  queriedToDict,
  replyQueue,
  scheduledToDict,
  statsToDict,
  type TaskInfo,
  taskInfoToDict,
  type WorkerStats,
} from '../../runtime/src/wire/control-dict.ts'

function json(message: RawMessage): unknown {
  return JSON.parse(new TextDecoder().decode(message.body))
}

function message(body: unknown, headers: Record<string, unknown> = {}): RawMessage {
  return {
    body: Buffer.from(JSON.stringify(body)),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers,
    properties: {},
  }
}

const replyTo = { exchange: 'reply.celery.pidbox', routingKey: 'oid' }

test('the queues of remote control are named as kombu names them', () => {
  expect(replyQueue('oid')).toBe('oid.reply.celery.pidbox')
})

describe('a request', () => {
  test('that wants replies is written as Celery writes it', () => {
    const raw = encodeRequest({ method: 'ping', args: {}, ticket: 't', replyTo, clock: 3, expiresMs: 1500 })

    expect(json(raw)).toEqual({
      method: 'ping',
      arguments: {},
      destination: null,
      pattern: null,
      matcher: null,
      ticket: 't',
      reply_to: { exchange: 'reply.celery.pidbox', routing_key: 'oid' },
    })
    expect(raw.headers).toEqual({ clock: 3, expires: 1.5 })
  })

  test('that wants none has neither ticket nor reply address, and expires at 0', () => {
    const raw = encodeRequest({ method: 'shutdown', args: {}, destination: ['w1@h'], clock: 1 })

    expect(json(raw)).toEqual({
      method: 'shutdown',
      arguments: {},
      destination: ['w1@h'],
      pattern: null,
      matcher: null,
    })
    expect(raw.headers).toEqual({ clock: 1, expires: 0 })
  })

  test.each([
    [
      'revoke',
      { taskId: ['a'], terminate: true, signal: 'SIGTERM' },
      'revoke',
      { task_id: ['a'], terminate: true, signal: 'SIGTERM' },
    ],
    ['enableEvents', {}, 'enable_events', {}],
    ['poolGrow', { n: 2 }, 'pool_grow', { n: 2 }],
    ['rateLimit', { taskName: 't', rateLimit: '1/s' }, 'rate_limit', { task_name: 't', rate_limit: '1/s' }],
    ['timeLimit', { taskName: 't', soft: 1, hard: null }, 'time_limit', { task_name: 't', soft: 1, hard: null }],
    ['addConsumer', { queue: 'q', exchangeType: 'direct' }, 'add_consumer', { queue: 'q', exchange_type: 'direct' }],
    ['registered', { taskInfoItems: [] }, 'registered', { taskinfoitems: [] }],
    ['conf', { withDefaults: true }, 'conf', { with_defaults: true }],
    ['hello', { fromNode: 'w', revoked: {} }, 'hello', { from_node: 'w', revoked: {} }],
    ['my_own', { someArg: 1 }, 'my_own', { someArg: 1 }],
  ])('%s carries the names of Celery on the wire and ours inside', (method, args, wire, wireArgs) => {
    const raw = encodeRequest({ method, args, clock: 1 })

    expect(json(raw)).toMatchObject({ method: wire, arguments: wireArgs })
    expect(decodeRequest(raw)).toMatchObject({ method, args })
  })

  test('with an old name of a method is the same command', () => {
    expect(decodeRequest(message({ method: 'dump_active' })).method).toBe('active')
    expect(decodeRequest(message({ method: 'dump_tasks' })).method).toBe('registered')
  })

  test('of a client written by hand, without headers and the usual nulls, is read', () => {
    const body = {
      method: 'ping',
      arguments: {},
      ticket: 't',
      reply_to: { exchange: 'reply.celery.pidbox', routing_key: 'oid' },
    }

    expect(decodeRequest(message(body))).toMatchObject({ method: 'ping', args: {}, ticket: 't', replyTo, clock: 0 })
  })

  test('is read back as it was', () => {
    const request: ControlRequest = {
      method: 'revoke',
      args: { taskId: 'a' },
      destination: ['w1@h'],
      pattern: 'w*',
      matcher: 'glob',
      ticket: 't',
      replyTo,
      clock: 4,
      expiresMs: 2000,
    }

    expect(decodeRequest(encodeRequest(request))).toEqual(request)
  })

  test.each([
    ['a list', []],
    ['no method', { arguments: {} }],
    ['half a reply address', { method: 'ping', reply_to: { exchange: 'e' } }],
  ])('that is %s is refused', (_, body) => {
    expect(() => decodeRequest(message(body))).toThrow(DecodeError)
  })
})

test('every method of the table is found again under its name on the wire', () => {
  for (const [command, { method }] of Object.entries(controlMethods)) {
    expect(decodeRequest(message({ method })).method).toBe(command)
  }
})

describe('a reply', () => {
  test('holds the answer under the name of its node, its ticket in the headers', () => {
    const raw = encodeReply({ ticket: 't', hostname: 'w1@h', value: { ok: 'pong' }, clock: 5 })

    expect(json(raw)).toEqual({ 'w1@h': { ok: 'pong' } })
    expect(raw.headers).toEqual({ ticket: 't', clock: 5 })
    expect(decodeReply(raw)).toEqual({ ticket: 't', hostname: 'w1@h', value: { ok: 'pong' }, clock: 5 })
  })

  test('that names no node is refused', () => {
    expect(() => decodeReply(message({}))).toThrow(DecodeError)
  })
})

const info: TaskInfo = {
  id: 'a',
  name: 'tasks.add',
  args: [1, 2],
  kwargs: {},
  type: 'tasks.add',
  hostname: 'w1@h',
  startedAtMs: 1500,
  acknowledged: true,
  deliveryInfo: { exchange: '', routingKey: 'celery', priority: 0, redelivered: false },
  workerPid: 17,
}

const stats: WorkerStats = {
  total: { 'tasks.add': 4 },
  pid: 17,
  clock: 12,
  uptime: 60,
  pool: {
    implementation: 'tq:async',
    maxConcurrency: 100,
    processes: [17],
    maxTasksPerChild: undefined,
    timeouts: { soft: 0, hard: 30 },
  },
  broker: { transport: 'redis', hostname: '127.0.0.1', port: 6379, userid: undefined, virtualHost: '0' },
  prefetchCount: 400,
  rusage: { utime: 0.5, maxrss: 4096 },
}

describe('what a worker tells', () => {
  test('of a task has the keys of Request.info', () => {
    expect(taskInfoToDict(info)).toEqual({
      id: 'a',
      name: 'tasks.add',
      args: [1, 2],
      kwargs: {},
      type: 'tasks.add',
      hostname: 'w1@h',
      time_start: 1.5,
      acknowledged: true,
      delivery_info: { exchange: '', routing_key: 'celery', priority: 0, redelivered: false },
      worker_pid: 17,
    })
    expect(dictToTaskInfo(taskInfoToDict(info))).toEqual(info)
  })

  test('of itself has the keys that Flower reads', () => {
    const dict = statsToDict(stats)

    expect(dict).toMatchObject({
      total: { 'tasks.add': 4 },
      pid: 17,
      clock: '12',
      prefetch_count: 400,
      pool: { 'max-concurrency': 100, processes: [17], 'max-tasks-per-child': 'N/A', timeouts: [0, 30] },
      broker: { transport: 'redis', hostname: '127.0.0.1', port: 6379, virtual_host: '0' },
    })
    expect(dictToStats(dict)).toEqual(stats)
  })

  // As Celery 5.2.6 answered after `pool_grow 2` on `-P prefork -c 4`.
  test('of a prefork pool of Celery counts its processes: its limit does not grow with it', () => {
    const pool = {
      'max-concurrency': 4,
      processes: [11, 12, 13, 14, 15, 16],
      'max-tasks-per-child': 'N/A',
      'put-guarded-by-semaphore': false,
      timeouts: [0, 0],
      writes: { total: 0, strategy: 'fair' },
    }

    expect(dictToStats({ pid: 10, pool }).pool).toMatchObject({ implementation: 'prefork', maxConcurrency: 6 })
  })

  test('of waiting, asked for and consumed things is read back as it was', () => {
    const scheduled = { eta: '2026-01-02T03:04:05.000000+00:00', priority: 6, request: info }
    const queried = { a: { state: 'active' as const, info } }
    const queue = {
      name: 'celery',
      exchange: { name: 'celery', type: 'direct' },
      routingKey: 'celery',
      durable: true,
      exclusive: false,
      autoDelete: false,
      queueArguments: {},
    }

    expect(dictToScheduled(scheduledToDict(scheduled))).toEqual(scheduled)
    expect(queriedToDict(queried)).toEqual({ a: ['active', taskInfoToDict(info)] })
    expect(dictToQueried(queriedToDict(queried))).toEqual(queried)
    expect(dictToActiveQueue(activeQueueToDict(queue))).toEqual(queue)
  })
})

test('any JSON body is read or refused with an error of its own', () => {
  const keys = fc.constantFrom(
    'method',
    'arguments',
    'destination',
    'pattern',
    'matcher',
    'ticket',
    'reply_to',
    'id',
    'pool',
    '__proto__',
  )
  const body = fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.oneof(fc.jsonValue(), fc.constant('toString'))))
  const readers: readonly ((value: unknown) => unknown)[] = [
    (value) => decodeRequest(message(value, { clock: value, expires: value })),
    (value) => decodeReply(message(value, { ticket: value })),
    dictToTaskInfo,
    dictToScheduled,
    dictToQueried,
    dictToStats,
    dictToActiveQueue,
  ]

  fc.assert(
    fc.property(body, fc.constantFrom(...readers), (value, read) => {
      try {
        read(value)
      } catch (error) {
        expect(error instanceof DecodeError || error instanceof ProtocolError, String(error)).toBe(true)
      }
    }),
  )
})
