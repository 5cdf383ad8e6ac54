import { afterAll, beforeAll, expect, test } from 'vitest'
import { chain, type TaskFailedError, type Task, type TaskMeta, Tq } from '../../runtime/src/index.ts'
import { runBin, spawnBin } from '../helpers/process.ts'
import { shopFolder } from '../helpers/project.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { waitFor } from '../helpers/wait.ts'
import { describeOnBrokers, type InteropBroker } from './brokers.ts'

describeOnBrokers('a tq client and a Python worker', (start) => {
  let broker: InteropBroker
  let python: PythonWorker
  let client: PythonClient
  let app: Tq
  let double: Task<[n: number], number>
  let add: Task<[x: number, y: number], number>

  beforeAll(async () => {
    broker = await start()
    const urls = broker
    app = new Tq('interop', { brokerUrl: broker.brokerUrl, resultBackend: broker.backendUrl })
    double = app.task('tq.double', (n: number) => n * 2)
    add = app.external<(x: number, y: number) => number>('py.add', { queue: 'py' })
    ;[python, client] = await Promise.all([startPythonWorker({ ...urls, args: ['-E'] }), pythonClient(urls)])
    await app.startWorker({ hostname: 'tq@interop' })
    await client.workerAnswers(python.nodename)
  })

  afterAll(async () => {
    await app?.close()
    await Promise.all([python?.stop(), client?.close()])
    await broker?.stop()
  })

  const get = { timeout: 90 } as const

  test('an external task is called by symbol', async () => {
    const result = await add.delay(2, 3)

    expect(await result.get(get)).toBe(5)
  })

  test('a task is called by name, with keywords', async () => {
    const result = await app.sendTask('py.add', [1], { y: 2, z: 4 }, { queue: 'py' })

    expect(await result.get(get)).toBe(7)
  })

  test('arguments keep their kinds', async () => {
    const given = [1, 0.5, 'żółć 🐇', true, null, [1, [2]], { a: { b: 1 } }]

    const echoed = await app.sendTask('py.echo', given, { key: 'word' }, { queue: 'py' })
    const types = await app.sendTask('py.typeof', given, {}, { queue: 'py' })

    expect(await echoed.get(get)).toEqual({ args: given, kwargs: { key: 'word' } })
    expect(await types.get(get)).toEqual(['int', 'float', 'str', 'bool', 'NoneType', 'list', 'dict'])
  })

  test('the worker sees what was sent with it', async () => {
    const sent = await app.sendTask('py.request', [1], { k: 2 }, { queue: 'py', priority: 3, taskId: 'the-request' })

    const request = await sent.get(get)

    expect(request).toMatchObject({
      id: 'the-request',
      root_id: 'the-request',
      task: 'py.request',
      args: [1],
      kwargs: { k: 2 },
      retries: 0,
      argsrepr: '(1,)',
      kwargsrepr: "{'k': 2}",
      origin: app.origin,
      delivery_info: { routing_key: 'py', priority: 3 },
    })
  })

  test('a failure is a TaskFailedError with type, module, arguments and traceback', async () => {
    const failed = await app.sendTask('py.fail_custom', [7, 'custom'], {}, { queue: 'py' })
    const builtin = await app.sendTask('py.fail', ['oops'], {}, { queue: 'py' })

    const error = (await failed.get({ ...get, propagate: false })) as TaskFailedError

    expect(error).toMatchObject({
      name: 'TaskFailedError',
      code: 'TQ_TASK_FAILED',
      type: 'PyError',
      module: 'pyworker',
      args: [7, 'custom'],
    })
    expect(error.remoteTraceback).toMatch(/^Traceback[^]*PyError/)
    await expect(builtin.get(get)).rejects.toMatchObject({
      type: 'ValueError',
      module: 'builtins',
      message: 'ValueError: oops',
    })
  })

  test('a task that retries itself gives its value in the end', async () => {
    const result = await app.sendTask('py.retry_n', [2, 0.05], {}, { queue: 'py' })

    expect(await result.get(get)).toBe(2)
  })

  test('progress is seen while the task runs', async () => {
    const seen: TaskMeta[] = []
    const result = await app.sendTask('py.progress', [3, 0.1], {}, { queue: 'py' })

    const value = await result.get({ ...get, onMessage: (meta) => void seen.push(meta) })

    expect(value).toEqual({ done: 3 })
    expect(seen.find(({ state }) => state === 'PROGRESS')?.result).toMatchObject({ total: 3 })
    expect(seen.at(-1)?.state).toBe('SUCCESS')
  })

  test('a task with a countdown is waited for by Python', async () => {
    const result = await app.sendTask('py.add', [1, 1], {}, { queue: 'py', countdown: 0.2 })

    expect(await result.get(get)).toBe(2)
  })

  test('a task that had expired is revoked by Python', async () => {
    const result = await app.sendTask('py.add', [1, 1], {}, { queue: 'py', expires: new Date(0) })

    await expect(result.get(get)).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'expired' })
  })

  test('a callback on Python gets the result of a tq task', async () => {
    const callback = app.signature('py.echo').set({ queue: 'py', taskId: 'callback-of-tq' })

    await app.sendTask('tq.double', [21], {}, { link: callback })

    await waitFor(() => app.result('callback-of-tq').ready(), { what: 'the callback' })
    expect(await app.result('callback-of-tq').get(get)).toEqual({ args: [42], kwargs: {} })
  })

  test('a callback on tq gets the result of a Python task', async () => {
    const callback = double.s().set({ queue: 'celery', taskId: 'callback-of-python' })

    await app.sendTask('py.add', [20, 1], {}, { queue: 'py', link: callback })

    await waitFor(() => app.result('callback-of-python').ready(), { what: 'the callback' })
    expect(await app.result('callback-of-python').get(get)).toBe(42)
  })

  test('a chain goes from tq to Python and back', async () => {
    const home = double.s().set({ queue: 'celery' }) // Python sends it, to its own default queue unless told

    const there = await chain(double.s(5), add.s(1), home).delay()
    const back = await add.s(2, 3).pipe(home).delay()

    expect(await there.get(get)).toBe(22)
    expect(await there.parent?.get(get)).toBe(11)
    expect(await back.get(get)).toBe(10)
  })

  test('remote control reaches both workers', async () => {
    const destination = [python.nodename]

    const pings = await app.control.ping({ timeoutMs: 1000 })
    const stats = await app.control.inspect('stats', { destination })
    const active = await app.control.inspect('active', { destination })
    const registered = await app.control.inspect('registered', { destination })

    expect(pings).toEqual({ [python.nodename]: 'pong', 'tq@interop': 'pong' })
    expect(stats[python.nodename]).toMatchObject({ pid: python.pid, pool: { maxConcurrency: 1 } })
    expect(active[python.nodename]).toEqual([])
    expect(registered[python.nodename]).toEqual(expect.arrayContaining([expect.stringContaining('py.add')]))
  })

  test('tq events prints the events of both workers', async () => {
    const options = {
      cwd: shopFolder,
      env: { TQ_BROKER_URL: broker.brokerUrl, TQ_RESULT_BACKEND: broker.backendUrl },
      cleanEnv: true,
    }
    const dump = spawnBin('tq', ['events', '--dump'], options)
    const json = spawnBin('tq', ['events', '--json'], options)
    await Promise.all([dump.waitForLine('Listening for events'), json.waitForLine('Listening for events')])

    await chain(double.s(1), add.s(1)).delay()

    for (const who of [python.nodename, 'tq@interop']) {
      await dump.waitForLine(new RegExp(`^\\S+ ${who} task-succeeded uuid=`))
      await json.waitForLine(new RegExp(`"hostname":"${who}".*"task-succeeded"|"task-succeeded".*"hostname":"${who}"`))
    }
    for (const line of json.stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('type')
  })

  test('tq status lists both, tq call reaches Python', async () => {
    const options = {
      cwd: shopFolder,
      env: { TQ_BROKER_URL: broker.brokerUrl, TQ_RESULT_BACKEND: broker.backendUrl },
      cleanEnv: true,
    }

    const status = await runBin('tq', ['status'], options)
    const call = await runBin('tq', ['call', 'py.add', '2', '2', '-q', 'py', '-b', broker.brokerUrl], options)

    expect(status.stdout.trim().split('\n').sort()).toEqual(['py@interop  OK', 'tq@interop  OK'])
    expect(call).toMatchObject({ code: 0, stdout: '4\n' })
  })
})
