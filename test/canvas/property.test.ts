import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { checkCanvases, given } from './check-canvases.ts'
import { killWhileRunning } from './killed-canvases.ts'
import { defineSteps } from './steps.ts'

// Servers and workers start in their own time.
vi.setConfig({ testTimeout: 300_000 })

describe('random canvases give what a plain evaluation gives', () => {
  test('in memory', async () => {
    const { app, worker, pass } = bench()
    defineSteps(app)
    await worker()

    await checkCanvases('memory', 300, (canvas) => given(app, canvas, pass))
  })

  test('eagerly', async () => {
    const { app } = bench()
    defineSteps(app)
    app.eager = true

    await checkCanvases('eager', 100, (canvas) => given(app, canvas))
  })

  test('on SQLite', async () => {
    const url = `sqlite://${join(temporaryFolder(), 'tq.db')}`

    await agree('sqlite', url, url)
  })

  test.skipIf(!requireService('redis'))('on Redis', async () => {
    const { url } = await startRedis()

    await agree('redis', url, url)
  })

  test.skipIf(!requireService('redis') || !requireService('rabbitmq'))(
    'on RabbitMQ with results in Redis',
    async () => {
      const [node, redis] = await Promise.all([sharedRabbitmq(), startRedis()])
      const vhost = node.vhost()
      onTestFinished(() => vhost.drop())

      await agree('rabbitmq', vhost.url, redis.url, 30)
    },
  )
})

// A few kills each; test/soak/canvas.soak.ts goes on for longer.
describe('random canvases give what a plain evaluation gives while workers are killed', () => {
  const kills = 2

  test('on SQLite', async () => {
    const url = `sqlite://${join(temporaryFolder(), 'tq.db')}`

    expect(await killWhileRunning({ brokerUrl: url, resultBackend: url, kills })).toBe(kills)
  })

  test.skipIf(!requireService('redis'))('on Redis', async () => {
    const { url } = await startRedis()

    expect(await killWhileRunning({ brokerUrl: url, resultBackend: url, kills })).toBe(kills)
  })
})

async function agree(where: string, brokerUrl: string, resultBackend: string, runs = 60): Promise<void> {
  const app = new Tq('canvases', { brokerUrl, resultBackend, logger: silentLogger })
  onTestFinished(() => app.close())
  defineSteps(app)
  await app.startWorker({ hostname: 'w1@test' })

  await checkCanvases(where, runs, (canvas) => given(app, canvas))
}
