import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AnySignature, chain, chord, type Signature, type Task, Tq } from '../../runtime/src/index.ts'
import { startPythonWorker, type PythonWorker } from '../helpers/python.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

type Step = Signature<[], unknown>

const hasPython = requireService('celery') && requireService('redis')

/** What a task sees of one and the same message, in a Celery worker and in one of tq. */
describe.skipIf(!hasPython)('the request of a task', () => {
  let redis: RedisServer
  let python: PythonWorker
  let app: Tq
  let keep: Task<[unknown], unknown>

  beforeAll(async () => {
    redis = await startRedis()
    app = new Tq('interop', { brokerUrl: redis.url, resultBackend: redis.url, jsonStyle: 'plain' })
    app.task('ts.request', { bind: true, typing: false }, (self) => {
      const { request } = self
      return {
        id: request.id,
        task: request.task,
        args: request.args,
        kwargs: request.kwargs,
        root_id: request.rootId,
        parent_id: request.parentId ?? null,
        group: request.group ?? null,
        group_index: request.groupIndex ?? null,
        correlation_id: request.correlationId,
        reply_to: request.replyTo,
        retries: request.retries,
        eta: request.eta?.toISOString() ?? null,
        expires: request.expires?.toISOString() ?? null,
        timelimit: [request.timeLimit ?? null, request.softTimeLimit ?? null],
        origin: request.origin,
        ignore_result: request.ignoreResult,
        shadow: request.shadow ?? null,
        is_eager: request.isEager,
        called_directly: request.calledDirectly,
        replaced_task_nesting: request.replacedTaskNesting,
        callbacks: request.callbacks.map(({ task }) => ({ task })),
        errbacks: request.errbacks.map(({ task }) => ({ task })),
        chain: request.chain.map(({ task }) => ({ task })),
        chord: request.chord ? { task: request.chord.task } : null,
        delivery_info: {
          exchange: request.deliveryInfo.exchange,
          routing_key: request.deliveryInfo.routingKey,
          priority: request.deliveryInfo.priority,
          redelivered: request.deliveryInfo.redelivered,
        },
      }
    })
    keep = app.task('ts.keep', (given: unknown) => given)
    python = await startPythonWorker({ brokerUrl: redis.url, backendUrl: redis.url })
    await app.startWorker({ hostname: 'tq@interop', queues: ['celery'] })
  })

  afterAll(async () => {
    await app?.close()
    await python?.stop()
    await redis?.stop()
  })

  /** The same call for both workers; each sees its own name and queue. */
  async function seenByBoth(send: (task: string, queue: string) => Promise<unknown>): Promise<readonly unknown[]> {
    const seen = [await send('py.request', 'py'), await send('ts.request', 'celery')]
    return seen.map(normalised)
  }

  test('has the same fields with the same values as in Celery', async () => {
    const expires = new Date('2100-01-01T00:00:00.000Z')
    const eta = new Date('2020-01-01T00:00:00.000Z')

    const [celery, tq] = await seenByBoth(async (task, queue) => {
      const result = await app.sendTask(
        task,
        [1, 'a', null, [2]],
        { k: { deep: true } },
        {
          ...{ queue, expires, eta, timeLimit: 600, softTimeLimit: 300, priority: 3, shadow: 'shown' },
          ...{ rootId: 'the-root', parentId: 'the-parent', headers: { tenant: 'one' } },
          link: keep.s().set({ queue: 'celery' }),
          linkError: keep.si('failed').set({ queue: 'celery' }),
        },
      )
      return result.get({ timeout: 90 })
    })

    expect(tq).toEqual(celery)
    expect(tq).toMatchObject({
      timelimit: [600, 300],
      shadow: 'shown',
      callbacks: ['ts.keep'],
      parent_id: 'the-parent',
    })
  })

  test('has the same values where nothing was said', async () => {
    const [celery, tq] = await seenByBoth(async (task, queue) => {
      return (await app.sendTask(task, [], {}, { queue })).get({ timeout: 90 })
    })

    expect(tq).toEqual(celery)
  })

  test('tells of its group, chord and what follows it as in Celery', async () => {
    const [celery, tq] = await seenByBoth(async (task, queue) => {
      const part = (n: number): AnySignature => app.signature(task, [n]).set({ queue })
      const result = await chord([part(1), part(2)], keep.s().set({ queue: 'celery' })).delay()
      const [, second] = (await result.get({ timeout: 90 })) as readonly unknown[]
      return second
    })

    expect(tq).toEqual(celery)
    expect(tq).toMatchObject({ group: 'the group', group_index: 1, chord: ['ts.keep'] })
  })

  test('tells of what is left of its chain as in Celery', async () => {
    const [celery, tq] = await seenByBoth(async (task, queue) => {
      const first = app.signature(task, ['first']).set({ queue })
      const after = keep.s().set({ queue: 'celery' })
      return (await chain(first as Step, after).delay()).get({ timeout: 90 })
    })

    expect(tq).toEqual(celery)
    expect(tq).toMatchObject({ chain: ['ts.keep'] })
  })
})

interface Named {
  readonly task?: string | undefined
}

function namesOf(signatures: readonly (Named | null | undefined)[]): readonly unknown[] {
  return signatures.flatMap((one) => (one ? [one.task] : []))
}

/**
 * The fields that the test compares. `lang`, the reprs and the transport's own properties are not a task's business; custom headers are
 * attributes of their own in Python; `utc`, `logfile` and `loglevel` Celery 5 leaves empty.
 */
const compared = [
  ...[
    'id',
    'task',
    'args',
    'kwargs',
    'root_id',
    'parent_id',
    'group',
    'group_index',
    'correlation_id',
    'reply_to',
    'retries',
  ],
  ...['timelimit', 'origin', 'ignore_result', 'shadow', 'is_eager', 'called_directly', 'replaced_task_nesting'],
]

/** Python's form and tq's made comparable: ids and places of the one call by their roles, times as times, nothing as nothing. */
function normalised(given: unknown): Readonly<Record<string, unknown>> {
  const seen = given as Readonly<Record<string, unknown>> // what both tasks return
  const roles = new Map([
    [seen['id'], 'the id'],
    [seen['group'] ?? 'no group', 'the group'],
    [seen['task'], 'the task'],
  ])
  const names = (value: unknown): readonly unknown[] =>
    namesOf(Array.isArray(value) ? (value as Named[]) : [value as Named])
  const fields: Record<string, unknown> = {}
  for (const field of compared) fields[field] = roles.get(seen[field]) ?? seen[field] ?? null
  for (const field of ['callbacks', 'errbacks', 'chain', 'chord']) fields[field] = names(seen[field])
  const time = (value: unknown): string | null => (typeof value === 'string' ? new Date(value).toISOString() : null)
  const { exchange, routing_key, priority, redelivered } = seen['delivery_info'] as Readonly<Record<string, unknown>>
  return {
    ...fields,
    eta: time(seen['eta']),
    expires: time(seen['expires']),
    delivery_info: {
      exchange,
      routing_key: routing_key === 'py' || routing_key === 'celery' ? 'its queue' : routing_key,
      priority,
      redelivered: redelivered ?? false,
    },
  }
}
