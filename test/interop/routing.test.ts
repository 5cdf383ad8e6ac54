import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { currentTask, silentLogger, Tq, type TqOptions, workerQueue } from '../../runtime/src/index.ts'
import { debianPython } from '../helpers/install.ts'
import { type RunningProcess, spawnProcess } from '../helpers/process.ts'
import { type PythonClient, pythonClient } from '../helpers/python.ts'
import { pythonEnv, pythonFolder } from '../helpers/python-environment.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const topic = { exchange: 'work', exchangeType: 'topic' } as const

/** The queues of test/interop/python/routing_app.py. */
const settings: TqOptions = {
  taskQueues: [
    { name: 'py.feeds', ...topic, routingKey: 'py.feed.#' },
    { name: 'py.images', ...topic, routingKey: 'py.image.*' },
    { name: 'tq.feeds', ...topic, routingKey: 'tq.feed.#' },
    'py.ranked',
    'tq.ranked',
    { name: 'config', broadcast: true },
  ],
  taskDefaultQueue: 'py.ranked',
  taskDefaultRoutingKey: 'py.ranked',
  logger: silentLogger,
}

describe.skipIf(!requireService('celery') || !requireService('redis'))('routing between tq and Python', () => {
  let redis: RedisServer
  let store: Redis
  let client: PythonClient

  beforeAll(async () => {
    redis = await startRedis()
    store = new Redis(redis.url)
    client = await pythonClient({ brokerUrl: redis.url, backendUrl: redis.url })
  })

  afterAll(async () => {
    store?.disconnect()
    await client?.close()
    await redis?.stop()
  })

  const tq = (options: TqOptions = {}): Tq => {
    const app = new Tq('routing', { ...settings, broker: redis.url, ...options })
    onTestFinished(() => app.close())
    return app
  }

  async function pythonWorker(nodename: string, queues: string, config: object = {}): Promise<RunningProcess> {
    const celery = [
      '-m',
      'celery',
      '-A',
      'routing_app',
      'worker',
      '-n',
      nodename,
      '-Q',
      queues,
      '-P',
      'solo',
      '-l',
      'INFO',
    ]
    const worker = spawnProcess(debianPython, [...celery, '--without-mingle', '--without-gossip'], {
      cwd: pythonFolder,
      env: pythonEnv({ TQ_BROKER_URL: redis.url, TQ_CONFIG: JSON.stringify(config) }),
      cleanEnv: true,
    })
    await worker.waitForLine(`${nodename} ready.`, 30_000)
    await client.workerAnswers(nodename)
    return worker
  }

  /** Sends one call from a Python that knows the queues and exchanges. */
  async function fromPython(task: string, args: readonly unknown[], options: object): Promise<string> {
    const sent = spawnProcess(debianPython, ['routing_app.py', task, JSON.stringify(args), JSON.stringify(options)], {
      cwd: pythonFolder,
      env: pythonEnv({ TQ_BROKER_URL: redis.url }),
      cleanEnv: true,
    })
    expect(await sent.exit).toMatchObject({ code: 0 })
    return sent.stdout.trim()
  }

  const notes = (nodename: string): Promise<string[]> => store.lrange(`notes:${nodename}`, 0, -1)

  test('a broadcast of tq runs on every Python worker, by its own queue and key', async () => {
    const workers = [await pythonWorker('b1@interop', 'config'), await pythonWorker('b2@interop', 'config')]

    await tq().sendTask('note', ['reload'], {}, { queue: 'config' })

    for (const nodename of ['b1@interop', 'b2@interop']) {
      const heard = await waitFor(async () => (await notes(nodename)).at(0), { what: `the note of ${nodename}` })
      expect(heard).toBe('reload config/py.ranked')
    }
    for (const worker of workers) await worker.stop()
  })

  test('a broadcast of Python runs on every tq worker', async () => {
    const ran: string[] = []
    for (const hostname of ['t1@interop', 't2@interop']) {
      const app = tq()
      app.task('note', (what: string) => void ran.push(`${hostname} ${what}`))
      await app.startWorker({ hostname, queues: ['config'] })
    }

    await fromPython('note', ['reload'], { queue: 'config' })

    await waitFor(() => ran.length >= 2, { what: 'both workers' })
    expect(ran.toSorted()).toEqual(['t1@interop reload', 't2@interop reload'])
  })

  test('routing keys of tq reach the topic queues of Python', async () => {
    const worker = await pythonWorker('topic@interop', 'py.feeds,py.images')
    const app = tq({ taskRoutes: { note: { queue: 'py.feeds', routingKey: 'py.feed.import' } } })

    await app.sendTask('note', ['one'])
    await app.sendTask('note', ['two'], {}, { routingKey: 'py.image.crop' })

    await waitFor(async () => (await notes('topic@interop')).length >= 2, { what: 'both notes' })
    expect((await notes('topic@interop')).toSorted()).toEqual(['one work/py.feed.import', 'two work/py.image.crop'])
    await worker.stop()
  })

  test('routing keys of Python reach the topic queues of tq', async () => {
    const app = tq()
    app.task('note', (what: string) => {
      const { queue, exchange, routingKey } = currentTask().request.deliveryInfo
      return `${what} ${queue} ${exchange}/${routingKey}`
    })
    await app.startWorker({ hostname: 't3@interop', queues: ['tq.feeds'] })

    const id = await fromPython('note', ['three'], { queue: 'tq.feeds', routing_key: 'tq.feed.export' })

    expect(await client.result(id)).toMatchObject({ result: 'three tq.feeds work/tq.feed.export' })
  })

  test('Python runs the priorities of tq in their order, the lowest first', async () => {
    const app = tq()
    for (const priority of [9, 6, 0, 3]) await app.sendTask('note', [`p${priority}`], {}, { priority })

    const worker = await pythonWorker('ranked@interop', 'py.ranked')

    await waitFor(async () => (await notes('ranked@interop')).length >= 4, { what: 'four notes' })
    expect((await notes('ranked@interop')).map((line) => line.split(' ')[0])).toEqual(['p0', 'p3', 'p6', 'p9'])
    await worker.stop()
  })

  test('tq runs the priorities of Python in their order, the lowest first', async () => {
    const ran: unknown[] = []
    const ids: string[] = []
    for (const priority of [9, 6, 0, 3]) {
      ids.push(await client.sendTask('rank', [priority], { queue: 'tq.ranked', priority }))
    }
    const app = tq()
    app.task('rank', (said: number) => void ran.push([said, currentTask().request.deliveryInfo.priority]))

    await app.startWorker({ hostname: 't4@interop', queues: ['tq.ranked'], concurrency: 1, prefetchMultiplier: 1 })

    for (const id of ids) expect(await client.result(id)).toMatchObject({ status: 'SUCCESS' })
    expect(ran).toEqual([
      [0, 0],
      [3, 3],
      [6, 6],
      [9, 9],
    ])
  })

  test('headers, properties and times in a zone arrive in Python as they were meant', async () => {
    const worker = await pythonWorker('told@interop', 'py.ranked')
    const eta = new Date(Date.now() - 1000)
    const app = tq({ timezone: 'Asia/Kolkata' })

    const result = await app.sendTask(
      'note',
      ['told'],
      {},
      {
        headers: { tenant: { name: 'blue' } },
        messageId: 'm-1',
        appId: 'shop',
        priority: 3,
        eta,
      },
    )

    const told = await result.get({ timeout: 90 })
    expect(told).toMatchObject({
      tenant: { name: 'blue' },
      properties: { message_id: 'm-1', app_id: 'shop', priority: 3 },
      eta: expect.stringMatching(/\+05:30$/),
    })
    await worker.stop()
  })

  test('headers of Python and a time without an offset arrive in tq as they were meant', async () => {
    const app = tq({ timezone: 'Asia/Kolkata' })
    app.task('told', () => {
      const { headers, eta } = currentTask().request
      return { headers, eta: eta?.toISOString() }
    })
    await app.startWorker({ hostname: 't5@interop', queues: ['tq.ranked'] })

    const id = await client.sendTask('told', [], {
      queue: 'tq.ranked',
      headers: { tenant: 'red', eta: '2026-01-02T03:04:05' },
    })

    expect((await client.result(id)).result).toMatchObject({
      headers: { tenant: 'red' },
      eta: '2026-01-01T21:34:05.000Z',
    })
  })

  test('tq reaches one Python worker by its own queue', async () => {
    const worker = await pythonWorker('direct@interop', 'py.feeds', { worker_direct: true })

    const result = await tq().sendTask('note', ['you'], {}, { queue: workerQueue('direct@interop') })

    await result.get({ timeout: 90, propagate: false })
    expect(await notes('direct@interop')).toEqual(['you /direct@interop.dq2'])
    await worker.stop()
  })

  test('Python reaches one tq worker by its own queue, and tells it to consume another', async () => {
    const app = tq({ workerDirect: true })
    app.task('who', () => currentTask().request.hostname)
    await app.startWorker({ hostname: 't6@interop', queues: ['tq.feeds'] })
    await client.workerAnswers('t6@interop')

    const direct = await client.sendTask('who', [], { queue: workerQueue('t6@interop') })
    const answer = await client.control('add_consumer', { queue: 'extra' }, { destination: ['t6@interop'] })
    const added = await client.sendTask('who', [], { queue: 'extra' })

    expect((await client.result(direct)).result).toBe('t6@interop')
    expect(answer).toEqual([{ 't6@interop': { ok: 'add consumer extra' } }])
    expect((await client.result(added)).result).toBe('t6@interop')
    expect(await client.inspect('active_queues', { destination: ['t6@interop'] })).toMatchObject({
      't6@interop': [{ name: 'tq.feeds' }, { name: 't6@interop.dq2', exchange: { name: 'C.dq2' } }, { name: 'extra' }],
    })
  })
})
