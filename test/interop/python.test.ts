import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

// Nothing of tq takes part here: what the interop tests stand on is proved first.
describe.skipIf(!requireService('celery') || !requireService('redis'))('Python Celery over a private Redis', () => {
  let redis: RedisServer
  let worker: PythonWorker
  let client: PythonClient

  beforeAll(async () => {
    redis = await startRedis()
    const urls = { brokerUrl: redis.url, backendUrl: redis.url }
    ;[worker, client] = await Promise.all([startPythonWorker({ ...urls, args: ['-E'] }), pythonClient(urls)])
    await client.workerAnswers(worker.nodename)
  })

  afterAll(async () => {
    await Promise.all([worker?.stop(), client?.close()])
    await redis?.stop()
  })

  test('a Python worker runs what a Python client sends', async () => {
    const id = await client.sendTask('py.add', [2, 3], { queue: 'py' })

    expect(await client.result(id)).toEqual({ status: 'SUCCESS', result: 5, traceback: null })
  })

  test('keyword arguments arrive', async () => {
    const id = await client.sendTask('py.add', [1], { queue: 'py', kwargs: { y: 2, z: 4 } })

    expect((await client.result(id)).result).toBe(7)
  })

  test('a failed task is a result with the exception in parts', async () => {
    const id = await client.sendTask('py.fail', ['oops'], { queue: 'py' })

    const { status, result, traceback } = await client.result(id)

    expect({ status, result }).toEqual({
      status: 'FAILURE',
      result: { type: 'ValueError', module: 'builtins', args: ['oops'], text: 'oops' },
    })
    expect(traceback).toContain('ValueError: oops')
  })

  test('a canvas given as a dict is sent', async () => {
    const add = (args: readonly unknown[]): object => ({
      task: 'py.add',
      args,
      kwargs: {},
      options: { queue: 'py' },
      subtask_type: null,
      immutable: false,
    })
    const chain = {
      task: 'celery.chain',
      args: [],
      kwargs: { tasks: [add([2, 3]), add([10])] },
      options: {},
      subtask_type: 'chain',
      immutable: false,
    }

    const ids = await client.applySignature(chain)

    expect(ids).toEqual([[expect.any(String), expect.anything()], null])
    const [[lastId]] = ids as [[string]]
    expect((await client.result(lastId)).result).toBe(15)
  })

  test('the worker answers inspections and control commands', async () => {
    const destination = [worker.nodename]

    expect(await client.inspect('ping', { destination })).toEqual({ [worker.nodename]: { ok: 'pong' } })
    expect(await client.inspect('active', { destination })).toEqual({ [worker.nodename]: [] })
    expect(await client.inspect('stats', { destination })).toHaveProperty(
      [worker.nodename, 'pool', 'max-concurrency'],
      1,
    )
    expect(await client.control('rate_limit', { task_name: 'py.add', rate_limit: '100/s' }, { destination })).toEqual([
      { [worker.nodename]: { ok: 'new rate limit set successfully' } },
    ])
  })

  test('events of a task are captured', async () => {
    await client.captureEvents()

    const id = await client.sendTask('py.add', [1, 1], { queue: 'py' })

    await client.waitForEvent(({ type, uuid }) => type === 'task-succeeded' && uuid === id, 'task-succeeded')
    const types = client.events.filter(({ uuid }) => uuid === id).map(({ type }) => type)
    expect(types).toEqual(['task-received', 'task-started', 'task-succeeded'])
  })

  test("an error in Python is the caller's", async () => {
    await expect(client.inspect('no_such_method')).rejects.toThrow('no_such_method')
    await expect(client.result('00000000-0000-0000-0000-000000000000', 0.1)).rejects.toThrow('TimeoutError')
  })
})
