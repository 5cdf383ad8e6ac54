import { describe, test } from 'vitest'
import { onRedis } from '../faults/fault-broker.ts'
import {
  cutAtRandomBytes,
  queueDeleted,
  serverRestarted,
  serverStopped,
  shortLease,
  workersKilled,
  workerStopped,
} from '../faults/scenarios.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { seed } from './seed.ts'
import { tell } from '../faults/tell.ts'

const durable = (): string[] => ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', temporaryFolder()]

describe.skipIf(!requireService('redis'))('5,000 tasks on Redis', () => {
  test('while it is killed and restarted', async () => {
    const server = await startRedis(...durable())

    tell('redis', await serverRestarted(onRedis(server), server, { tasks: 5000, restarts: 3 }))
  })

  test('while it is stopped for 10 s', async () => {
    const server = await startRedis()

    tell('redis', await serverStopped(onRedis(server), server, { tasks: 5000, ms: 10_000 }))
  })

  test('while connections are cut at random bytes', async () => {
    const server = await startRedis()

    tell('redis', await cutAtRandomBytes(onRedis(server), { tasks: 5000, cuts: 40, meanBytes: 60_000, seed: seed() }))
  })

  test('while their queue is deleted', async () => {
    tell('redis', await queueDeleted(onRedis(await startRedis()), { tasks: 5000 }))
  })

  test('while workers are killed', async () => {
    tell('redis', await workersKilled(onRedis(await startRedis()), { tasks: 5000, kills: 8, options: shortLease }))
  })

  test('while a worker is stopped for longer than its lease', async () => {
    const { stopped: _, ...figures } = await workerStopped(onRedis(await startRedis()), {
      tasks: 5000,
      options: shortLease,
    })

    tell('redis', figures)
  })
})
