import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { type Task, type TaskMeta, Tq } from '../../runtime/src/index.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { type RabbitmqVhost, sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'

const get = { timeout: 90 } as const

describe.skipIf(!requireService('celery') || !requireService('rabbitmq'))(
  'RabbitMQ alone, with results over rpc',
  () => {
    let vhost: RabbitmqVhost
    let python: PythonWorker
    let client: PythonClient
    let app: Tq
    let add: Task<[x: number, y: number], number>

    beforeAll(async () => {
      vhost = (await sharedRabbitmq()).vhost()
      const urls = { brokerUrl: vhost.url, backendUrl: 'rpc://' }
      app = new Tq('interop', {
        brokerUrl: vhost.url,
        resultBackend: 'rpc://',
        taskQueues: ['celery', { name: 'py', maxPriority: 10 }],
        brokerNativeDelayedDeliveryQueueType: 'classic',
        logger: silentLogger,
      })
      add = app.external<(x: number, y: number) => number>('py.add', { queue: 'py' })
      app.task('tq.double', (n: number) => n * 2)
      app.task('tq.fail', () => {
        throw new RangeError('out of range')
      })
      app.task('tq.progress', { bind: true }, async (self) => {
        await self.updateState({ state: 'PROGRESS', meta: { done: 1 } })
        return 'done'
      })
      ;[python, client] = await Promise.all([
        startPythonWorker({ ...urls, env: { TQ_MAX_PRIORITY: '10', TQ_TRACK_STARTED: '1' } }),
        pythonClient(urls),
      ])
      await app.startWorker({ hostname: 'tq@interop', queues: ['celery'] })
      await client.workerAnswers(python.nodename)
    })

    afterAll(async () => {
      await app?.close()
      await Promise.all([python?.stop(), client?.close()])
      vhost?.drop()
    })

    test("tq reads a Python worker's results, each state as it comes", async () => {
      const seen: TaskMeta[] = []
      const result = await app.sendTask('py.progress', [2, 0.05], {}, { queue: 'py' })

      const value = await result.get({ ...get, onMessage: (meta) => void seen.push(meta) })

      expect(value).toEqual({ done: 2 })
      expect(new Set(seen.map(({ state }) => state))).toEqual(new Set(['STARTED', 'PROGRESS', 'SUCCESS']))
    })

    test("a Python worker's failure is told with type, module and traceback", async () => {
      const failed = await app.sendTask('py.fail_custom', [7, 'custom'], {}, { queue: 'py' })

      await expect(failed.get(get)).rejects.toMatchObject({ type: 'PyError', module: 'pyworker', args: [7, 'custom'] })
    })

    test('a countdown of seconds waits in the broker, and Python runs the task', async () => {
      const startMs = Date.now()
      const result = await add.applyAsync([20, 22], { countdown: 1.2 })
      const transport = await app.connections.transport()
      expect(await transport.queueInfo('py')).toMatchObject({ ready: 0, parked: 1 })

      expect(await result.get(get)).toBe(42)

      expect(Date.now() - startMs).toBeGreaterThanOrEqual(1200)
    })

    test('Python serves the highest priority first', async () => {
      const blocker = await app.sendTask('py.sleep', [0.6], {}, { queue: 'py' })
      const results = await Promise.all(
        [1, 9, 5].map((priority) => app.sendTask('py.request', [], {}, { queue: 'py', priority })),
      )
      const order: number[] = []

      await Promise.all(
        results.map(async (result) => {
          const request = (await result.get(get)) as { delivery_info: { priority: number } }
          order.push(request.delivery_info.priority)
        }),
      )

      await blocker.get(get)
      // The first may have been prefetched before the others came.
      expect(order.indexOf(9)).toBeLessThan(order.indexOf(5))
    })

    test("Python reads a tq worker's value, failure and progress", async () => {
      const [value, failure, progress] = [
        await client.sendTask('tq.double', [21]),
        await client.sendTask('tq.fail', []),
        await client.sendTask('tq.progress', []),
      ]

      expect(await client.result(value)).toEqual({ status: 'SUCCESS', result: 42, traceback: null })
      expect(await client.result(failure)).toMatchObject({
        status: 'FAILURE',
        result: { type: 'RangeError', args: ['out of range'] },
        traceback: expect.stringContaining('RangeError: out of range'),
      })
      expect((await client.result(progress)).result).toBe('done')
    })

    test('progress of a tq worker is seen over rpc', async () => {
      const seen: TaskMeta[] = []
      const result = await app.sendTask('tq.progress')

      await result.get({ ...get, onMessage: (meta) => void seen.push(meta) })

      expect(seen.map(({ state, result: meta }) => [state, meta])).toEqual([
        ['PROGRESS', { done: 1 }],
        ['SUCCESS', 'done'],
      ])
    })

    test("Python's countdown is kept by a tq worker", async () => {
      const startMs = Date.now()
      const id = await client.sendTask('tq.double', [4], { countdown: 1.5 })

      expect(await client.result(id)).toMatchObject({ result: 8 })

      expect(Date.now() - startMs).toBeGreaterThanOrEqual(1490)
    })

    test('both write to one queue, and purging empties it', async () => {
      const transport = await app.connections.transport()
      await transport.declare({
        queues: [{ name: 'idle', exchange: { name: 'idle', type: 'direct' }, routingKey: 'idle' }],
      })
      await client.sendTask('tq.double', [1], { queue: 'idle' })
      await app.sendTask('tq.double', [1], {}, { queue: 'idle' })

      expect((await transport.queueInfo('idle')).ready).toBe(2)
      expect(await transport.purge('idle')).toBe(2)
    })
  },
)
