import { expect, test } from 'vitest'
import { currentTask, sharedTask } from '../../runtime/src/index.ts'
import { createMemoryServer, memoryApp } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'

test('a shared task without an app runs directly and cannot be sent', async () => {
  const shout = sharedTask('lib.shout', (text: string) => text.toUpperCase())

  expect(shout('a')).toBe('A')
  await expect(shout.delay('a')).rejects.toMatchObject({
    code: 'TQ_NO_APP',
    message: expect.stringContaining("'lib.shout'"),
  })
  expect(() => shout.s('a')).toThrowError(expect.objectContaining({ code: 'TQ_NO_APP' }))
})

test('an app adopts the shared tasks of a module, and nothing else of it', async () => {
  const shout = sharedTask('lib.shout', (text: string) => text.toUpperCase())
  const { app, worker, pass } = bench()

  app.use({ shout, other: () => 1, text: 'x', none: undefined })
  await worker()

  expect(app.registry.names()).toEqual(['lib.shout'])
  expect(await pass((await shout.delay('a')).get())).toBe('A')
})

test('two apps may adopt one, and adopting twice is no collision', () => {
  const shout = sharedTask('lib.shout', (text: string) => text.toUpperCase())
  const [a, b] = [memoryApp('a'), memoryApp('b')]

  for (const app of [a, b, a]) app.use({ shout })

  expect([a.registry.names(), b.registry.names()]).toEqual([['lib.shout'], ['lib.shout']])
  expect(a.registry.get('lib.shout')).not.toBe(b.registry.get('lib.shout'))
})

test('a shared task collides with another of its name', () => {
  const { app } = bench()
  app.task('lib.shout', (text: string) => text)

  expect(() => app.use({ shout: sharedTask('lib.shout', (text: string) => text.toUpperCase()) })).toThrowError(
    expect.objectContaining({ code: 'TQ_DUPLICATE_TASK' }),
  )
})

test('it is sent by the app that adopted it first, inside a task by the app of that task', async () => {
  const memory = await createMemoryServer()
  const first = memoryApp('first', { memory, taskDefaultQueue: 'first' })
  const { app: second, worker, pass } = bench({ memory, taskDefaultQueue: 'second' })
  const shout = sharedTask('lib.shout', (text: string) => text.toUpperCase())
  const relay = second.task('s.relay', async () => {
    await shout.delay('inside')
  })
  first.use({ shout })
  second.use({ shout })
  const transport = await first.connections.transport()

  await shout.delay('outside')
  await worker({ queues: ['relay'] })
  await pass((await relay.applyAsync([], { queue: 'relay' })).get())

  expect((await transport.queueInfo('first')).ready).toBe(1)
  expect((await transport.queueInfo('second')).ready).toBe(1)
  await first.close()
})

test('a bound shared task has its self', async () => {
  const who = sharedTask('lib.who', { bind: true, queue: 'who' }, (self, n: number) => [self.request.task, n])
  const { app, worker, pass } = bench()
  app.use({ who })
  await worker()

  expect(await pass((await who.delay(1)).get())).toEqual(['lib.who', 1])
  expect(who(2)).toEqual(['lib.who', 2])
  expect(() => currentTask()).toThrow()
})

test('a shared task needs a name', () => {
  const nameless: (...given: never[]) => unknown = sharedTask

  expect(() => nameless((() => 1) as never)).toThrowError(expect.objectContaining({ code: 'TQ_TASK_NAME' }))
})
