import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AsyncResult, chain, chord, group, type Signature, Tq } from '../../runtime/src/index.ts'
import { dictToSignature } from '../../runtime/src/wire/canvas-dict.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

type Add = (x: number, y: number) => number

describe.skipIf(!requireService('celery') || !requireService('redis'))('beside Celery 5.2', () => {
  let redis: RedisServer
  let python: PythonWorker
  let client: PythonClient
  let app: Tq

  beforeAll(async () => {
    redis = await startRedis()
    const urls = { brokerUrl: redis.url, backendUrl: redis.url }
    app = new Tq('canvas', { brokerUrl: redis.url, resultBackend: redis.url, resultExtended: true })
    app.task('tq.add', (x: number, y: number): number => x + y)
    app.task('tq.stamps', { bind: true }, (self, ..._: unknown[]): unknown => self.request.stamps)
    ;[python, client] = await Promise.all([startPythonWorker(urls), pythonClient(urls)])
    await app.startWorker({ hostname: 'tq@canvas' })
  })

  afterAll(async () => {
    await app?.close()
    await Promise.all([python?.stop(), client?.close()])
    await redis?.stop()
  })

  const pyAdd = () => app.external<Add>('py.add', { queue: 'py' })
  // With their queue: where Python sends them it knows no other than its own.
  const tqAdd = () => app.external<Add>('tq.add', { queue: 'celery' })
  const stamps = () => app.external<(before: unknown) => unknown>('tq.stamps', { queue: 'celery' })

  test('Celery 5.2 runs stamped calls, and drops the stamps of what it sends', async () => {
    const result = await chain(stamps().s(null), stamps().s())
      .stamp({ order: 17, tags: ['a'] })
      .delay()
    const mixed = await chain(pyAdd().s(1, 1), stamps().s()).stamp({ order: 17 }).delay()

    expect(await result.get({ timeout: 60 })).toEqual({ order: 17, tags: ['a'] })
    expect(await result.meta()).toMatchObject({ stamps: { order: 17, tags: ['a'] } })
    expect(await client.meta(result.id)).toMatchObject({
      status: 'SUCCESS',
      stamped_headers: ['order', 'tags'],
      order: 17,
    })
    expect(await mixed.get({ timeout: 60 })).toEqual({})
  })

  test('a canvas with stamps among its options, as Celery 5.3 writes it, runs here stamped', async () => {
    const options = { task_id: 'stamped-by-python', queue: 'celery', order: 17, stamped_headers: ['order'] }
    const signature = { task: 'tq.stamps', args: [], kwargs: {}, options, subtask_type: null, immutable: false }

    await app.sendSignature(app.canvas(dictToSignature(signature)).data)

    expect(await app.result('stamped-by-python').get({ timeout: 60 })).toEqual({ order: 17 })
  })

  test('Celery revokes by stamps, as `name=value` too, and gets its answer', async () => {
    await client.workerAnswers('tq@canvas')
    const options = { destination: ['tq@canvas'], timeout: 30 }

    const answers = await client.control('revoke_by_stamped_headers', { headers: ['order=99'] }, options)

    expect(answers).toEqual([
      { 'tq@canvas': { ok: expect.stringMatching(/order.*99.* flagged as revoked, but not terminated/) } },
    ])
    const revoked = await stamps().s(null).stamp({ order: '99' }).delay()
    await expect(revoked.get({ timeout: 60 })).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED' })
  })

  test('get() rejects with ChordError where Python counted the part that failed', async () => {
    const fails = app.external<(x: number) => number>('py.fail', { queue: 'py' })
    const sum = app.external<(xs: readonly number[]) => number>('py.tsum', { queue: 'py' })

    const result = await chord([fails.s(1)], sum.s()).delay()

    await expect(result.get({ timeout: 60 })).rejects.toMatchObject({
      code: 'TQ_CHORD_FAILED',
      partId: result.parent && 'results' in result.parent ? result.parent.results[0]?.id : undefined,
    })
  })

  test('a long chain goes through both, its rest unread by tq', async () => {
    const steps: Signature<[number], number>[] = Array.from({ length: 60 }, (_, i) =>
      i % 20 === 10 ? pyAdd().s(1) : tqAdd().s(1),
    )

    const whole = steps.reduce((before: Signature<[], number>, next) => before.pipe(next), tqAdd().s(0, 0))
    const result: AsyncResult<number> = await whole.delay()

    expect(await result.get({ timeout: 60 })).toBe(60)
  })

  test('a workflow with a part that a Python worker holds says which one', async () => {
    const sleep = app.external<(seconds: number) => number>('py.sleep', { queue: 'py' })
    const result = await group(sleep.s(3600), pyAdd().s(1, 1)).delay()
    const [first] = result.results

    const place = await waitFor(
      async () => {
        const { parts } = await app.workflow(result.id, { timeoutMs: 500 })
        return parts.find(({ id, place: at }) => id === first?.id && at.kind === 'running')?.place
      },
      { what: 'Python to say that it runs the task', timeoutMs: 60_000 },
    )

    expect(place).toMatchObject({ kind: 'running', worker: python.nodename })
    await result.revoke({ terminate: true })
  })
})
