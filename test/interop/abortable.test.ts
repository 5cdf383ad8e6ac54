import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { debianPython } from '../helpers/install.ts'
import { spawnProcess } from '../helpers/process.ts'
import { pythonEnv, pythonFolder } from '../helpers/python-environment.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'

const soon = { timeout: 90 }

describe.skipIf(!requireService('celery') || !requireService('redis'))('abortable tasks and Python', () => {
  let redis: RedisServer
  let app: Tq
  beforeAll(async () => {
    redis = await startRedis()
    app = new Tq('aborts', { broker: redis.url, logger: silentLogger })
    await app.startWorker()
  })
  afterAll(async () => {
    await app?.close()
    await redis?.stop()
  })

  const python = (...args: readonly string[]) =>
    spawnProcess(debianPython, args, {
      cwd: pythonFolder,
      env: pythonEnv({ TQ_BROKER_URL: redis.url, TQ_RESULT_BACKEND: redis.url }),
      cleanEnv: true,
      mayLeaveChildren: true, // a pool of Celery's
    })

  test("Python's AbortableAsyncResult aborts a task of ours", async () => {
    const task = app.task('tq.abortable', { bind: true, abortable: true }, async (self) => {
      await self.updateState({ state: 'BEGUN' })
      await self.sleep(3_600_000).catch(() => undefined)
      return `aborted: ${await self.isAborted()}`
    })
    const result = await task.delay()
    for await (const { state } of result.updates()) if (state === 'BEGUN') break

    await python('abortable_app.py', 'abort', result.id).exit

    expect(await result.get(soon)).toBe('aborted: true')
  })

  test('ours aborts an AbortableTask of Python', async () => {
    const worker = python(
      '-m',
      'celery',
      '-A',
      'abortable_app',
      'worker',
      '-P',
      'solo',
      '--without-mingle',
      '-l',
      'INFO',
    )
    const result = await app.sendTask<string>('py.abortable', [], {}, { queue: 'py' })
    for await (const { state } of result.updates()) if (state === 'BEGUN') break

    const aborted = await result.abort()

    expect(aborted).toBe(true)
    expect(await result.get(soon)).toBe('aborted in Python')
    await worker.stop()
  })
})
