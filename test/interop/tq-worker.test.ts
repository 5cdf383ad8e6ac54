import { afterAll, beforeAll, expect, test } from 'vitest'
import { debianPython } from '../helpers/install.ts'
import { type RunningProcess, spawnBin, spawnProcess } from '../helpers/process.ts'
import { shopFolder } from '../helpers/project.ts'
import { type PythonClient, pythonClient } from '../helpers/python.ts'
import { pythonEnv, pythonFolder } from '../helpers/python-environment.ts'
import { describeOnBrokers, type InteropBroker } from './brokers.ts'

const name = 'tq@interop'

describeOnBrokers('a tq worker and Python clients', (start) => {
  let broker: InteropBroker
  let worker: RunningProcess
  let client: PythonClient

  beforeAll(async () => {
    broker = await start()
    worker = spawnBin('tq', ['worker', '-n', name], {
      cwd: shopFolder,
      env: { TQ_BROKER_URL: broker.brokerUrl, TQ_RESULT_BACKEND: broker.backendUrl },
      cleanEnv: true,
    })
    client = await pythonClient(broker)
    await worker.waitForLine(`${name} ready.`)
  })

  afterAll(async () => {
    await Promise.all([worker?.stop(), client?.close()])
    await broker?.stop()
  })

  test('Python sends a task and reads its value', async () => {
    const id = await client.sendTask('math.add', [2, 2])

    expect(await client.result(id)).toEqual({ status: 'SUCCESS', result: 4, traceback: null })
  })

  test('keyword arguments find their parameters', async () => {
    const id = await client.sendTask('math.add', [2], { kwargs: { y: 40 } })

    expect((await client.result(id)).result).toBe(42)
  })

  test('an argument that fits no parameter fails the task', async () => {
    const id = await client.sendTask('math.add', [2], { kwargs: { z: 40 } })

    const { status, result } = await client.result(id)

    expect({ status, result }).toMatchObject({
      status: 'FAILURE',
      result: { type: 'ArgumentError', text: expect.stringContaining("'z'") },
    })
  })

  test('text that is not ASCII comes back whole', async () => {
    const id = await client.sendTask('reports.daily', ['żółć 🐇'])

    expect((await client.result(id)).result).toBe('report of żółć 🐇')
  })

  test('a failed task has its exception type, text and traceback', async () => {
    const id = await client.sendTask('orders.charge', ['a1', -5])

    const { status, result, traceback } = await client.result(id)

    expect({ status, result }).toMatchObject({
      status: 'FAILURE',
      result: { type: 'RangeError', args: ['cannot charge -5 cents'], text: 'cannot charge -5 cents' },
    })
    expect(traceback).toContain('RangeError: cannot charge -5 cents')
    expect(traceback).toContain('tasks/orders.ts:')
  })

  test('a task that is not registered fails', async () => {
    const id = await client.sendTask('no.such.task', [])

    expect(await client.result(id)).toMatchObject({ status: 'FAILURE', result: { type: 'NotRegistered' } })
  })

  test('a countdown is waited for', async () => {
    const id = await client.sendTask('math.add', [3, 4], { countdown: 0.3 })

    expect(await client.result(id)).toMatchObject({ status: 'SUCCESS', result: 7 })
  })

  test('a task that expired before it came is revoked', async () => {
    const id = await client.sendTask('math.add', [1, 1], { expires: -10 })

    expect(await client.result(id)).toMatchObject({
      status: 'REVOKED',
      result: { type: 'TaskRevokedError', args: ['expired'] },
    })
  })

  test('a retry runs again with its count', async () => {
    const id = await client.sendTask('orders.flaky', [2], { retries: 1 })

    expect((await client.result(id)).result).toBe(2)
  })

  test('a chain and a callback of a tq task run on tq', async () => {
    const add = (args: readonly number[]): object => ({
      task: 'math.add',
      args,
      kwargs: {},
      options: {},
      subtask_type: null,
      immutable: false,
    })
    const chain = {
      task: 'celery.chain',
      args: [],
      kwargs: { tasks: [add([1, 2]), add([3]), add([4])] },
      options: {},
      subtask_type: 'chain',
      immutable: false,
    }

    const [[lastId]] = (await client.applySignature(chain)) as [[string]]

    expect((await client.result(lastId)).result).toBe(10)
  })

  test('inspections are answered', async () => {
    const destination = [name]

    expect(await client.inspect('ping', { destination })).toEqual({ [name]: { ok: 'pong' } })
    expect(await client.inspect('active', { destination })).toEqual({ [name]: [] })
    const registered = (await client.inspect('registered', { destination }))[name]
    expect(registered).toHaveLength(14)
    expect(registered).toContain('math.add')
    expect((await client.inspect('stats', { destination }))[name]).toMatchObject({
      pid: worker.pid,
      pool: { 'max-concurrency': 100 },
      total: { 'math.add': expect.any(Number) },
      broker: { transport: broker.transport, port: broker.port },
    })
    expect((await client.inspect('active_queues', { destination }))[name]).toMatchObject([{ name: 'celery' }])
  })

  test('a running task is in active and ends when Python terminates it', async () => {
    await client.captureEvents()
    await client.control('enable_events', {}, { destination: [name] })
    const id = await client.sendTask('reports.slow', [600])
    await client.waitForEvent(({ type, uuid }) => type === 'task-started' && uuid === id, 'task-started')

    const active = await client.inspect('active', { destination: [name] })
    const replies = await client.control(
      'revoke',
      { task_id: id, terminate: true, signal: 'SIGTERM' },
      { destination: [name] },
    )

    expect(active[name]).toMatchObject([
      { id, name: 'reports.slow', args: '[600]', hostname: name, worker_pid: worker.pid },
    ])
    expect(replies).toEqual([{ [name]: { ok: expect.stringContaining(id) } }])
    expect(await client.result(id)).toMatchObject({ status: 'REVOKED' })
  })

  test('a waiting task that Python revokes does not run', async () => {
    const id = 'revoked-before-it-ran'
    await client.control('revoke', { task_id: id }, { destination: [name] })

    await client.sendTask('math.add', [1, 1], { task_id: id })

    expect(await client.result(id)).toMatchObject({
      status: 'REVOKED',
      result: { type: 'TaskRevokedError', args: ['revoked'] },
    })
  })

  test("Python's monitor sees the events of a task", async () => {
    await client.captureEvents()
    await client.control('enable_events', {}, { destination: [name] })

    const id = await client.sendTask('math.add', [20, 22])

    const succeeded = await client.waitForEvent(
      ({ type, uuid }) => type === 'task-succeeded' && uuid === id,
      'task-succeeded',
    )
    expect(succeeded).toMatchObject({
      hostname: name,
      pid: worker.pid,
      result: '42',
      runtime: expect.any(Number),
      clock: expect.any(Number),
    })
    const types = client.events.filter(({ uuid }) => uuid === id).map(({ type }) => type)
    expect(types).toEqual(['task-received', 'task-started', 'task-succeeded'])
    await client.waitForEvent(({ type, hostname }) => type === 'worker-heartbeat' && hostname === name, 'a heartbeat')
  })

  test('celery status and celery inspect list the worker', async () => {
    const run = async (...args: readonly string[]): Promise<{ code: number | null; text: string }> => {
      const celery = spawnProcess(debianPython, ['-m', 'celery', '-b', broker.brokerUrl, ...args], {
        cwd: pythonFolder,
        env: pythonEnv({}),
        cleanEnv: true,
      })
      const { code } = await celery.exit
      return { code, text: celery.stdout }
    }

    const status = await run('status')
    const ping = await run('inspect', 'ping')

    expect(status).toEqual({ code: 0, text: expect.stringMatching(new RegExp(`${name}: OK[^]*1 node online`)) })
    expect(ping).toEqual({ code: 0, text: expect.stringMatching(new RegExp(`${name}: OK[^]*pong`)) })
  })
})
