import { expect, test } from 'vitest'
import { chain, chord, group, type TqOptions } from '../../runtime/src/index.ts'
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

function canvases(options: TqOptions = {}) {
  const one = adding(options)
  const sum = one.app.task('t.sum', (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0))
  const { add } = one
  const many = [
    chain(add.s(1, 1), add.s(2)),
    add.s(5, 5),
    group(add.s(1, 2), add.s(3, 4)),
    chord([add.s(1, 1), add.s(2, 2)], sum.s()),
    { task: add, args: [7, 0] },
  ] as const
  return { ...one, many }
}

test.each([{}, { taskAlwaysEager: true }])('canvases of every kind are among them, with %j', async (options) => {
  const { app, many, worker, pass } = canvases(options)
  await worker()

  const [chained, single, grouped, joined, plain] = await pass(app.sendMany(many))

  expect(await pass(Promise.all([chained.get(), single.get(), grouped.get(), joined.get(), plain.get()]))).toEqual([
    4,
    10,
    [3, 7],
    6,
    7,
  ])
  expect(await pass(chained.parent?.get() ?? Promise.reject(new Error('no parent')))).toBe(2)
})

test('they are children of the task that sends them', async () => {
  const { app, many, worker, pass, ready } = canvases()
  const parent = app.task('t.parent', async () => (await app.sendMany(many)).map(({ id }) => id))
  await worker()
  const result = await parent.delay()

  const ids = await pass(result.get())

  const children = (await ready(result)).children ?? []
  expect(children).toHaveLength(5)
  expect(children[1]).toEqual({ id: ids[1] })
})

test('a chord where nobody counts is refused, and nothing is sent', async () => {
  const { app, many } = canvases({ backend: 'disabled' })

  await expect(app.sendMany(many)).rejects.toThrow(/chord needs a result backend/)

  expect((await (await app.connections.transport()).queueInfo('celery')).ready).toBe(0)
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

  test('chords and chains among them end as they do alone', async () => {
    const app = (await open()).app()
    const add = app.task('t.add', (x: number, y: number) => x + y)
    const sum = app.task('t.sum', (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0))
    await app.startWorker()
    const calls = Array.from({ length: 20 }, (_, i) => [
      chord([add.s(i, 1), add.s(i, 2)], sum.s()),
      chain(add.s(i, 1), add.s(1)),
    ]).flat()

    const results = await app.sendMany(calls)

    const values = await Promise.all(results.map((result) => result.get({ timeout: 30 })))
    expect(values).toEqual(Array.from({ length: 20 }, (_, i) => [2 * i + 3, i + 2]).flat())
  })
})
