import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { silentLogger, type TaskMeta, Tq } from '../../runtime/src/index.ts'
import { memoryApp } from '../../runtime/src/testing.ts'
import { deferred } from '../../runtime/src/core/lifecycle.ts'
import { bench } from '../helpers/app.ts'
import { describeBrokers } from '../helpers/brokers.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'
import { spawnBin } from '../helpers/process.ts'
import { makeProject } from '../helpers/project.ts'

const soon = { timeout: 30 }

describeBrokers('an abortable task', (broker) => {
  test('hears through its signal that another app aborts it', async () => {
    const one = await broker()
    const [app, other] = [one.app(), one.app()]
    const task = app.task('t.long', { bind: true, abortable: true }, async (self) => {
      await self.updateState({ state: 'BEGUN' })
      await self.sleep(3_600_000).catch(() => undefined)
      return [await self.isAborted(), self.signal.reason instanceof Error && self.signal.reason.message]
    })
    await app.startWorker()
    const result = await task.delay()
    for await (const { state } of result.updates()) if (state === 'BEGUN') break

    const aborted = await other.result(result.id).abort()

    expect(aborted).toBe(true)
    expect(await result.get(soon)).toEqual([true, 'The task was aborted.'])
    expect(await result.state()).toBe('SUCCESS')
  })

  test('that ends by its signal has failed, and is not tried again', async () => {
    const app = (await broker()).app({ taskTrackStarted: true })
    let runs = 0
    const options = { bind: true, abortable: true, autoretryFor: ['AbortedError', Error] } as const
    const task = app.task('t.long', options, async (self) => {
      runs++
      await self.updateState({ state: 'BEGUN' })
      await self.sleep(3_600_000)
    })
    await app.startWorker()
    const result = await task.delay()
    for await (const { state } of result.updates()) if (state === 'BEGUN') break

    await result.abort()

    await expect(result.get(soon)).rejects.toMatchObject({ code: 'TQ_TASK_FAILED', type: 'AbortedError' })
    expect(runs).toBe(1)
  })

  test('that was aborted while it waited does not begin', async () => {
    const app = (await broker()).app({ taskTrackStarted: true })
    let runs = 0
    const task = app.task('t.long', { abortable: true }, () => void runs++)
    const result = await task.delay()

    const [aborted, state] = [await result.abort(), await result.state()]
    await app.startWorker()

    expect([aborted, state, await result.isAborted()]).toEqual([true, 'ABORTED', true])
    await expect(result.get(soon)).rejects.toMatchObject({ type: 'AbortedError' })
    expect(runs).toBe(0)
  })

  test('stays aborted, whatever it tells of its progress, until it ends', async () => {
    const app = (await broker()).app()
    const backend = await app.resultBackend()
    const store = async (meta: TaskMeta): Promise<string> => {
      await backend.store([meta], { ttlMs: 60_000 })
      return app.result(meta.id).state()
    }

    const states = [
      await store({ id: 'x', state: 'ABORTED', result: null }),
      await store({ id: 'x', state: 'PROGRESS', result: 1 }),
      await store({ id: 'x', state: 'SUCCESS', result: 1 }),
      await store({ id: 'x', state: 'ABORTED', result: null }),
    ]

    expect(states).toEqual(['ABORTED', 'ABORTED', 'SUCCESS', 'SUCCESS'])
  })

  test('that has ended cannot be aborted', async () => {
    const app = (await broker()).app()
    const task = app.task('t.fail', { abortable: true, throws: [RangeError] }, (): never => {
      throw new RangeError('no')
    })
    await app.startWorker()
    const result = await task.delay()
    await expect(result.get(soon)).rejects.toThrow('no')

    const aborted = await result.abort()

    expect([aborted, await result.state(), await result.isAborted()]).toEqual([false, 'FAILURE', false])
  })

  test('a task that is not asks when it wants to know', async () => {
    const app = (await broker()).app()
    const task = app.task('t.asks', { bind: true }, async (self) => {
      const before = await self.isAborted()
      await app.result(self.id).abort()
      return [before, await self.isAborted(), self.signal.aborted]
    })
    await app.startWorker()

    expect(await (await task.delay()).get(soon)).toEqual([false, true, false])
  })
})

test('a task in a child process hears it from another process', { timeout: 180_000 }, async () => {
  const project = makeProject({
    'package.json': '{ "type": "module", "tq": { "app": "app.ts" } }',
    'app.ts': `
      import { Tq } from 'tq-runtime'
      export const app = new Tq('aborts')
      export const long = app.task('t.long', { bind: true, abortable: true }, async (self) => {
        await self.updateState({ state: 'BEGUN' })
        await self.sleep(3_600_000).catch(() => undefined)
        return [process.pid, await self.isAborted()]
      })
    `,
  })
  const path = join(project.folder, 'tq.db')
  const worker = spawnBin('tq', ['worker', '-P', 'prefork', '-c', '1'], { cwd: project.folder, env: { TQ_DB: path } })
  const app = new Tq('aborts', { broker: `sqlite://${path}`, logger: silentLogger })
  onTestFinished(async () => {
    await app.close()
    await worker.stop()
  })
  const result = await app.sendTask<readonly [pid: number, aborted: boolean]>('t.long')
  for await (const { state } of result.updates()) if (state === 'BEGUN') break

  await result.abort()

  const [pid, aborted] = await result.get({ timeout: 90 })
  expect(aborted).toBe(true)
  expect([process.pid, worker.pid]).not.toContain(pid)
})

test('an abort is no error in the log', async () => {
  const { app, worker, ready, logged } = bench()
  const task = app.task('t.long', { abortable: true }, () => 1)
  const result = await task.delay()
  await result.abort()
  await worker()

  const { state } = await ready(result)

  const lines = logged.filter((line) => line.includes('aborted'))
  expect([state, lines]).toEqual([
    'FAILURE',
    [`INFO Task t.long[${result.id}] failed as expected: AbortedError: The task was aborted.`],
  ])
})

test('an eager task aborts itself as any other', async () => {
  const app = memoryApp('tests', { taskAlwaysEager: true })
  onTestFinished(() => app.close())
  const task = app.task('t.asks', { bind: true, abortable: true }, async (self) => {
    await app.result(self.id).abort()
    await self.sleep(3_600_000).catch(() => undefined)
    return self.isAborted()
  })

  expect(await (await task.delay()).get()).toBe(true)
})

test('called directly it is never aborted', async () => {
  const app = memoryApp()
  onTestFinished(() => app.close())
  const task = app.task('t.asks', { bind: true, abortable: true }, (self) => self.isAborted())

  expect(await task()).toBe(false)
})

test('where results are disabled nothing can be aborted, and the error says what to do', async () => {
  const app = memoryApp('tests', { backend: 'disabled' })
  onTestFinished(() => app.close())

  const aborting = app.result('x').abort()

  await expect(aborting).rejects.toMatchObject({
    code: 'TQ_CHANNEL',
    message: expect.stringMatching(/'disabled' keeps no states .* redis, sqlite or memory/),
  })
})

test('where results are disabled an abortable task runs all the same', async () => {
  const { app, worker, pass } = bench({ backend: 'disabled' })
  const ran = deferred<string>()
  const task = app.task('t.long', { abortable: true }, () => ran.resolve('ran'))
  await worker()

  await task.delay()

  expect(await pass(ran.promise)).toBe('ran')
})

test.skipIf(!requireService('rabbitmq'))('over rpc:// a state reaches nobody but who sent the task', async () => {
  const vhost = (await sharedRabbitmq()).vhost()
  const app = new Tq('tests', { broker: vhost.url, backend: 'rpc://', logger: silentLogger })
  onTestFinished(async () => {
    await app.close()
    vhost.drop()
  })

  await expect(app.result('x').abort()).rejects.toThrow("'rpc' keeps no states")
})
