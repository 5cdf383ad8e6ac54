import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Tq } from '../../runtime/src/index.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

describe.skipIf(!requireService('celery') || !requireService('redis'))('commands to a Python worker', () => {
  let redis: RedisServer
  let python: PythonWorker
  let client: PythonClient
  let app: Tq
  let to: { readonly destination: readonly string[]; readonly timeoutMs: number }

  beforeAll(async () => {
    redis = await startRedis()
    const urls = { brokerUrl: redis.url, backendUrl: redis.url }
    app = new Tq('interop', { brokerUrl: redis.url, resultBackend: redis.url })
    ;[python, client] = await Promise.all([startPythonWorker(urls), pythonClient(urls)])
    await client.workerAnswers(python.nodename)
    to = { destination: [python.nodename], timeoutMs: 5000 }
  })

  afterAll(async () => {
    await app?.close()
    await Promise.all([python?.stop(), client?.close()])
    await redis?.stop()
  })

  const says = (answer: unknown): Record<string, unknown> => ({ [python.nodename]: answer })

  test('a rate limit is set, and that of a task it does not know refused', async () => {
    const set = await app.control.rateLimit('py.add', '10/m', to)
    const unknown = await app.control.rateLimit('py.nothing', '10/m', to)

    expect(set).toEqual(says({ ok: 'new rate limit set successfully' }))
    expect(unknown).toEqual(says({ error: 'unknown task' }))
  })

  test('time limits are set in seconds', async () => {
    expect(await app.control.timeLimit('py.add', { soft: 5, hard: 10 }, to)).toEqual(
      says({ ok: 'time limits set successfully' }),
    )
  })

  test('a queue is added, consumed, and dropped again', async () => {
    const added = await app.control.addConsumer('extra', to)
    const sent = await app.sendTask('py.add', [2, 3], {}, { queue: 'extra' })
    const value = await sent.get({ timeout: 90 })
    const dropped = await app.control.cancelConsumer('extra', to)
    const queues = await app.control.inspect('activeQueues', to)

    expect(added).toEqual(says({ ok: 'add consumer extra' }))
    expect(value).toBe(5)
    expect(dropped).toEqual(says({ ok: 'no longer consuming from extra' }))
    expect(queues).toMatchObject(says([{ name: 'py' }]))
  })

  test('the pool grows and shrinks', async () => {
    expect(await app.control.poolGrow(1, to)).toEqual(says({ ok: 'pool will grow' }))
    expect(await app.control.poolShrink(1, to)).toEqual(says({ ok: 'pool will shrink' }))
  })

  test('autoscale is refused by a worker that was started without it', async () => {
    expect(await app.control.autoscale(4, 1, to)).toEqual(says({ error: "ValueError('Autoscale not enabled')" }))
  })
})
