import { describe, expect, onTestFinished, test } from 'vitest'
import { deferred } from '../../runtime/src/core/lifecycle.ts'
import { type Refusal, silentLogger, systemClock, Tq } from '../../runtime/src/index.ts'
import { describeBrokers } from '../helpers/brokers.ts'
import { bench } from '../helpers/app.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

const countdown = 3600

describeBrokers(
  'what waits for its ETA',
  (broker) => {
    test('waits in the broker, and the worker still tells what is scheduled', { timeout: 60_000 }, async () => {
      const app = (await broker()).app()
      const later = app.task('t.later', { redact: ['secret'] }, (x: number, secret: string) => `${x} ${secret}`)
      await app.startWorker({ hostname: 'w1@test', concurrency: 2 })
      const begin = app.clock.now()
      // More than it would hold.
      const results = await app.sendMany(
        Array.from({ length: 20 }, (_, at) => ({
          task: later,
          args: [at, 'hunter2'],
          options: { countdown: countdown + at },
        })),
      )
      const transport = await app.connections.transport()
      await waitFor(async () => (await transport.queueInfo('celery')).parked === 20, { what: '20 parked messages' })

      const answers = await app.control.inspect('scheduled', { timeoutMs: 30_000, limit: 1 })
      const reserved = await app.control.inspect('reserved', { timeoutMs: 30_000, limit: 1 })

      const { 'w1@test': answer } = answers
      const scheduled = listOf(answer)
      expect(reserved).toEqual({ 'w1@test': [] })
      expect(scheduled).toHaveLength(20)
      expect(new Set(scheduled.map(({ request }) => request.id))).toEqual(new Set(results.map(({ id }) => id)))
      expect(JSON.stringify(scheduled)).not.toContain('hunter2')
      const [first] = scheduled
      expect(Date.parse(String(first?.eta))).toBeGreaterThanOrEqual(begin + countdown * 1000)
      expect(first).toMatchObject({
        request: { name: 't.later', hostname: 'w1@test', acknowledged: false, deliveryInfo: { routingKey: 'celery' } },
      })
      expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0, parked: 20 })
    })
  },
  { rabbitmq: true },
)

function listOf<T>(answer: readonly T[] | Refusal | undefined): readonly T[] {
  return answer === undefined || 'error' in answer ? [] : answer
}

describeBrokers('what has expired', (broker) => {
  test('is revoked instead of run', async () => {
    const app = (await broker()).app()
    let runs = 0
    const task = app.task('t.task', () => void runs++)
    const result = await task.applyAsync([], { expires: new Date(app.clock.now() - 1) })
    await app.startWorker()

    const got = result.get({ timeout: 60 })

    await expect(got).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'expired' })
    expect([await result.state(), runs]).toEqual(['REVOKED', 0])
  })
})

describe.skipIf(!requireService('rabbitmq'))('what has expired on rabbitmq', () => {
  // A broker that drops what expires in its queue: here it expires in the worker, behind one that runs.
  test('is revoked instead of run', { timeout: 60_000 }, async () => {
    const vhost = (await sharedRabbitmq()).vhost()
    let shiftMs = 0
    const clock = { ...systemClock, now: () => systemClock.now() + shiftMs }
    const settings = { broker: vhost.url, backend: 'rpc://', workerPrefetchMultiplier: 4, taskAcksLate: true }
    const app = new Tq('tests', { ...settings, clock, logger: silentLogger })
    onTestFinished(async () => {
      await app.close()
      vhost.drop()
    })
    const hold = deferred<void>()
    let runs = 0
    const task = app.task('t.task', () => {
      runs++
      return hold.promise
    })
    await app.startWorker({ concurrency: 1 })
    await task.delay()
    const late = await task.applyAsync([], { expires: 3600 })
    const transport = await app.connections.transport()
    await waitFor(async () => (await transport.queueInfo('celery')).held === 2, { what: 'both messages in the worker' })

    shiftMs = 7_200_000
    hold.resolve()

    await expect(late.get({ timeout: 60 })).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'expired' })
    expect(runs).toBe(1)
  })
})

describe('with two workers', () => {
  test('a broker that holds messages by itself has each of them tell what is scheduled', async () => {
    const { app, worker, pass } = bench()
    const later = app.task('t.later', () => 1)
    await worker()
    await worker({ hostname: 'w2@test' })
    const { id } = await later.applyAsync([], { countdown })

    const answers = await pass(app.control.inspect('scheduled'))

    expect(answers).toMatchObject({ 'w1@test': [{ request: { id } }], 'w2@test': [{ request: { id } }] })
  })
})
