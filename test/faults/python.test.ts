import { describe, expect, test } from 'vitest'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { onRabbitmq, onRedis } from './fault-broker.ts'
import { pythonAndTqKilled } from './python-scenario.ts'

describe.skipIf(!requireService('redis') || !requireService('celery'))('Python and tq workers on one queue', () => {
  test('of Redis, each killed in turn, bring back what the other held', async () => {
    const broker = onRedis(await startRedis())

    await pythonAndTqKilled(broker, { tasks: 150 })

    expect(await broker.call('EXISTS', 'unacked', 'unacked_index')).toBe(0)
  }, 300_000)

  test.skipIf(!requireService('rabbitmq'))(
    'of RabbitMQ, each killed in turn, bring back what the other held',
    async () => {
      const [node, results] = await Promise.all([sharedRabbitmq(), startRedis()])

      await pythonAndTqKilled(onRabbitmq(node, results), { tasks: 150 })
    },
    300_000,
  )
})
