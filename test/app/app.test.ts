import { expect, test } from 'vitest'
import type { TqOptions } from '../../runtime/src/index.ts'
import { BoundTask, Tq } from '../../runtime/src/index.ts'
import { createMemoryServer, memoryApp } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'

/** Options that TypeScript would refuse. */
const asOptions = (given: object): TqOptions => given

test.each([
  [{ brokr: 'memory://' }, "There is no setting 'brokr'. Did you mean 'broker'?"],
  [{ task_acks_late: true }, "Setting 'task_acks_late' is called 'taskAcksLate' here."],
  [{ taskAcksLate: 'yes' }, "expected taskAcksLate to be true or false, got 'yes'"],
])('a wrong setting fails where the app is made: %j', (options, message) => {
  expect(() => new Tq('tests', asOptions(options))).toThrowError(
    expect.objectContaining({ code: 'TQ_SETTING', message }),
  )
})

test('configure() changes settings until the app has connected', async () => {
  const { app } = bench({ taskDefaultQueue: 'one' })

  app.configure({ taskDefaultQueue: 'two' })
  expect(app.settings.taskDefaultQueue).toBe('two')
  await app.sendTask('t.add')

  expect(() => app.configure({ taskDefaultQueue: 'three' })).toThrowError(
    expect.objectContaining({ code: 'TQ_SETTING', message: expect.stringContaining('connected already') }),
  )
  expect(app.settings.taskDefaultQueue).toBe('two')
})

test('configure() turns eager calls on and off', () => {
  const { app } = bench()

  app.configure({ taskAlwaysEager: true })
  expect(app.eager).toBe(true)
  app.configure({ taskAcksLate: true })
  expect(app.eager).toBe(true)
  app.configure({ taskAlwaysEager: false })
  expect(app.eager).toBe(false)
})

test('a task called directly runs here, with a context of its own when it is bound', async () => {
  const { app } = bench()
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const bound = app.task('t.bound', { bind: true }, (self, x: number) => {
    const { request } = self
    self.checkpoint()
    return {
      x,
      isTask: self instanceof BoundTask,
      direct: request.calledDirectly,
      args: request.args,
      task: request.task,
    }
  })

  expect(add(2, 2)).toBe(4)
  expect(bound(5)).toEqual({ x: 5, isTask: true, direct: true, args: [5], task: 't.bound' })
  expect((await (await app.connections.transport()).queueInfo('celery')).ready).toBe(0)
})

test('updateState in a direct call stores nothing', async () => {
  const { app } = bench()
  const bound = app.task('t.bound', { bind: true }, async (self) => {
    await self.updateState({ state: 'PROGRESS' })
    return app.result(self.id).state()
  })

  expect(await bound()).toBe('PENDING')
})

test('what a direct call sends has no parent', async () => {
  const { app } = bench()
  const add = app.task('t.add', (x: number) => x)
  const outer = app.task('t.outer', { bind: true }, async () => (await add.delay(1)).id)

  const id = await outer()

  const [message] = await (await app.connections.transport()).peek('celery', { limit: 1, state: 'ready' })
  expect(message?.headers).toMatchObject({ id, root_id: id, parent_id: null })
})

test('several apps of one process have servers of their own, or share one', async () => {
  const memory = await createMemoryServer()
  const [a, b, alone] = [memoryApp('a', { memory }), memoryApp('b', { memory }), memoryApp('alone')]
  await a.sendTask('t.add')

  const ready = async (app: Tq): Promise<number> =>
    (await (await app.connections.transport()).queueInfo('celery')).ready

  expect([await ready(a), await ready(b), await ready(alone)]).toEqual([1, 1, 0])
  for (const app of [a, b, alone]) await app.close()
})

test('an external task is called by name and cannot run here', async () => {
  const { app, worker, pass } = bench()
  app.task('math.add', (x: number, y: number) => x + y)
  const add = app.external<(x: number, y: number) => number>('math.add', { queue: 'celery' })
  await worker()

  expect(await pass((await add.delay(2, 2)).get())).toBe(4)
  expect(await pass((await add.s(3).delay(4)).get())).toBe(7)
  expect(() => add(2, 2)).toThrow("Task 'math.add' is implemented elsewhere")
  expect(app.tasks().map(({ taskName }) => taskName)).toEqual(['math.add'])
})

test('close() ends the workers of the app, and may be called again', async () => {
  const { app, worker, pass } = bench()
  const running = await worker()

  await pass(app.close())
  await pass(app.close())

  expect(running.state).toBe('stopped')
})

test('close() ends everything although a part of it fails to end, and says which', async () => {
  const { app, clock } = bench()
  const ended: string[] = []
  await app.sendTask('t.add')
  const transport = await app.connections.transport()
  app.onClose(async () => void ended.push('first'))
  app.onClose(() => Promise.reject(new Error('it does not end')))

  await expect(app.close()).rejects.toThrow('it does not end')

  expect(ended).toEqual(['first'])
  expect([app.connections.used, clock.pending]).toEqual([false, 0])
  await expect(transport.queueInfo('celery')).rejects.toThrow('closed')
})

test('close() without a use does nothing, and a closed app opens again', async () => {
  const { app } = bench()
  await app.close()

  await app.sendTask('t.add')

  expect((await (await app.connections.transport()).queueInfo('celery')).ready).toBe(1)
})

test('a closed app leaves no timers', async () => {
  const { app, worker, pass, clock } = bench()
  const add = app.task('t.add', (x: number) => x)
  await worker({ idleMs: 60_000 })
  await pass((await add.delay(1)).get())
  await pass(app.control.ping())

  await pass(app.close())

  expect(clock.pending).toBe(0)
})
