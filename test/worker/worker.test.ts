import { hostname } from 'node:os'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ConnectionError } from '../../runtime/src/core/errors.ts'
import { Worker } from '../../runtime/src/worker/worker.ts'
import { bench } from '../helpers/app.ts'

/** A task that runs until it is released, and counts how many of it run at once. */
function blocking(options: Parameters<typeof bench>[0] = {}) {
  const one = bench(options)
  let release = Promise.withResolvers<void>()
  const counts = { running: 0, most: 0, ended: 0 }
  const block = one.app.task('t.block', async (_n: number) => {
    counts.running++
    counts.most = Math.max(counts.most, counts.running)
    await release.promise
    counts.running--
    counts.ended++
  })
  const transport = () => one.app.connections.transport()
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) await block.delay(n)
    await one.rest()
  }
  const releaseAll = async (): Promise<void> => {
    release.resolve()
    release = Promise.withResolvers()
    await one.rest()
  }
  return { ...one, block, send, counts, releaseAll, queue: async () => (await transport()).queueInfo('celery') }
}

test('no more tasks run at once than the concurrency says', async () => {
  const { worker, send, counts, releaseAll } = blocking()
  await worker({ concurrency: 3 })

  await send(10)

  expect(counts).toMatchObject({ running: 3, most: 3 })
  for (let round = 0; round < 4; round++) await releaseAll()
  expect(counts).toMatchObject({ ended: 10, most: 3 })
})

test('no more messages are held than concurrency times prefetch multiplier', async () => {
  const { worker, send, queue } = blocking({ taskAcksLate: true })
  await worker({ concurrency: 2, prefetchMultiplier: 3 })

  await send(20)

  expect(await queue()).toMatchObject({ held: 6, ready: 14 })
})

test('a prefetch multiplier of 0 holds all there is', async () => {
  const { worker, send, queue } = blocking({ taskAcksLate: true })
  await worker({ concurrency: 2, prefetchMultiplier: 0 })

  await send(20)

  expect(await queue()).toMatchObject({ held: 20, ready: 0 })
})

test('the automatic prefetch is one per slot at first, four while tasks are short, one again when they are long', async () => {
  const { app, worker, ready, rest, clock, send, queue, counts, releaseAll } = blocking({ taskAcksLate: true })
  const quick = app.task('t.quick', () => 1)
  const slow = app.task('t.slow', { bind: true }, (self) => self.sleep(1000))
  await worker({ concurrency: 2 })

  await send(20)
  const first = await queue()
  while (counts.ended < 20) await releaseAll()
  await ready(await quick.delay())
  await send(20)
  const short = await queue()
  while (counts.ended < 40) await releaseAll()
  await ready(await slow.delay())
  await send(20)
  const long = await queue()

  expect(first.held).toBe(2)
  expect(short.held).toBe(8)
  expect(long.held).toBe(2)
  await rest()
  expect(clock.pending).toBeGreaterThan(0)
})

test('messages of one priority run in the order of sending, a lower number first', async () => {
  const { app, worker, rest } = bench()
  const order: number[] = []
  const note = app.task('t.note', (n: number) => {
    order.push(n)
  })
  for (const [n, priority] of [
    [1, 5],
    [2, 0],
    [3, 5],
    [4, 0],
  ] as const)
    await note.applyAsync([n], { priority })

  await worker({ concurrency: 1 })
  await rest()

  expect(order).toEqual([2, 4, 1, 3])
})

test('a warm stop waits for the running task and takes nothing new', async () => {
  const { worker, send, counts, releaseAll, rest, queue } = blocking({ taskAcksLate: true })
  const running = await worker({ concurrency: 1, prefetchMultiplier: 4 })
  await send(3)
  let stopped = false

  const stopping = running.stop().then(() => {
    stopped = true
  })
  await rest()
  expect([stopped, running.state, counts.running]).toEqual([false, 'stopping', 1])
  await releaseAll()
  await stopping

  expect([running.state, counts.ended]).toEqual(['stopped', 1])
  expect(await queue()).toMatchObject({ ready: 2, held: 0 })
  await running.finished
})

test('stop(0) gives the unsettled message back, in front and marked as redelivered', async () => {
  const { worker, send, block, pass, rest, queue, app } = blocking({ taskAcksLate: true })
  const running = await worker({ concurrency: 1, prefetchMultiplier: 2 })
  await send(3)

  await pass(running.stop(0))
  const left = await queue()
  const redelivered: [unknown, boolean][] = []
  await (await app.connections.transport()).subscribe(['celery'], { prefetch: 0 }, (deliveries) => {
    for (const { raw, info } of deliveries) redelivered.push([raw.headers.argsrepr, info.redelivered])
  })
  await rest()

  expect(left).toMatchObject({ ready: 3, held: 0 })
  expect(redelivered).toEqual([
    ['(0,)', true],
    ['(1,)', true],
    ['(2,)', false],
  ])
  expect(block.taskName).toBe('t.block')
})

test('a stop with a deadline waits no longer than that', async () => {
  const { worker, send, pass, clock, queue } = blocking({ taskAcksLate: true })
  const running = await worker()
  await send(1)
  const begin = clock.monotonic()

  await pass(running.stop(begin + 4000))

  expect(clock.monotonic() - begin).toBe(4000)
  expect(await queue()).toMatchObject({ ready: 1, held: 0 })
})

test('a second stop hurries the first', async () => {
  const { worker, send, pass, rest, queue } = blocking({ taskAcksLate: true })
  const running = await worker()
  await send(1)

  const first = running.stop()
  await rest()
  await pass(running.stop(0))

  await first
  expect(await queue()).toMatchObject({ ready: 1 })
})

test('the signal of a task aborts when the worker gives up waiting', async () => {
  const { app, worker, pass, rest } = bench()
  let reason: unknown
  const task = app.task('t.listening', { bind: true }, async (self) => {
    try {
      await self.sleep(60_000)
    } finally {
      reason = self.signal.reason
    }
  })
  const running = await worker()
  await task.delay()
  await rest()

  await pass(running.stop(0))
  await rest()

  expect(reason).toMatchObject({ code: 'TQ_TERMINATED' })
})

test('a worker ends by itself after a time without a task', async () => {
  const { app, worker, ready, clock } = bench()
  const add = app.task('t.add', (x: number) => x)
  const running = await worker({ idleMs: 5000 })

  await clock.advance(4000)
  await ready(await add.delay(1))
  await clock.advance(4500)
  const before = running.state
  await clock.advance(1500)

  expect([before, running.state]).toEqual(['running', 'stopped'])
  await running.finished
})

test('a long task keeps an idle worker alive', async () => {
  const { app, worker, clock } = bench()
  const slow = app.task('t.slow', { bind: true }, (self) => self.sleep(20_000))
  const running = await worker({ idleMs: 5000 })
  await slow.delay()

  await clock.advance(19_000)
  const during = running.state
  await clock.advance(8000)

  expect([during, running.state]).toEqual(['running', 'stopped'])
})

test('it consumes the default queue and those that its tasks name', async () => {
  const { app, worker } = bench({ taskDefaultQueue: 'main' })
  app.task('t.mail', { queue: 'mail' }, () => 1)

  const running = await worker()

  expect(running.queues).toEqual(['main', 'mail'])
})

test('its name, queues and concurrency have defaults, and no queue is an error', () => {
  const { app } = bench({ workerConcurrency: 7 })

  const worker = new Worker(app)

  expect([worker.hostname, worker.queues, worker.concurrency]).toEqual([`celery@${hostname()}`, ['celery'], 7])
  expect(() => new Worker(app, { queues: [] })).toThrowError(expect.objectContaining({ code: 'TQ_SETTING' }))
})

test('a run that ends because its message went back is told nowhere: another worker runs it', async () => {
  const { app, worker, rest, hear, eventsOf, logged } = bench({ taskAcksLate: true })
  await hear()
  const revoked: string[] = []
  app.on('taskRevoked', ({ taskId }) => revoked.push(taskId))
  const sleep = app.task('t.sleep', { bind: true }, (self) => self.sleep(600_000))
  const running = await worker()
  const result = await sleep.delay()
  await rest()

  await running.stop(0)
  await rest()

  expect(eventsOf(result.id).map(({ type }) => type)).not.toContain('task-revoked')
  expect([revoked, logged.filter((line) => line.includes('was not run'))]).toEqual([[], []])
  expect(await result.state()).toBe('PENDING')
})

test('queues that are excluded are not consumed', () => {
  const { app } = bench({ taskQueues: ['celery', 'mail', 'bulk'] })

  const worker = new Worker(app, { excludeQueues: ['mail'] })

  expect(worker.queues).toEqual(['celery', 'bulk'])
  expect(() => new Worker(app, { queues: ['mail'], excludeQueues: ['mail'] })).toThrow('at least one queue, got none')
})

test('a concurrency of 0 is the default, as in Celery', () => {
  const { app } = bench({ workerConcurrency: 0 })

  const sizes = [new Worker(app), new Worker(app, { concurrency: 0 })].map(({ concurrency }) => concurrency)

  expect(sizes).toEqual([100, 100])
})

test('a worker that is told to stop while it gets ready starts no pool', async () => {
  const { app } = bench()
  app.file = '/no/such/app.ts'
  const one = new Worker(app, { hostname: 'w1@test', pool: 'threads', concurrency: 1 })
  app.on('celerydAfterSetup', () => void one.stop())
  const children: string[] = []
  app.on('workerBeforeCreateProcess', ({ pool }) => children.push(pool))

  await expect(one.start()).rejects.toMatchObject({ name: 'AbortError' })

  expect([children, one.state, one.wasTold]).toEqual([[], 'stopped', true])
})

test('a part of the worker that cannot be closed keeps no other open', async () => {
  const { app, worker, pass, logged } = bench()
  const transport = await app.connections.consuming()
  const listen = transport.listen.bind(transport)
  const refuse = vi.spyOn(transport, 'listen').mockImplementation(async (...args) => ({
    ...(await listen(...args)),
    close: () => Promise.reject(new ConnectionError('the broker is gone')),
  }))
  onTestFinished(() => refuse.mockRestore())
  const ended: string[] = []
  app.on('workerProcessShutdown', () => ended.push('process'))
  app.on('workerShutdown', () => ended.push('worker'))
  const running = await worker()

  await pass(running.stop())
  await running.finished

  expect([running.state, ended]).toEqual(['stopped', ['process', 'worker']])
  expect(logged).toContainEqual(expect.stringMatching(/^WARN .*the broker is gone/))
})

test('two workers share the tasks, and each result comes once', async () => {
  const { app, worker, pass, rest, events } = bench()
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await worker({ hostname: 'w1@test', concurrency: 1, prefetchMultiplier: 1 })
  await worker({ hostname: 'w2@test', concurrency: 1, prefetchMultiplier: 1 })

  const results = await Promise.all(Array.from({ length: 10 }, (_, n) => add.delay(n, n)))

  expect(await Promise.all(results.map((result) => pass(result.get())))).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  await rest()
  const succeeded = events.filter(({ type }) => type === 'task-succeeded')
  expect(succeeded).toHaveLength(10)
  expect(new Set(succeeded.map((event) => event.hostname))).toEqual(new Set(['w1@test', 'w2@test']))
})
