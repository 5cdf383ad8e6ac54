import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { bareMessage } from '../../runtime/src/core/message.ts'
import type { Outcome } from '../../runtime/src/core/outcome.ts'
import type { Tq, TqOptions } from '../../runtime/src/index.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import type { Pool, PoolRun, StateUpdate } from '../../runtime/src/pools/pool.ts'
import { makePool, type MakePoolOptions, type PoolName } from '../../runtime/src/worker/make-pool.ts'
import { waitFor } from '../helpers/clock.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { makeApp } from '../pools/fixtures/app.ts'

/** A pool on the tasks of `pools/fixtures/app.ts`, stopped when the test ends. */
export interface PoolBench {
  readonly pool: Pool
  readonly clock: VirtualClock
  /** `WARN text`, one per line that was logged. */
  readonly logged: readonly string[]
  readonly updates: readonly StateUpdate[]
  readonly app: Tq
  /** Runs a task that was sent with these arguments. */
  run(task: string, ...args: readonly unknown[]): PoolRun
  /** Runs `t.hold` or another task that tells its start; resolves once it runs. */
  started(task: string): Promise<{ readonly run: PoolRun; release(): void }>
  /** Kills it; done by the end of the test that made it. */
  stop(): Promise<void>
}

export interface PoolBenchOptions
  extends Partial<Pick<MakePoolOptions, 'concurrency' | 'maxTasksPerChild' | 'maxMemoryPerChild' | 'onUpdate'>> {
  /** Where children load the app from, instead of the fixture. */
  readonly file?: string | undefined
  /** Of the app. */
  readonly settings?: TqOptions | undefined
  /** Not started yet. */
  readonly isCold?: boolean | undefined
  /** By several tests: whoever made it stops it. */
  readonly isShared?: boolean | undefined
}

export async function poolBench(name: PoolName, options: PoolBenchOptions = {}): Promise<PoolBench> {
  const { file, settings = {}, isCold = false, isShared = false, concurrency = 1, ...more } = options
  const clock = new VirtualClock()
  const logged: string[] = []
  const updates: StateUpdate[] = []
  const at = (level: string) => (text: string) => void logged.push(`${level} ${text}`)
  const logger = { debug: at('DEBUG'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') }
  const app = makeApp({ clock, logger, ...settings })
  if (file !== undefined) app.file = file
  const onUpdate = async (update: StateUpdate): Promise<void> => void updates.push(update)
  const pool = makePool({ app, hostname: 'w1@test', pool: name, concurrency, include: [], onUpdate, ...more })
  const stop = async (): Promise<void> => {
    await settled(clock, pool.stop('kill', 0))
    await app.close()
  }
  if (!isShared) onTestFinished(stop)
  if (!isCold) await pool.start()
  let sent = 0
  const run = (task: string, ...args: readonly unknown[]): PoolRun => {
    const id = `id-${++sent}`
    const deliveryInfo = { queue: 'q', exchange: '', routingKey: 'q', priority: 0, redelivered: false, deliveries: 1 }
    const message = bareMessage({ id, task, args, origin: 'tests' })
    const storing = { meta: { id, state: 'SUCCESS' }, ttlMs: 60_000, replyTo: '' }
    return pool.run({ message, deliveryInfo, hostname: 'w1@test', storing })
  }
  return {
    app,
    pool,
    clock,
    logged,
    updates,
    run,
    stop,
    started: async (task) => {
      const go = join(temporaryFolder(), 'go')
      const one = run(task, go)
      await waitFor(() => existsSync(`${go}.started`))
      return { run: one, release: () => writeFileSync(go, '') }
    },
  }
}

/** Lets the grace of children pass while processes end in their own time. */
async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isOver = false
  const over = (): void => {
    isOver = true
  }
  promise.then(over, over)
  await waitFor(async () => {
    await clock.advance(100)
    return isOver
  })
  return promise
}

/** What every pool does. */
export function describePool(name: PoolName): void {
  describe(`pool ${name}`, () => {
    const inChildren = name === 'threads' || name === 'prefork'
    let shared: PoolBench

    // For tests that leave it as they found it: to start a child takes its time.
    beforeAll(async () => {
      shared = await poolBench(name, { isShared: true })
    })

    afterAll(async () => {
      await shared.stop()
    })

    test('a run gives the value of its task and tells where it runs', async () => {
      const { run, pool, clock } = shared

      const one = run('t.add', 2, 3)
      const [outcome, accepted] = await Promise.all([one.outcome, one.accepted])

      expect(outcome).toEqual({ kind: 'success', value: 5 })
      expect(accepted).toEqual({ pid: pool.pids[0], atMs: clock.now() })
    })

    test('each way of ending is an outcome', async () => {
      const { run } = shared

      const failed = await run('t.fail').outcome
      const outcomes = [failed, await run('t.ignore').outcome, await run('t.reject').outcome]

      expect(outcomes).toMatchObject([
        {
          kind: 'failure',
          failure: {
            stored: { type: 'RangeError', message: ['no such price'] },
            text: 'RangeError: no such price',
            traceback: expect.stringContaining('fixtures/app.ts'),
            expected: true,
          },
        },
        { kind: 'ignore' },
        { kind: 'reject', requeue: true, reason: 'not mine' },
      ])
    })

    test('what a task throws is told, whatever it is', async () => {
      const { run } = shared

      const frozen = await run('t.frozen').outcome
      const thrown = []
      for (const what of ['text', 'nothing', 'number', 'circle']) thrown.push(await run('t.thrown', what).outcome)

      expect(frozen).toMatchObject({ failure: { stored: { type: 'RangeError', message: ['cold'] } } })
      expect(thrown.map((outcome) => outcome.kind === 'failure' && outcome.failure.stored.message)).toEqual([
        ['just so'],
        ['undefined'],
        ['10'],
        ['<ref *1> { self: [Circular *1] }'],
      ])
    })

    test('a message of ten megabytes is cut, and says how long it was', async () => {
      const { run } = shared

      const outcome = await run('t.huge').outcome

      const [message] = (outcome.kind === 'failure' && outcome.failure.stored.message) || []
      expect(String(message).slice(65_530)).toBe('xxxxxx… (10000000 characters)')
    })

    test('a task that is unknown, or called with other arguments, fails', async () => {
      const { run } = shared

      const unknown = await run('t.nothing').outcome
      const short = await run('t.add', 1, 2, 3).outcome

      expect([typeOf(unknown), typeOf(short)]).toEqual(['NotRegistered', 'ArgumentError'])
    })

    test('a retry brings its time, its cause and what it changes', async () => {
      const { run } = shared

      const outcome = await run('t.retry').outcome

      expect(outcome).toMatchObject({
        kind: 'retry',
        etaMs: expect.any(Number),
        cause: { text: 'Error: again' },
        changes: { args: [new Date(0)], kwargs: { y: 2 } },
      })
    })

    test('a task goes on when its update is stored, not before', async () => {
      const stored = Promise.withResolvers<void>()
      const asked = Promise.withResolvers<StateUpdate>()
      const onUpdate = (update: StateUpdate): Promise<void> => {
        asked.resolve(update)
        return stored.promise
      }
      const { run } = await poolBench(name, { onUpdate })
      let outcome: Outcome | undefined

      const running = run('t.progress').outcome.then((ended) => {
        outcome = ended
      })
      const update = await asked.promise
      const before = outcome
      stored.resolve()
      await running

      expect(update).toEqual({ taskId: 'id-1', state: 'PROGRESS', meta: { part: 1 } })
      expect([before, outcome]).toEqual([undefined, { kind: 'success', value: 'went on' }])
    })

    test('an update that cannot be stored rejects in the task', async () => {
      const { run } = await poolBench(name, { onUpdate: () => Promise.reject(new Error('disk full')) })

      expect(await run('t.progress').outcome).toMatchObject({
        kind: 'failure',
        failure: { text: expect.stringContaining('disk full') },
      })
    })

    test('what a task sent are its children', async () => {
      const { run } = shared

      expect(await run('t.parent').outcome).toMatchObject({
        kind: 'success',
        children: [{ id: expect.any(String) as string }],
      })
    })

    test('a run that is terminated ends as revoked, by that signal', async () => {
      const { started } = await poolBench(name)
      const { run } = await started('t.hold')

      run.terminate('SIGTERM')

      expect(await run.outcome).toMatchObject({ kind: 'revoked', reason: 'terminated', signal: 'SIGTERM' })
    })

    test('a run that is over its hard limit ends as timeout', async () => {
      const { started } = await poolBench(name)
      const { run } = await started('t.hold')

      run.expire(7)

      expect(await run.outcome).toMatchObject({
        kind: 'timeout',
        limitSeconds: 7,
        failure: { stored: { type: 'TimeLimitExceeded', module: 'billiard.exceptions' } },
      })
    })

    test('runs of one pool know nothing of each other', async () => {
      const { started } = await poolBench(name, { concurrency: 2 })
      const [first, second] = [await started('t.hold'), await started('t.hold')]

      first.run.terminate('SIGTERM')
      await first.run.outcome
      second.release()

      expect(await second.run.outcome).toEqual({ kind: 'success', value: 'held' })
    })

    test('it grows and shrinks while tasks run, to one slot at least', async () => {
      const { pool, started } = await poolBench(name)
      const first = await started('t.hold')

      await pool.grow(2)
      const second = await started('t.hold')
      const [capacity, busy] = [pool.capacity, pool.busy]
      await pool.shrink(5)
      first.release()
      second.release()

      expect([capacity, busy, pool.capacity]).toEqual([3, 2, 1])
      expect(await Promise.all([first.run.outcome, second.run.outcome])).toEqual([
        { kind: 'success', value: 'held' },
        { kind: 'success', value: 'held' },
      ])
    })

    test('a restart lets what runs end, and runs on', async () => {
      const { pool, started, run } = await poolBench(name)
      const before = await run('t.where').outcome
      const held = await started('t.hold')

      await pool.restart()
      const after = run('t.where').outcome
      held.release()

      expect(await held.run.outcome).toEqual({ kind: 'success', value: 'held' })
      const { value } = (await after) as { readonly value?: unknown }
      expect(value !== (before as { readonly value?: unknown }).value).toBe(inChildren)
    })

    test('a drain waits for what runs', async () => {
      const { pool, started } = await poolBench(name)
      const held = await started('t.hold')

      const stopping = pool.stop('drain', Infinity)
      held.release()

      expect(await stopping).toEqual([])
      expect(await held.run.outcome).toEqual({ kind: 'success', value: 'held' })
    })

    test('a drain past its deadline names what it ended', async () => {
      const { pool, started, clock } = await poolBench(name)
      const held = await started('t.hold')

      const stopping = pool.stop('drain', clock.monotonic() + 1000)
      await clock.advance(1000)
      const left = await stopping

      expect(left.map(({ message }) => message.id)).toEqual(['id-1'])
      expect(await held.run.outcome).toMatchObject({ kind: 'revoked', reason: 'terminated' })
    })

    test('a kill ends what runs, and nothing starts after it', async () => {
      const { pool, started, run } = await poolBench(name)
      const held = await started('t.hold')

      const left = await pool.stop('kill', 0)
      const late = run('t.add', 1, 1)

      expect(left.map(({ message }) => message.id)).toEqual(['id-1'])
      expect(await held.run.outcome).toMatchObject({ kind: 'revoked', reason: 'terminated' })
      expect(await late.outcome).toMatchObject({ kind: 'revoked', reason: 'terminated' })
    })
  })
}

function typeOf(outcome: Outcome): string | undefined {
  return outcome.kind === 'failure' ? outcome.failure.stored.type : undefined
}
