import { afterAll, describe, expect, test as base, vi } from 'vitest'
import { deferred } from '../../runtime/src/core/lifecycle.ts'
import { sharedTask, silentLogger, Tq } from '../../runtime/src/index.ts'
import { fixturesOf, sentMessages, tqFixtures, VirtualClock } from '../../runtime/src/testing.ts'

const add = sharedTask('t.add', (x: number, y: number) => x + y)

describe('tqFixtures', () => {
  const test = base.extend(tqFixtures)
  const seen: Tq[] = []
  afterAll(() => {
    expect(new Set(seen).size).toBe(2)
  })

  test('tqApp is an app on memory, and nobody works for it', async ({ tqApp }) => {
    seen.push(tqApp)
    tqApp.use({ add })

    const result = await tqApp.sendTask('t.add', [1, 2])

    expect(tqApp.brokerName()).toBe('memory://')
    expect(await result.state()).toBe('PENDING')
    expect(await sentMessages(tqApp)).toMatchObject([{ id: result.id, task: 't.add', args: [1, 2] }])
  })

  test('tqWorker runs what tqApp sends, and each test has an app of its own', async ({ tqApp, tqWorker }) => {
    seen.push(tqApp)
    tqApp.use({ add })

    const result = await tqApp.sendTask('t.add', [1, 2])

    expect(await result.get({ timeout: 30 })).toBe(3)
    expect([tqWorker.state, await sentMessages(tqApp)]).toEqual(['running', []])
  })

  describe('with another configuration', () => {
    test.override({
      tqConfig: { taskDefaultQueue: 'mine', clock: new VirtualClock(0) },
      tqWorkerOptions: { hostname: 'w@test' },
    })

    test('the app has its settings and its clock, the worker its options', async ({ tqApp, tqWorker }) => {
      expect([tqApp.settings.taskDefaultQueue, tqApp.clock.now()]).toEqual(['mine', 0])
      expect([tqWorker.hostname, tqWorker.queues]).toEqual(['w@test', ['mine']])
    })
  })

  describe('a worker', () => {
    const hold = deferred<string>()
    let ended: string | undefined
    afterAll(() => {
      expect(ended).toBe('ended')
    })

    test('lets what runs end when the test is over', async ({ tqApp, tqWorker }) => {
      const begun = deferred<void>()
      tqApp.task('t.slow', async () => {
        begun.resolve()
        ended = await hold.promise
      })
      await tqApp.sendTask('t.slow')
      await begun.promise

      expect(tqWorker.state).toBe('running')
      setImmediate(() => hold.resolve('ended'))
    })
  })
})

describe('fixturesOf an app of the project', () => {
  const app = new Tq('project', { broker: 'redis://127.0.0.1:1', taskAcksLate: true, logger: silentLogger })
  const double = app.task('t.double', (x: number) => 2 * x)
  const test = base.extend(fixturesOf(app))
  afterAll(() => {
    expect(app.connections.used).toBe(false)
  })

  test('the app is on memory, whatever its settings say', async ({ tqApp, tqWorker }) => {
    const result = await double.delay(2)

    expect(await result.get({ timeout: 30 })).toBe(4)
    expect([tqApp === app, app.brokerName(), app.settings.taskAcksLate, tqWorker.state]).toEqual([
      true,
      'memory://',
      true,
      'running',
    ])
  })

  test.for([1, 2])('nothing is left of the test before it (%i)', async (_, { tqApp }) => {
    expect(await sentMessages(tqApp)).toEqual([])

    await double.delay(1)

    expect(await sentMessages(tqApp)).toHaveLength(1)
  })

  describe('with another configuration', () => {
    test.override({ tqConfig: { taskDefaultQueue: 'mine', taskAlwaysEager: true } })

    test('the app has its settings', async ({ tqApp }) => {
      expect([tqApp.settings.taskDefaultQueue, tqApp.eager]).toEqual(['mine', true])
    })
  })

  test('the settings of another test are gone', async ({ tqApp }) => {
    expect([tqApp.settings.taskDefaultQueue, tqApp.eager]).toEqual(['celery', false])
  })

  base('a broker in the environment is refused: it would win', async () => {
    vi.stubEnv('TQ_BROKER_URL', 'redis://127.0.0.1:1')
    const { tqApp } = fixturesOf(app)

    const used = tqApp({ tqConfig: {} }, async () => undefined)

    await expect(used).rejects.toThrow('TQ_BROKER_URL is set')
    vi.unstubAllEnvs()
  })
})
