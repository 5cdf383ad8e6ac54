import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Signals } from '../../runtime/src/app/signals.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { loadApp } from '../../runtime/src/run/loader.ts'
import { bench } from '../helpers/app.ts'
import { makeProject, temporaryFolder } from '../helpers/project.ts'
import { makeApp } from './fixtures/running.ts'

// Children start in their own time.
vi.setConfig({ testTimeout: 120_000 })

const aboutWorkers = [
  'celerydInit',
  'workerInit',
  'celerydAfterSetup',
  'workerProcessInit',
  'workerReady',
  'workerShuttingDown',
  'workerProcessShutdown',
  'workerShutdown',
] as const satisfies readonly (keyof Signals)[]

test('a worker tells of its start and its end, in this order', async () => {
  const { app, worker, pass } = bench()
  const heard: string[] = []
  for (const signal of aboutWorkers) app.on(signal, ({ sender }) => heard.push(`${signal} of ${sender}`))
  const started = await worker()

  await pass(started.stop())

  expect(heard).toEqual(aboutWorkers.map((signal) => `${signal} of w1@test`))
})

test('asynchronous listeners hold a worker up: what comes next waits for them', async () => {
  const { app, worker, clock, pass } = bench()
  const order: string[] = []
  app.on('workerProcessInit', async () => {
    await clock.sleep(1000)
    order.push('connected')
  })
  app.on('workerReady', () => order.push('ready'))

  await pass(worker())

  expect(order).toEqual(['connected', 'ready'])
})

test('a listener of celerydInit sets up workers by their names', async () => {
  const { app, eventsOf, hear, ready } = bench()
  app.on('celerydInit', () => app.configure({ workerSendTaskEvents: true }), { sender: 'w1@*' })
  app.on('celerydInit', () => app.configure({ workerSendTaskEvents: false }), { sender: 'w2@*' })
  const task = app.task('t.one', () => 1)

  await app.startWorker({ hostname: 'w1@test' })
  await hear()
  const { id } = await ready(await task.delay())

  expect(eventsOf(id).map(({ type }) => type)).toContain('task-succeeded')
})

test.each([
  ['Warm', Infinity],
  ['Cold', 0],
] as const)('workerShuttingDown says that the end is %s', async (how, deadlineMs) => {
  const { app, worker, pass } = bench()
  const told: Signals['workerShuttingDown'][] = []
  app.on('workerShuttingDown', (event) => told.push(event))
  const started = await worker()

  await pass(started.stop(deadlineMs))

  expect(told).toMatchObject([{ how, worker: { hostname: 'w1@test', pool: 'async' } }])
})

test('heartbeatSent is told with each heartbeat', async () => {
  const { app, worker, clock } = bench({ workerHeartbeatInterval: 2 })
  const heard: string[] = []
  app.on('heartbeatSent', ({ sender }) => heard.push(sender))
  await worker()

  await clock.advance(6000)

  expect(heard).toEqual(['w1@test', 'w1@test', 'w1@test'])
})

test('importModules is told before the modules of tasks are imported', async () => {
  const project = makeProject({
    'app.ts': `
      import { Tq } from 'tq-runtime'
      export const app = new Tq('shop', { broker: 'memory://' })
      export const heard = []
      app.on('importModules', ({ sender, modules }) => heard.push([sender, modules.length, app.tasks().length]))
    `,
    'tasks.ts': `
      import { Task } from 'tq-runtime'
      import { app } from './app.ts'
      class One extends Task {
        run() {
          return 1
        }
      }
      export const one = app.registerTask('t.one', One)
    `,
  })

  const { app, exports } = await loadApp({ cwd: project.folder, app: 'app.ts' })

  expect(exports['heard']).toEqual([['shop', 1, 0]])
  expect(app.tasks().map(({ taskName }) => taskName)).toEqual(['t.one'])
})

test.each(['threads', 'prefork'] as const)(
  'the children of %s tell what happens in them, to their own listeners',
  async (pool) => {
    const folder = temporaryFolder()
    const app = makeApp({ broker: `sqlite://${join(folder, 'tq.db')}`, backend: undefined, logger: silentLogger })
    const here: string[] = []
    app.on('workerBeforeCreateProcess', ({ sender, pool: name }) => here.push(`${sender} starts one of ${name}`))
    app.on('workerProcessInit', () => here.push('never in the worker itself'))
    const worker = await app.startWorker({ pool, concurrency: 1, hostname: 'w1@test' })

    await (await app.sendTask('t.one')).get({ timeout: 90 })
    const first = await (await app.sendTask<{ heard: string[]; place: string }>('t.heard', [join(folder, 'end')])).get({
      timeout: 90,
    })
    await worker.stop()
    await app.close()

    expect(first.heard).toEqual([
      'workerProcessInit of w1@test',
      'taskPrerun of t.one',
      'taskSuccess of t.one: 1',
      'taskPostrun of t.one: SUCCESS',
      'taskPrerun of t.heard',
    ])
    expect(first.place).not.toBe(`${process.pid} true`)
    expect(here).toEqual([`w1@test starts one of ${pool}`])
    expect(readFileSync(join(folder, 'end'), 'utf8')).toBe('workerProcessShutdown of w1@test\n')
  },
)
