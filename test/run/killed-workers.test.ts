import { expect, test, vi } from 'vitest'
import { requireService, startRedis } from '../helpers/services.ts'
import { killWorkers } from './killed-workers.ts'

// Workers start in their own time, again and again.
vi.setConfig({ testTimeout: 300_000 })

// The small version of test/soak/workers.soak.ts.
test.skipIf(!requireService('redis'))('workers that are killed at random lose no late-acknowledged task', async () => {
  const { url } = await startRedis()

  const { kills } = await killWorkers({
    brokerUrl: url,
    resultBackend: url,
    tasks: 150,
    kills: 4,
    withinMs: 100,
    seed: 1,
  })

  expect(kills).toBe(4)
})
