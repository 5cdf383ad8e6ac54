import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type PoolBench, poolBench } from '../conformance/pool.ts'
import { waitFor } from '../helpers/clock.ts'
import { makeProject, temporaryFolder } from '../helpers/project.ts'

// Children start in their own time, several of them in one test.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => {
  vi.unstubAllEnvs()
})

for (const name of ['threads', 'prefork'] as const) {
  describe(`children of the pool ${name}`, () => {
    let shared: PoolBench

    // For tests after which it has an idle child again: to start a pool takes its time.
    beforeAll(async () => {
      shared = await poolBench(name, { isShared: true })
    })

    afterAll(async () => {
      await shared.stop()
    })

    test('a task that ends its child is lost, and the child replaced', async () => {
      const { run, pool } = shared

      const lost = await run('t.exit').outcome
      const next = await run('t.add', 1, 2).outcome

      expect(lost).toMatchObject({
        kind: 'workerLost',
        failure: {
          stored: { type: 'WorkerLostError', message: ['Worker exited prematurely: exit code 3.'] },
          traceback: 'WorkerLostError: Worker exited prematurely: exit code 3.',
        },
      })
      expect(next).toEqual({ kind: 'success', value: 3 })
      expect(pool.busy).toBe(0)
    })

    test('a task that calls process.exit(0) is lost, too', async () => {
      const { run } = shared

      expect(await run('t.exit', 0).outcome).toMatchObject({
        kind: 'workerLost',
        failure: { stored: { message: ['Worker exited prematurely: exit code 0.'] } },
      })
    })

    test('a child stores a value of more than a megabyte by itself, others it hands over', async () => {
      const settings = { broker: `sqlite://${join(temporaryFolder(), 'tq.db')}`, backend: undefined }
      const { run, app } = await poolBench(name, { settings })

      const small = await run('t.large', 2).outcome
      const large = await run('t.large', 100_000).outcome

      const stored = await (await app.connections.backend()).fetch(['id-1', 'id-2'])
      expect(small).toEqual({ kind: 'success', value: ['row 0', 'row 1'] })
      expect(large).toMatchObject({
        kind: 'success',
        value: null,
        stored: { repr: expect.stringMatching(/^\['row 0', .*\.\.\.$/) as string },
      })
      expect(stored).toMatchObject([undefined, { id: 'id-2', state: 'SUCCESS', result: { length: 100_000 } }])
    })

    test('a rejection after the end of its task harms nobody', async () => {
      const { run, pool } = shared
      const file = join(temporaryFolder(), 'go')
      const { pids } = pool

      const ended = await run('t.later', file).outcome
      writeFileSync(file, '')
      await waitFor(() => existsSync(`${file}.heard`))
      const next = await run('t.add', 1, 2).outcome

      expect([ended, next]).toEqual([
        { kind: 'success', value: 'ended' },
        { kind: 'success', value: 3 },
      ])
      expect(pool.pids).toEqual(pids)
    })

    test('a child that is not ready in time is killed, reported and tried again later', async () => {
      const project = makeProject({
        'app.ts': `
          import { existsSync, writeFileSync } from 'node:fs'
          import { Tq } from 'tq-runtime'
          const hangs = !existsSync(new URL('loose', import.meta.url))
          writeFileSync(new URL('began', import.meta.url), '')
          if (hangs) await new Promise(() => setInterval(() => {}, 1000))
          export const app = new Tq('pools', { broker: 'memory://' })
          app.task('t.where', () => 'here')
        `,
      })
      const { pool, clock, run } = await poolBench(name, {
        file: project.path('app.ts'),
        settings: { workerProcAliveTimeout: 7 },
        isCold: true,
      })

      const starting = pool.start()
      await waitFor(() => existsSync(project.path('began')))
      project.write('loose', '')
      await clock.advance(7000)

      await expect(starting).rejects.toMatchObject({
        code: 'TQ_LOAD',
        message: expect.stringContaining('could not start (it was not ready within 7 s)') as string,
      })
      await clock.advance(1000)
      expect(await run('t.where').outcome).toEqual({ kind: 'success', value: 'here' })
    })

    test('a child takes compiled code from where its worker has it', async () => {
      enableCompileCache()
      vi.stubEnv('NODE_COMPILE_CACHE', undefined)
      const project = makeProject({
        'app.ts': `
          import { Tq } from 'tq-runtime'
          export const app = new Tq('pools', { broker: 'memory://' })
          app.task('t.cache', () => process.env.NODE_COMPILE_CACHE)
        `,
      })
      const { run } = await poolBench(name, { file: project.path('app.ts') })

      const outcome = await run('t.cache').outcome

      expect(outcome).toEqual({ kind: 'success', value: dirname(getCompileCacheDir() ?? '') })
    })

    test('a task that never yields is ended at its hard limit', async () => {
      const { started, run } = shared
      const blocked = await started('t.block')

      blocked.run.expire(1)

      expect(await blocked.run.outcome).toMatchObject({ kind: 'timeout', limitSeconds: 1 })
      expect(await run('t.add', 1, 2).outcome).toEqual({ kind: 'success', value: 3 })
    })

    test('a value that no message can hold fails the task, and says where', async () => {
      const { run } = shared

      expect(await run('t.unsendable').outcome).toMatchObject({
        kind: 'failure',
        failure: { stored: { type: 'EncodeError', message: [expect.stringContaining('price.of')] } },
      })
    })

    test('a rejection that nobody handles fails the task that it belongs to', async () => {
      const { run } = shared

      expect(await run('t.stray').outcome).toMatchObject({
        kind: 'failure',
        failure: { text: 'Error: nobody waits for this' },
      })
    })

    test('a child runs one task at a time, those behind it wait in their order', async () => {
      const { started, run, pool } = shared
      const held = await started('t.hold')
      const order: string[] = []
      const behind = ['a', 'b'].map((word, at) => run('t.add', at, 0).outcome.then(() => order.push(word)))
      const busy = pool.busy
      const before = [...order]

      held.release()
      await held.run.outcome
      await Promise.all(behind)

      expect([busy, before, order]).toEqual([3, [], ['a', 'b']])
    })

    test('a run that waits for a child ends at once when it is terminated', async () => {
      const { started, run } = shared
      const held = await started('t.hold')
      const waiting = run('t.add', 1, 1)

      waiting.terminate('SIGTERM')

      expect(await waiting.outcome).toMatchObject({ kind: 'revoked', reason: 'terminated' })
      held.release()
      expect(await held.run.outcome).toEqual({ kind: 'success', value: 'held' })
    })

    test('a child ends after so many tasks', async () => {
      const { run } = await poolBench(name, { maxTasksPerChild: 2 })

      const places: unknown[] = []
      for (let at = 0; at < 4; at++) places.push(await run('t.where').outcome)

      expect(places[1]).toEqual(places[0])
      expect(places[3]).toEqual(places[2])
      expect(places[2]).not.toEqual(places[0])
    })

    test('a child that holds more memory than allowed ends after its task', async () => {
      const { run, logged } = await poolBench(name, { maxMemoryPerChild: 150 * 1024 })

      const before = await run('t.where').outcome
      const same = await run('t.where').outcome
      await run('t.greedy').outcome
      const after = await run('t.where').outcome

      expect(same).toEqual(before)
      expect(after).not.toEqual(before)
      expect(logged).toEqual([expect.stringContaining('more than workerMaxMemoryPerChild allows')])
    })

    test('a pool whose children cannot start says why', async () => {
      const project = makeProject({ 'app.ts': "throw new Error('the price list is missing')" })
      const { pool } = await poolBench(name, { file: project.path('app.ts'), isCold: true })

      await expect(pool.start()).rejects.toMatchObject({
        code: 'TQ_LOAD',
        message: expect.stringContaining('the price list is missing') as string,
      })
    })

    test('children that cannot start any more are reported once and tried again with growing pauses', async () => {
      const project = makeProject({
        'app.ts': `
          import { appendFileSync, existsSync } from 'node:fs'
          import { Tq } from 'tq-runtime'
          appendFileSync(new URL('starts', import.meta.url), '.')
          if (existsSync(new URL('broken', import.meta.url))) throw new Error('the price list is missing')
          export const app = new Tq('pools', { broker: 'memory://' })
          app.task('t.exit', () => process.exit(3))
          app.task('t.where', () => 'here')
        `,
      })
      const starts = (): number => readFileSync(project.path('starts'), 'utf8').length
      const { run, pool, logged, clock } = await poolBench(name, { file: project.path('app.ts') })
      writeFileSync(project.path('broken'), '')

      await run('t.exit').outcome
      await waitFor(() => starts() === 2 && logged.length === 1)
      await clock.advance(999)
      const early = starts()
      await clock.advance(1)
      await waitFor(() => starts() === 3 && pool.pids.length === 0)
      rmSync(project.path('broken'))
      await clock.advance(1999)
      const stillEarly = starts()
      await clock.advance(1)
      const well = await run('t.where').outcome

      expect([early, stillEarly]).toEqual([2, 3])
      expect(well).toEqual({ kind: 'success', value: 'here' })
      expect(logged).toEqual([expect.stringMatching(/^ERROR A child .* could not start .*the price list is missing/s)])
    })
  })
}

describe('processes of the pool prefork', () => {
  test('a child that is killed while it runs is lost, and replaced', async () => {
    const { run, pool } = await poolBench('prefork')
    const [before] = pool.pids

    const lost = await run('t.kill').outcome

    expect(lost).toMatchObject({
      kind: 'workerLost',
      failure: { stored: { message: ['Worker exited prematurely: signal SIGKILL.'] } },
    })
    expect(await run('t.add', 1, 2).outcome).toEqual({ kind: 'success', value: 3 })
    expect(pool.pids).not.toContain(before)
  })

  test('a child that runs out of memory is lost, and says so', async () => {
    vi.stubEnv('NODE_OPTIONS', '--max-old-space-size=40')
    const { run } = await poolBench('prefork')

    const lost = await run('t.hoard').outcome

    expect(lost).toMatchObject({
      kind: 'workerLost',
      failure: { stored: { message: ['Worker exited prematurely: signal SIGABRT, out of memory.'] } },
    })
  })

  test('a child that ignores SIGTERM is killed after five seconds', async () => {
    const { started, clock } = await poolBench('prefork')
    const { run } = await started('t.stubborn')
    let isOver = false
    const outcome = run.outcome.finally(() => {
      isOver = true
    })

    run.terminate('SIGTERM')
    await clock.advance(4999)
    const before = isOver
    await clock.advance(1)

    expect(await outcome).toMatchObject({ kind: 'revoked', reason: 'terminated', signal: 'SIGTERM' })
    expect(before).toBe(false)
  })

  test('no process is left when the pool has stopped', async () => {
    const { started, pool, clock } = await poolBench('prefork', { concurrency: 2 })
    await started('t.stubborn')
    await started('t.block')
    const { pids } = pool

    const stopping = pool.stop('kill', 0)
    await waitFor(() => !isAlive(pids[1]) || !isAlive(pids[0]))
    await clock.advance(5000)
    await stopping

    expect(pids.map(isAlive)).toEqual([false, false])
    expect(pool.pids).toEqual([])
  })
})

function isAlive(pid = 0): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
