import { afterAll, beforeAll, describe, test } from 'vitest'
import { onRabbitmq } from '../faults/fault-broker.ts'
import {
  cutAtRandomBytes,
  queueDeleted,
  serverRestarted,
  serverStopped,
  workersKilled,
  workerStopped,
} from '../faults/scenarios.ts'
import { type RabbitmqServer, startRabbitmq } from '../helpers/rabbitmq.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { seed } from './seed.ts'
import { tell } from '../faults/tell.ts'

describe.skipIf(!requireService('rabbitmq') || !requireService('redis'))('5,000 tasks on RabbitMQ', () => {
  let server: RabbitmqServer
  let redis: RedisServer
  beforeAll(async () => {
    ;[server, redis] = await Promise.all([startRabbitmq(), startRedis()])
  }, 300_000)
  afterAll(async () => {
    await Promise.all([server?.stop(), redis?.stop()])
  })

  test('while it is stopped for 10 s', async () => {
    tell('amqp', await serverStopped(onRabbitmq(server, redis, '?heartbeat=2'), server, { tasks: 5000, ms: 10_000 }))
  })

  test('while connections are cut at random bytes', async () => {
    const sizes = { tasks: 5000, cuts: 40, meanBytes: 60_000, seed: seed() }

    tell('amqp', await cutAtRandomBytes(onRabbitmq(server, redis), sizes))
  })

  test('while their queue is deleted', async () => {
    tell('amqp', await queueDeleted(onRabbitmq(server, redis), { tasks: 5000 }))
  })

  test('while workers are killed', async () => {
    tell('amqp', await workersKilled(onRabbitmq(server, redis), { tasks: 5000, kills: 8 }))
  })

  test('while a worker is stopped for longer than its heartbeat', async () => {
    const { stopped: _, ...figures } = await workerStopped(onRabbitmq(server, redis, '?heartbeat=1'), { tasks: 5000 })

    tell('amqp', figures)
  })

  // Last: a node that was started again ends with its test.
  test('while it is killed and restarted', async () => {
    tell('amqp', await serverRestarted(onRabbitmq(server, redis), server, { tasks: 5000, restarts: 2 }))
  })
})
