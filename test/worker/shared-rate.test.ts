import { describe, expect, onTestFinished, test } from 'vitest'
import type { SharedRateLimit, Tq, TqOptions } from '../../runtime/src/index.ts'
import { createMemoryServer, memoryApp, VirtualClock } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'
import { describeBrokers } from '../helpers/brokers.ts'
import { waitFor } from '../helpers/wait.ts'

/** Two workers, each with an app of its own, on one memory server and one virtual clock, and when the tasks ran (seconds, by argument). */
async function pair(rateLimit: SharedRateLimit, options: TqOptions = {}) {
  const memory = await createMemoryServer()
  const clock = new VirtualClock()
  const begin = clock.now()
  const ranAt: (readonly [seconds: number, name: string])[] = []
  const apps = ['w1@test', 'w2@test'].map((hostname) => {
    const app = memoryApp('tests', { memory, clock, ...options })
    const note = (name: string): void => void ranAt.push([(clock.now() - begin) / 1000, name])
    const limited = app.task('t.limited', { rateLimit }, note)
    const free = app.task('t.free', note)
    return { app, limited, free, hostname }
  })
  const [one] = apps
  if (!one) throw new Error('no app')
  for (const { app, hostname } of apps) await app.startWorker({ hostname, concurrency: 4 })
  onTestFinished(async () => {
    for (const { app } of apps) {
      const closed = app.close()
      await clock.advance(10_000)
      await closed
    }
  })
  return { ...one, clock, ranAt, seconds: () => ranAt.map(([at]) => at), apps }
}

describe('a rate limit that workers share', () => {
  test('lets one task start per interval, whichever worker has it', async () => {
    const { limited, clock, ranAt, seconds } = await pair({ rate: '2/s', per: 'cluster' })

    for (let at = 0; at < 20; at++) await limited.delay(`${at}`)
    await clock.advance(60_000)

    expect(new Set(ranAt.map(([, name]) => name)).size).toBe(20)
    for (const [at, next] of pairs(seconds())) expect(next - at).toBeGreaterThanOrEqual(0.5)
    // Nearly none of the turns is left unused.
    expect(seconds().at(-1)).toBeLessThan(15)
  })

  test('holds up no other task, and takes no place from it', async () => {
    const { limited, free, clock, ranAt } = await pair({ rate: '1/h', per: 'cluster' })
    for (let at = 0; at < 100; at++) await limited.delay('limited')
    await clock.advance(2000)

    await free.delay('free')
    await clock.advance(0)

    expect(ranAt).toEqual([
      [0, 'limited'],
      [2, 'free'],
    ])
  })

  test('of a key function is kept for each key by itself', async () => {
    const { limited, clock, ranAt } = await pair({ rate: '1/s', per: (name: string) => name })

    for (const name of ['ada', 'bob', 'ada', 'bob']) await limited.delay(name)
    await clock.advance(10_000)

    const of = (wanted: string) => ranAt.filter(([, name]) => name === wanted).map(([at]) => at)
    for (const name of ['ada', 'bob']) {
      const [first = -1, second = -1] = of(name)
      expect(first).toBe(0)
      expect(second).toBeGreaterThanOrEqual(1)
      expect(second).toBeLessThan(4)
    }
  })

  test('is none where the key function says undefined', async () => {
    const { limited, clock, seconds } = await pair({ rate: '1/h', per: () => undefined })

    for (let at = 0; at < 5; at++) await limited.delay('x')
    await clock.advance(0)

    expect(seconds()).toEqual([0, 0, 0, 0, 0])
  })

  test('of a key function that throws is that of the whole task', async () => {
    const { limited, clock, seconds } = await pair({
      rate: '1/h',
      per: () => {
        throw new Error('no key')
      },
    })

    for (let at = 0; at < 3; at++) await limited.delay('x')
    await clock.advance(1000)

    expect(seconds()).toEqual([0])
  })

  test('what waits for a turn that is far away waits in the broker', async () => {
    const { limited, clock, app } = await pair({ rate: '1/m', per: 'cluster' })
    for (let at = 0; at < 5; at++) await limited.delay('x')

    await clock.advance(1500)

    const transport = await app.connections.transport()
    expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0, parked: 4 })
  })

  test('what waits can be revoked and expires', async () => {
    const { limited, app, clock, seconds } = await pair({ rate: '1/m', per: 'cluster' })
    await limited.delay('x')
    await clock.advance(10)
    const [unwanted, late] = [await limited.delay('x'), await limited.applyAsync(['x'], { expires: 30 })]
    await clock.advance(10)

    await unwanted.revoke()
    await clock.advance(600_000)

    expect(await app.result(unwanted.id).state()).toBe('REVOKED')
    expect(await app.result(late.id).state()).toBe('REVOKED')
    expect(seconds()).toEqual([0])
  })

  test('what waits for its turn goes back when its worker stops', async () => {
    const { app, worker, pass, rest } = bench()
    const limited = app.task('t.limited', { rateLimit: { rate: '2/s', per: 'cluster' } }, () => 1)
    const one = await worker()
    for (let at = 0; at < 3; at++) await limited.delay()
    await rest()

    await pass(one.stop())
    await rest()

    expect(await (await app.connections.transport()).queueInfo('celery')).toMatchObject({
      ready: 2,
      held: 0,
      parked: 0,
    })
  })

  test('is changed by remote control, and taken away', async () => {
    const { limited, app, clock, seconds } = await pair({ rate: '1/h', per: 'cluster' })
    const command = async (rate: string | number): Promise<void> => {
      const told = app.control.rateLimit('t.limited', rate)
      await clock.advance(10_000)
      await told
    }
    await limited.delay('x')
    await clock.advance(0)
    await command('1/s')
    await command(0)

    for (let at = 0; at < 3; at++) await limited.delay('x')
    await clock.advance(0)

    expect(seconds()).toEqual([0, 20, 20, 20])
  })

  test('is left out with workerDisableRateLimits', async () => {
    const limit = { rate: '1/h', per: 'cluster' } as const
    const { limited, clock, seconds } = await pair(limit, { workerDisableRateLimits: true })

    for (let at = 0; at < 3; at++) await limited.delay('x')
    await clock.advance(0)

    expect(seconds()).toEqual([0, 0, 0])
  })

  test('of no rate is an error when the worker starts', async () => {
    const { app, worker } = bench()
    app.task('t.limited', { rateLimit: { rate: 'fast', per: 'cluster' } }, () => 1)

    await expect(worker()).rejects.toThrow('expected a rate limit to be a number or like 10/s')
  })
})

describeBrokers('a rate limit that workers share', (broker) => {
  test('is kept by two workers together', async () => {
    const one = await broker()
    const ran: string[] = []
    const apps = [one.app(), one.app()].map((app, at) => ({ app, task: define(app, () => ran.push(`w${at}`)) }))
    for (const [at, { app }] of apps.entries()) await app.startWorker({ hostname: `w${at}@test` })
    const [first] = apps
    const begin = performance.now()

    const results = await Promise.all(Array.from({ length: 8 }, async () => first?.task.delay()))
    await Promise.all(results.map(async (result) => result?.get({ timeout: 60 })))

    expect(ran).toHaveLength(8)
    // Seven intervals lie between the first start and the last, however slow the machine is.
    expect(performance.now() - begin).toBeGreaterThanOrEqual(7 * 50 - 50)
  })
})

describeBrokers('what waits for a turn that is far away', (broker) => {
  test('waits in the broker, and a free task goes before it', async () => {
    const app = (await broker()).app()
    const limited = app.task('t.limited', { rateLimit: { rate: '1/h', per: 'cluster' } }, () => 1)
    const free = app.task('t.free', () => 'free')
    await app.startWorker({ concurrency: 2 })
    for (let at = 0; at < 12; at++) await limited.delay()

    const result = await free.delay()

    expect(await result.get({ timeout: 60 })).toBe('free')
    const transport = await app.connections.transport()
    await waitFor(async () => (await transport.queueInfo('celery')).parked === 11, { what: '11 parked messages' })
    expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
  })
})

function define(app: Tq, fn: () => unknown) {
  return app.task('t.limited', { rateLimit: { rate: '20/s', per: 'cluster' } }, () => void fn())
}

function pairs(values: readonly number[]): readonly (readonly [number, number])[] {
  return values.slice(1).map((value, at) => [values[at] ?? 0, value])
}
