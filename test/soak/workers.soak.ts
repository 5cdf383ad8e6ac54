import { join } from 'node:path'
import { expect, test } from 'vitest'
import { requireService, startRedis } from '../helpers/services.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { type KillPlan, killWorkers } from '../run/killed-workers.ts'

const seed = Number(process.env['SEED'] ?? 20_260_101)

async function soak(brokerUrl: string, resultBackend = brokerUrl): Promise<void> {
  const plan: KillPlan = { brokerUrl, resultBackend, tasks: 10_000, kills: 200, withinMs: 200, seed }
  const report = await killWorkers(plan)
  // oxlint-disable-next-line no-console -- the figures of the run
  console.log(`${new URL(brokerUrl).protocol} seed ${seed}: ${JSON.stringify(report)}`)
  expect(report.kills).toBe(plan.kills)
}

test.skipIf(!requireService('redis'))(
  '200 killed workers lose none of 10,000 late-acknowledged tasks on Redis',
  async () => {
    const redis = await startRedis()

    await soak(redis.url)
  },
)

test('200 killed workers lose none of 10,000 late-acknowledged tasks on SQLite', async () => {
  await soak(`sqlite://${join(temporaryFolder(), 'tq.db')}`)
})

test.skipIf(!requireService('rabbitmq') || !requireService('redis'))(
  '200 killed workers lose none of 10,000 late-acknowledged tasks on RabbitMQ, with results on Redis',
  async () => {
    const [node, redis] = [await sharedRabbitmq(), await startRedis()]
    const vhost = node.vhost()

    await soak(vhost.url, redis.url)
    vhost.drop()
  },
)
