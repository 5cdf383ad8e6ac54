import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { Tq } from '../../runtime/src/index.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

// A server is started anew.
vi.setConfig({ testTimeout: 120_000 })

beforeAll(() => requireService('redis'))

test('a worker that starts hears which tasks were revoked before', async () => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const [first, second] = [0, 1].map(() => {
    const app = new Tq('several', { broker: redis.url, logger: silentLogger })
    onTestFinished(() => app.close())
    return app
  })
  if (!first || !second) throw new Error('two apps were made')
  await first.startWorker({ hostname: 'w1@test' })
  await first.control.revoke('gone')
  const revokedOf = async (name: string): Promise<unknown> =>
    (await first.control.inspect('revoked', { destination: [name], timeoutMs: 10_000 }))[name]
  await waitFor(async () => String(await revokedOf('w1@test')) === 'gone', { what: 'the revoke' })

  await second.startWorker({ hostname: 'w2@test' })

  await waitFor(async () => String(await revokedOf('w2@test')) === 'gone', { what: 'w2 to hear of it' })
  expect(await revokedOf('w2@test')).toEqual(['gone'])
})

test('what runs and is acknowledged late ends when the broker is lost, and runs again, where that is wanted', async () => {
  const redis = await startRedis('--appendonly', 'yes', '--dir', temporaryFolder())
  onTestFinished(() => redis.stop())
  const app = new Tq('several', {
    broker: redis.url,
    logger: silentLogger,
    taskAcksLate: true,
    workerCancelLongRunningTasksOnConnectionLoss: true,
  })
  onTestFinished(() => app.close())
  const ends: unknown[] = []
  const runs: boolean[] = []
  const long = app.task('t.long', { bind: true }, async (self) => {
    runs.push(self.request.deliveryInfo.redelivered)
    if (runs.length > 1) return 'ran again'
    try {
      return await self.sleep(600_000)
    } catch (error) {
      ends.push(error)
      throw error
    }
  })
  const worker = await app.startWorker({ hostname: 'w1@test' })
  onTestFinished(() => worker.stop(0))
  const result = await long.delay()
  await waitFor(() => runs.length === 1, { what: 'the run' })

  await redis.kill()
  await waitFor(() => ends.length === 1, { what: 'the end of the run' })
  await redis.restart()

  expect(await result.get({ timeout: 100 })).toBe('ran again')
  expect(ends[0]).toMatchObject({ code: 'TQ_TERMINATED' })
  expect(runs).toEqual([false, true])
})
