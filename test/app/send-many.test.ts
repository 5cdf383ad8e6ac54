import { expect, test } from 'vitest'
import { chain, type TqOptions } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'
import { describeBrokers } from '../helpers/brokers.ts'
import { requireService, startRedis } from '../helpers/services.ts'

function adding(options: TqOptions = {}) {
  const one = bench(options)
  return { ...one, add: one.app.task('t.add', (x: number, y: number) => x + y) }
}

test('results come in the order of the calls, however each was written', async () => {
  const { app, add, worker, pass } = adding()
  await worker()

  const results = await app.sendMany([
    add.s(1, 1),
    { task: add, args: [2, 2] },
    { task: 't.add', args: [3], options: { kwargs: { y: 3 }, taskId: 'mine' } },
  ])

  expect(await pass(Promise.all(results.map((result) => result.get())))).toEqual([2, 4, 6])
  expect(results[2]?.id).toBe('mine')
})

test('an eager app runs them', async () => {
  const { app, add, pass } = adding({ taskAlwaysEager: true })

  const results = await pass(app.sendMany([add.s(1, 1), add.s(2, 2)]))

  expect(await Promise.all(results.map((result) => result.get()))).toEqual([2, 4])
})

test('nothing is sent when one of them cannot be', async () => {
  const { app, add } = adding({ taskCreateMissingQueues: false })
  const waiting = async () => (await (await app.connections.transport()).queueInfo('celery')).ready

  await expect(app.sendMany([add.s(1, 1), { task: 't.add', args: [() => 1] }])).rejects.toMatchObject({
    code: 'TQ_ENCODE',
  })
  await expect(app.sendMany([add.s(1, 1), { task: add, options: { queue: 'no' } }])).rejects.toMatchObject({
    code: 'TQ_QUEUE_NOT_FOUND',
  })

  expect(await waiting()).toBe(0)
  expect(await app.sendMany([])).toEqual([])
})

test('a chain is not one of many', async () => {
  const { app, add } = adding()

  await expect(app.sendMany([chain(add.s(1, 1), add.s(2))])).rejects.toThrow('sendMany() takes calls of single tasks')
})

test('each call tells of itself', async () => {
  const { app, add, worker, rest, events } = adding()
  await worker()

  await app.sendMany([add.s(1, 1), add.s(2, 2)])
  await rest()

  expect(events.filter(({ type }) => type === 'task-sent')).toMatchObject([{ args: '(1, 1)' }, { args: '(2, 2)' }])
})

test.skipIf(!requireService('redis'))('what was sent before the broker was lost is told', async () => {
  const server = await startRedis()
  const { app, add, logged } = adding({ broker: server.url, backend: 'memory://' })
  await add.delay(0, 0)
  await server.kill()

  const sending = app.sendMany(
    Array.from({ length: 3 }, () => add.s(1, 1)),
    { retry: false },
  )

  await expect(sending).rejects.toMatchObject({
    code: 'TQ_OPERATIONAL',
    message: expect.stringContaining('after 1 try; 3 of 3 tasks were not sent.'),
  })
  expect(logged.filter((line) => line.includes('Trying again'))).toEqual([])
})

describeBrokers('many calls', (open) => {
  test('thousands are sent in few writes, each once', async () => {
    const app = (await open()).app()
    const add = app.task('t.add', (x: number, y: number) => x + y)
    const transport = await app.connections.transport()
    const calls = Array.from({ length: 2500 }, (_, i) => add.s(i, 1))

    const results = await app.sendMany(calls)

    expect((await transport.queueInfo('celery')).ready).toBe(2500)
    expect(new Set(results.map(({ id }) => id)).size).toBe(2500)
  })
})
