import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import type { Tq, WorkerOptions } from '../../runtime/src/index.ts'
import { type PythonClient, pythonClient } from '../helpers/python.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { makeApp } from '../pools/fixtures/app.ts'

const scaled = 'scaled@interop'
const threads = 'threads@interop'

describe.skipIf(!requireService('celery') || !requireService('redis'))('pool commands of Celery to tq workers', () => {
  let redis: RedisServer
  let client: PythonClient
  const apps: Tq[] = []

  beforeAll(async () => {
    redis = await startRedis()
    const start = async (options: WorkerOptions): Promise<void> => {
      const app = makeApp({ broker: redis.url, backend: redis.url, logger: silentLogger })
      apps.push(app)
      await app.startWorker(options)
    }
    await start({ hostname: scaled, autoscale: { min: 1, max: 3 } })
    await start({ hostname: threads, pool: 'threads', concurrency: 1 })
    client = await pythonClient({ brokerUrl: redis.url, backendUrl: redis.url })
    await client.workerAnswers(threads)
  })

  afterAll(async () => {
    await client?.close()
    for (const app of apps) await app.close()
    await redis?.stop()
  })

  const ask = async (name: string, command: string, args: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const [reply] = await client.control(command, args, { destination: [name] })
    return reply?.[name]
  }

  test.each([
    ['pool_grow', { n: 2 }, { ok: 'pool will grow' }],
    ['pool_shrink', { n: 2 }, { ok: 'pool will shrink' }],
    ['pool_restart', {}, { ok: 'reload started' }],
    ['autoscale', { max: 4, min: 1 }, { error: 'Autoscale not enabled' }],
    ['time_limit', { task_name: 't.add', hard: 20, soft: 10 }, { ok: 'time limits set successfully' }],
    ['time_limit', { task_name: 't.no', hard: 20 }, { error: 'unknown task' }],
    ['rate_limit', { task_name: 't.add', rate_limit: '10/m' }, { ok: 'new rate limit set successfully' }],
    ['rate_limit', { task_name: 't.add', rate_limit: '0' }, { ok: 'rate limit disabled successfully' }],
    ['rate_limit', { task_name: 't.no', rate_limit: '1/s' }, { error: 'unknown task' }],
    [
      'rate_limit',
      { task_name: 't.add', rate_limit: 'fast' },
      { error: expect.stringMatching(/^Invalid rate limit string: /) as string },
    ],
  ])('%s %j', async (command, args, answer) => {
    expect(await ask(threads, command, args)).toEqual(answer)
  })

  test.each([
    ['autoscale', { max: 4, min: 2 }, { ok: 'autoscale now max=4 min=2' }],
    ['pool_grow', { n: 1 }, { error: 'pool_grow is not supported with autoscale. Adjust autoscale range instead.' }],
    ['pool_restart', {}, { error: expect.stringContaining('restart the worker') as string }],
  ])('an autoscaled worker: %s %j', async (command, args, answer) => {
    expect(await ask(scaled, command, args)).toEqual(answer)
  })

  test('stats tell how large the pool is', async () => {
    const stats = await client.inspect('stats', { destination: [threads, scaled] })

    expect(stats).toMatchObject({
      [threads]: { pool: { implementation: 'tq/pools/threads', 'max-concurrency': 1 } },
      [scaled]: { pool: { 'max-concurrency': expect.any(Number) as number } },
    })
  })
})
