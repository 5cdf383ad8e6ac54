import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger, Tq, type TqOptions } from '../../runtime/src/index.ts'
import { debianPython } from '../helpers/install.ts'
import { type RunningProcess, spawnProcess } from '../helpers/process.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { pythonEnv, pythonFolder } from '../helpers/python-environment.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { describeOnBrokers, type InteropBroker } from './brokers.ts'

const get = { timeout: 90 } as const

/** What JSON of every kombu, YAML and MessagePack carry alike. */
const value = [1, 2.5, -(2 ** 40), 'żółć 🐇 yes 1:30 << =', true, null, [1, [2]], { a: { b: [] } }]
const formats = ['json', 'yaml', 'msgpack']
const compressions = ['gzip', 'zlib', 'brotli', 'zstd', 'lzma']
const ways = [
  ...formats.map((serializer) => ({ serializer })),
  ...compressions.map((compression) => ({ serializer: 'json', compression })),
  { serializer: 'msgpack', compression: 'zstd' },
  { serializer: 'yaml', compression: 'gzip' },
]

describeOnBrokers('bytes between tq and Python', (start) => {
  let broker: InteropBroker
  let python: PythonWorker
  let client: PythonClient
  let app: Tq
  const apps: Tq[] = []

  function tq(options: TqOptions = {}): Tq {
    const made = new Tq('interop', {
      logger: silentLogger,
      broker: broker.brokerUrl,
      backend: broker.backendUrl,
      acceptContent: [...formats],
      ...options,
    })
    apps.push(made)
    return made
  }

  beforeAll(async () => {
    broker = await start()
    app = tq()
    app.task('tq.echo', (...args: unknown[]) => args)
    app.task('tq.kinds', (...args: unknown[]) =>
      args.map((arg) => (typeof arg === 'object' && arg !== null ? arg.constructor.name : typeof arg)),
    )
    ;[python, client] = await Promise.all([startPythonWorker(broker), pythonClient(broker)])
    await app.startWorker({ hostname: 'tq@bytes' })
  })

  afterAll(async () => {
    for (const one of apps) await one.close()
    await Promise.all([python?.stop(), client?.close()])
    await broker?.stop()
  })

  test.each(ways)('Python runs what tq sends as $serializer, compressed by $compression', async (way) => {
    const result = await app.sendTask('py.echo', value, { word: 'ż' }, { queue: 'py', ...way })

    expect(await result.get(get)).toEqual({ args: value, kwargs: { word: 'ż' } })
  })

  test.each([...ways, { serializer: 'json', compression: 'bzip2' }])(
    'tq runs what Python sends as $serializer, compressed by $compression',
    async (way) => {
      const id = await client.sendTask('tq.echo', value, way)

      expect(await client.result(id)).toEqual({ status: 'SUCCESS', result: value, traceback: null })
    },
  )

  test('bytes, dates and large integers keep their kinds on the way to Python', async () => {
    const rich = [Uint8Array.of(0, 255), new Date('2020-01-02T03:04:05.678Z'), 2n ** 60n, 2 ** 60]
    const kinds = async (serializer: string): Promise<unknown> =>
      (await app.sendTask('py.typeof', rich, {}, { queue: 'py', serializer })).get(get)

    expect(await kinds('yaml')).toEqual(['bytes', 'datetime', 'int', 'float'])
    expect(await kinds('msgpack')).toEqual(['bytes', 'Timestamp', 'int', 'float'])
    // kombu 5.2 does not know the tags of 5.3.
    expect(await kinds('json')).toEqual(['dict', 'dict', 'int', 'float'])
  })

  test('NaN and the infinities go both ways in JSON', async () => {
    const there = await app.sendTask('py.echo', [Number.NaN, Infinity, -Infinity], {}, { queue: 'py' })

    expect(await there.get(get)).toEqual({ args: [Number.NaN, Infinity, -Infinity], kwargs: {} })
  })

  test('a plain style suits kombu 5.2: dates are texts', async () => {
    const plain = tq({ jsonStyle: 'plain' })

    const result = await plain.sendTask('py.echo', [new Date(0)], {}, { queue: 'py' })

    expect(await result.get(get)).toEqual({ args: ['1970-01-01T00:00:00.000000Z'], kwargs: {} })
  })

  test('what Python pickles is set aside with the reason', async () => {
    await client.sendTask('tq.echo', [1], { serializer: 'pickle' })

    const transport = await app.connections.transport()
    const [aside] = await waitFor(
      async () => {
        const list = await transport.quarantine.list(10)
        return list.length > 0 ? list : undefined
      },
      { what: 'the pickled message' },
    )
    expect(aside?.reason).toMatch(/application\/x-python-serialize: unpickling runs code/)
  })

  describe.each(['yaml', 'msgpack'])('results as %s', (resultSerializer) => {
    test('are written by Python and read by tq', async () => {
      const queue = `py-${resultSerializer}`
      const nodename = `${queue}@bytes`
      const worker = await startPythonWorker({
        ...broker,
        queue,
        nodename,
        env: { TQ_RESULT_SERIALIZER: resultSerializer },
      })
      const reader = tq({ resultSerializer })

      const echoed = await reader.sendTask('py.echo', value, {}, { queue })
      const failed = await reader.sendTask('py.fail_custom', [7, 'ż'], {}, { queue })

      expect(await echoed.get(get)).toEqual({ args: value, kwargs: {} })
      await expect(failed.get(get)).rejects.toMatchObject({ type: 'PyError', module: 'pyworker', args: [7, 'ż'] })
      await worker.stop()
    })

    test('are written by tq and read by Python', async () => {
      const queue = `tq-${resultSerializer}`
      const writer = tq({ resultSerializer, taskDefaultQueue: queue })
      writer.task('tq.echo', (...args: unknown[]) => args)
      writer.task('tq.fail', () => {
        throw new RangeError('żółć')
      })
      await writer.startWorker({ hostname: `${queue}@bytes` })
      const reader = await pythonClient({
        ...broker,
        config: { result_serializer: resultSerializer },
      })

      const echoed = await reader.sendTask('tq.echo', value, { queue })
      const failed = await reader.sendTask('tq.fail', [], { queue })

      expect(await reader.result(echoed)).toEqual({ status: 'SUCCESS', result: value, traceback: null })
      expect(await reader.result(failed)).toMatchObject({
        status: 'FAILURE',
        result: { type: 'RangeError', args: ['żółć'] },
      })
      await reader.close()
    })
  })
})

describe.skipIf(!requireService('celery') || !requireService('redis'))('signed messages between tq and Python', () => {
  const file = (name: string): string => fileURLToPath(new URL(`../serializers/fixtures/${name}`, import.meta.url))
  const trust = file('store')
  let redis: RedisServer
  const apps: Tq[] = []

  beforeAll(async () => {
    redis = await startRedis()
  })

  afterAll(async () => {
    for (const one of apps) await one.close()
    await redis?.stop()
  })

  /** Signs as alice, in the layout that Celery 5.2 reads. */
  function tq(store = trust, serializer = 'json'): Tq {
    const made = new Tq('signed', {
      logger: silentLogger,
      broker: redis.url,
      backend: redis.url,
      securityLayout: 'raw',
    })
    made.setupSecurity({ key: file('alice.key'), certificate: file('store/alice.pem'), store, serializer })
    apps.push(made)
    return made
  }

  /** Runs signed_app.py, which signs as bob. */
  function python(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningProcess {
    return spawnProcess(debianPython, [...args], {
      cwd: pythonFolder,
      env: pythonEnv({
        TQ_BROKER_URL: redis.url,
        TQ_RESULT_BACKEND: redis.url,
        TQ_KEY: file('bob.key'),
        TQ_CERTIFICATE: file('store/bob.pem'),
        TQ_STORE: trust,
        ...env,
      }),
      cleanEnv: true,
      mayLeaveChildren: true,
    })
  }

  test.each(['json', 'yaml'])('Python runs what tq signs around %s, and tq what Python signs', async (inner) => {
    const queue = `signed-${inner}`
    const worker = python(
      [
        '-m',
        'celery',
        '-A',
        'signed_app',
        'worker',
        '-n',
        `${queue}@signed`,
        '-c',
        '1',
        '-l',
        'INFO',
        '--without-mingle',
        '--without-gossip',
      ],
      { TQ_QUEUE: queue, TQ_INNER: inner },
    )
    const app = tq(trust, inner)
    app.task('tq.echo', (...args: unknown[]) => args)
    await app.startWorker({ hostname: `tq-${inner}@signed`, queues: [`tq-${inner}`] })
    await worker.waitForLine('ready.', 30_000)

    const there = await app.sendTask('signed.echo', ['żółć', [1]], {}, { queue })
    const back = python(['signed_app.py', 'tq.echo', '["żółć", [1]]', `tq-${inner}`], { TQ_INNER: inner })

    expect(await there.get(get)).toEqual(['żółć', [1]])
    expect((await back.exit).code, back.stderr).toBe(0)
    expect(JSON.parse(back.stdout)).toEqual(['żółć', [1]])
    await worker.stop()
  })

  test('what Python signs is set aside where its certificate is not in the store, and the worker goes on', async () => {
    const app = tq(file('store/alice.pem'))
    const echo = app.task('tq.echo', { queue: 'strict' }, (...args: unknown[]) => args)
    await app.startWorker({ hostname: 'strict@signed', queues: ['strict'] })
    const sender = python(['signed_app.py', 'tq.echo', '[1]', 'strict'])

    const transport = await app.connections.transport()
    const [aside] = await waitFor(
      async () => {
        const list = await transport.quarantine.list(10)
        return list.length > 0 ? list : undefined
      },
      { what: 'the message of a stranger' },
    )
    expect(aside?.reason).toMatch(/not in the store/)
    expect(await (await echo.delay(2)).get(get)).toEqual([2])
    await sender.stop()
  })
})
