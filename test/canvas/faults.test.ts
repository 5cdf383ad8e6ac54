import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { deferred } from '../../runtime/src/core/lifecycle.ts'
import { chord, type Logger, silentLogger, Tq } from '../../runtime/src/index.ts'
import { describeBrokers } from '../helpers/brokers.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

// Servers and workers start in their own time.
vi.setConfig({ testTimeout: 300_000 })

const timeout = 240

/** A server that keeps what it has confirmed. */
function persistentRedis(): Promise<RedisServer> {
  return startRedis('--appendonly', 'yes', '--appendfsync', 'always', '--dir', temporaryFolder())
}

function tasksOf(app: Tq) {
  const runs: unknown[] = []
  const total = app.task('total', (ns: readonly number[]): number => {
    runs.push(ns)
    return ns.reduce((a, b) => a + b, 0)
  })
  return { total, runs, part: app.task('part', (n: number): number => n) }
}

describe.skipIf(!requireService('redis'))('servers that go away while a chord completes', () => {
  test('a result backend that is down when the parts end gets them, and the body, when it is back', async () => {
    const [broker, results] = await Promise.all([startRedis(), persistentRedis()])
    const warnings: string[] = []
    const logger: Logger = { ...silentLogger, warn: (text) => void warnings.push(text) }
    const app = new Tq('faults', { brokerUrl: broker.url, resultBackend: results.url, logger })
    onTestFinished(() => app.close())
    const { total } = tasksOf(app)
    const release = deferred<void>()
    let started = 0
    const held = app.task('held', async (n: number): Promise<number> => {
      started++
      await release.promise
      return n
    })
    await app.startWorker({ hostname: 'w1@test' })
    const result = await chord(
      [1, 2, 3].map((n) => held.s(n)),
      total.s(),
    ).delay()
    await waitFor(() => started === 3, { what: 'all parts', timeoutMs: 200_000 })

    await results.kill()
    release.resolve()
    await waitFor(() => warnings.some((text) => text.startsWith('Could not count held')), {
      what: 'a part that could not be counted',
      timeoutMs: 200_000,
    })
    await results.restart()

    expect(await result.get({ timeout })).toBe(6)
  })

  test('chords go on where they were after a restart of the server that has it all', async () => {
    const server = await persistentRedis()
    const app = new Tq('faults', {
      brokerUrl: server.url,
      taskAcksLate: true,
      chordSweepInterval: 0.5,
      brokerTransportOptions: { visibilityTimeout: 2 },
      logger: silentLogger,
    })
    onTestFinished(() => app.close())
    const { part, total, runs } = tasksOf(app)
    const numbers = Array.from({ length: 30 }, (_, n) => n)
    const results = []
    for (const n of numbers) {
      results.push(
        await chord(
          [1, 2, 3].map((i) => part.s(n * i)),
          total.s(),
        ).delay(),
      )
    }
    await app.startWorker({ hostname: 'w1@test', concurrency: 2 })
    await waitFor(() => runs.length > 0, { what: 'the first body', timeoutMs: 200_000 })

    await server.kill()
    await server.restart()

    expect(await app.resultSet(results).get({ timeout })).toEqual(numbers.map((n) => 6 * n))
  })
})

describeBrokers('a part that is delivered twice', (broker) => {
  test('counts once, and its chord gives one result', async () => {
    const app = (await broker()).app()
    const { part, total } = tasksOf(app)
    const result = await chord(
      [1, 2, 3].map((n) => part.s(n)),
      total.s(),
    ).delay()
    const transport = await app.connections.transport()
    const messages = await transport.peek('celery', { limit: 10, state: 'ready' })
    expect(messages.length).toBe(3)
    await transport.publish(messages.map((message) => ({ exchange: '', routingKey: 'celery', message })))

    await app.startWorker({ hostname: 'w1@test', concurrency: 1 })

    expect(await result.get({ timeout })).toBe(6)
    const drained = async (): Promise<boolean> => {
      const { ready, held } = await transport.queueInfo('celery')
      return ready + held === 0
    }
    await waitFor(drained, { what: 'an empty queue', timeoutMs: 200_000 })
    expect(await result.get({ timeout })).toBe(6)
    const backend = await app.connections.backend()
    expect((await backend.chordRecord({ groupId: result.parent?.id ?? '' }))?.size).toBeUndefined()
  })
})
