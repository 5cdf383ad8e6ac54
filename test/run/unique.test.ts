import { createHash } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { chain, currentTask, DuplicateCallError, group, Ignore, Reject, Tq } from '../../runtime/src/index.ts'
import { createMemoryServer, memoryApp, sentMessages } from '../../runtime/src/testing.ts'
import { deferred } from '../../runtime/src/core/lifecycle.ts'
import { bench } from '../helpers/app.ts'
import { describeBrokers } from '../helpers/brokers.ts'

const soon = { timeout: 30 }

describeBrokers('a unique task', (broker) => {
  test('is queued once, whoever sends it, and all wait for the one run', async () => {
    const one = await broker()
    const [app, other] = [one.app(), one.app()]
    const runs: string[] = []
    const define = (to: Tq) =>
      to.task(
        't.index',
        { unique: true },
        (id: string, options: object) => `${runs.push(id)} ${Object.keys(options).length}`,
      )
    const [here, there] = [define(app), define(other)]

    const results = [
      await here.delay('a', { x: 1, y: 2 }),
      await there.delay('a', { y: 2, x: 1 }),
      await here.delay('b', {}),
    ]
    await app.startWorker()

    expect(results[1]?.id).toBe(results[0]?.id)
    expect(await Promise.all(results.map((result) => result.get(soon)))).toEqual(['1 2', '1 2', '2 0'])
    expect(runs).toEqual(['a', 'b'])
  })

  test('of many that are sent at once one is queued', async () => {
    const one = await broker()
    const tasks = [one.app(), one.app()].map((app) => app.task('t.once', { unique: true }, () => 1))

    const results = await Promise.all(Array.from({ length: 20 }, async (_, at) => tasks[at % 2]?.delay()))

    expect(new Set(results.map((result) => result?.id)).size).toBe(1)
  })

  test('is refused while it runs, and may be sent when its result is there', async () => {
    const app = (await broker()).app({ taskTrackStarted: true })
    const hold = deferred<void>()
    const slow = app.task('t.slow', { unique: true }, () => hold.promise)
    await app.startWorker()
    const first = await slow.delay()
    for await (const { state } of first.updates()) if (state === 'STARTED') break

    const during = await slow.delay()
    hold.resolve()
    await first.get(soon)
    const after = await slow.delay()
    await after.get(soon)

    expect([during.id === first.id, after.id === first.id]).toEqual([true, false])
  })

  test('may be sent again after a failure', async () => {
    const app = (await broker()).app()
    const fail = app.task('t.fail', { unique: true, throws: ['RangeError'] }, (): never => {
      throw new RangeError('no')
    })
    await app.startWorker()
    const first = await fail.delay()
    await expect(first.get(soon)).rejects.toThrow('no')

    const second = await fail.delay()

    expect(second.id).not.toBe(first.id)
    await expect(second.get(soon)).rejects.toThrow('no')
  })

  test('in sendMany stands for all that are the same', async () => {
    const app = (await broker()).app()
    const double = app.task('t.double', { unique: true }, (x: number) => 2 * x)

    const results = await app.sendMany([1, 2, 1].map((x) => ({ task: double, args: [x] })))
    await app.startWorker()

    expect(results[2]?.id).toBe(results[0]?.id)
    expect(await Promise.all(results.map((result) => result.get(soon)))).toEqual([2, 4, 2])
  })
})

function failed(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => false,
    () => true,
  )
}

/** A unique task on memory and a virtual clock, and how often it has run. */
function unique(options: object = {}, run: (...args: never[]) => unknown = () => undefined) {
  const one = bench()
  let runs = 0
  const task = one.app.task('t.unique', { unique: true, ...options }, (...args: never[]) => {
    runs++
    return run(...args)
  })
  return { ...one, task, runs: () => runs }
}

describe('the key', () => {
  test('is kept for the worker that has the message now', async () => {
    const { app, task, worker, rest, runs } = unique({ acksLate: true, ignoreResult: true })
    const transport = await app.connections.transport()
    const { subscribe } = transport
    transport.subscribe = (queues, options, onDeliveries) =>
      subscribe.call(transport, queues, options, (some) => {
        onDeliveries(some.map((one) => Object.assign(one, { ack: () => Promise.resolve('lost' as const) })))
      })
    await worker()
    const first = await task.delay()
    await rest()

    const second = await task.delay()

    expect(runs()).toBe(1)
    expect(second.id).toBe(first.id)
  })

  test('is a function of the arguments, keywords in their places', async () => {
    const app = memoryApp()
    onTestFinished(() => app.close())
    const key = (customer: string): string => customer
    const bill = app.task('t.bill', { unique: { key } }, (customer: string, day: number) => `${customer} ${day}`)

    const [first, second, third] = [
      await bill.delay('ada', 1),
      // Named arguments stand in for the list, as Python sends them.
      await bill.applyAsync([] as never, { kwargs: { customer: 'ada', day: 2 } }),
      await bill.delay('bob', 1),
    ]

    expect([second.id === first.id, third.id === first.id]).toEqual([true, false])
  })

  test('undefined makes a call that is not unique', async () => {
    const app = memoryApp()
    onTestFinished(() => app.close())
    const key = (id: string): string | undefined => (id === '' ? undefined : id)
    const task = app.task('t.index', { unique: { key } }, (id: string) => id)

    const ids = [await task.delay(''), await task.delay('')].map(({ id }) => id)

    expect(new Set(ids).size).toBe(2)
  })

  test('is of one task: another with the same arguments is another call', async () => {
    const app = memoryApp()
    onTestFinished(() => app.close())
    const [a, b] = ['t.a', 't.b'].map((name) => app.task(name, { unique: true }, (x: number) => x))

    const ids = [await a?.delay(1), await b?.delay(1)].map((result) => result?.id)

    expect(new Set(ids).size).toBe(2)
  })

  test('does not tell the arguments', async () => {
    const app = memoryApp()
    onTestFinished(() => app.close())
    const unique = { key: (password: string) => password }
    const login = app.task('t.login', { unique, redact: ['password'] }, (password: string) => password)
    const { id } = await login.delay('hunter2')

    const [raw] = await (await app.connections.transport()).peek('celery', { limit: 1, state: 'ready' })

    const digest = createHash('sha256').update('hunter2').digest('base64url')
    expect(Object.values(raw?.headers ?? {})).toContain(`${id} unique.t.login.${digest}`)
    expect(JSON.stringify(raw?.headers)).not.toContain('hunter2')
  })

  test('is no header of the task, and what it sends with its own headers does not hold it', async () => {
    const { app, worker, ready } = bench()
    const seen: object[] = []
    const inner = app.task('t.inner', () => void seen.push(currentTask().request.headers))
    const outer = app.task('t.outer', { unique: true }, async () => {
      const { headers } = currentTask().request
      seen.push(headers)
      await inner.applyAsync([], { headers })
    })
    await worker()

    await ready(await outer.applyAsync([], { headers: { tenant: 7 } }))

    expect(seen).toEqual([{ tenant: 7 }, { tenant: 7 }])
  })
})

describe('a duplicate', () => {
  test('is an error where the task says so', async () => {
    const app = memoryApp()
    onTestFinished(() => app.close())
    const task = app.task('t.once', { unique: { onDuplicate: 'error' } }, () => 1)
    const { id } = await task.delay()

    const second = task.delay()

    await expect(second).rejects.toBeInstanceOf(DuplicateCallError)
    await expect(second).rejects.toMatchObject({ code: 'TQ_DUPLICATE_CALL', taskName: 't.once', taskId: id })
  })

  test('in sendMany sends nothing and leaves no key behind', async () => {
    const app = memoryApp()
    onTestFinished(() => app.close())
    const task = app.task('t.once', { unique: { onDuplicate: 'error' } }, (x: number) => x)
    const calls = [1, 2, 1].map((x) => ({ task, args: [x] }))

    await expect(app.sendMany(calls)).rejects.toThrow('queued or running')

    expect(await sentMessages(app)).toEqual([])
    expect((await app.sendMany(calls.slice(0, 2))).map(({ id }) => typeof id)).toEqual(['string', 'string'])
  })

  test('of a running task is the child that its sender is told', async () => {
    const { app, worker, ready } = bench()
    const inner = app.task('t.inner', { unique: true }, () => 1)
    const outer = app.task('t.outer', async () => (await inner.delay()).id)
    const first = await inner.delay()
    const parent = await outer.delay()
    await worker({ concurrency: 1, queues: ['celery'] })

    const { children, result } = await ready(parent)

    expect(children).toEqual([{ id: result }])
    expect(typeof first.id).toBe('string')
  })

  test('that was to be sent after a commit is told to who waits for it', async () => {
    const { app, pass } = bench()
    const task = app.task('t.once', { unique: true }, () => 1)
    const first = await task.delay()
    let commit = async (): Promise<void> => undefined
    const promised = await task.applyAsync([], { afterCommit: { onCommit: (fn) => (commit = fn) } })

    await commit()

    expect((await sentMessages(app)).map(({ id }) => id)).toEqual([first.id])
    await expect(pass(promised.get())).rejects.toMatchObject({
      code: 'TQ_TASK_REVOKED',
      reason: `duplicate of ${first.id}`,
    })
  })
})

describe('the key is let go', () => {
  test('when the call expires', async () => {
    const { task, clock, worker, ready } = unique()
    const first = await task.applyAsync([], { expires: 10 })
    await clock.advance(11_000)

    await worker()
    const { state } = await ready(first)
    const second = await task.delay()

    expect(state).toBe('REVOKED')
    expect(second.id).not.toBe(first.id)
  })

  test('when a worker drops the revoked call', async () => {
    const { task, clock, worker, ready, runs, rest } = unique()
    await worker()
    const first = await task.applyAsync([], { countdown: 60 })
    await rest()

    await first.revoke()
    await clock.advance(61_000)
    const { state } = await ready(first)
    const second = await task.delay()

    expect([state, second.id === first.id]).toEqual(['REVOKED', false])
    await ready(second)
    expect(runs()).toBe(1)
  })

  test.each([
    ['ignores itself', () => new Ignore()],
    ['rejects its message', () => new Reject('not mine')],
  ])('when the task %s', async (_, error) => {
    const { task, worker, rest } = unique({ acksLate: true }, (): never => {
      throw error()
    })
    await worker()
    const first = await task.delay()
    await rest()

    const second = await task.delay()

    expect(second.id).not.toBe(first.id)
  })

  test('when no worker knows the task', async () => {
    const memory = await createMemoryServer()
    const [sender, worker] = [memoryApp('sender', { memory }), memoryApp('worker', { memory })]
    onTestFinished(async () => {
      await sender.close()
      await worker.close()
    })
    const unknown = sender.task('t.unknown', { unique: true }, () => 1)
    await worker.startWorker()
    const first = await unknown.delay()
    await expect(first.get(soon)).rejects.toThrow('t.unknown')

    expect((await unknown.delay()).id).not.toBe(first.id)
  })

  test('after its time where nobody is heard of it any more', async () => {
    const { task, clock } = unique({ unique: { ttl: 60 } })
    const first = await task.delay()
    await clock.advance(59_000)
    const early = await task.delay()
    await clock.advance(1000)

    const late = await task.delay()

    expect([early.id === first.id, late.id === first.id]).toEqual([true, false])
  })

  test('when the call could not be sent: the next one is not taken for sent', async () => {
    const { task, app } = unique()
    const transport = await app.connections.transport()
    await transport.close()
    const send = (): Promise<unknown> => task.applyAsync([], { retry: false })

    const refused = [await failed(send()), await failed(app.sendMany([{ task }], { retry: false }))]

    expect(refused).toEqual([true, true])
    expect(await failed(send())).toBe(true)
  })

  test.each([
    ['succeeds', () => 1],
    [
      'fails',
      (): never => {
        throw new RangeError('no')
      },
    ],
  ])('when a task %s whose results nobody keeps', async (_, run) => {
    const { task, worker, rest } = unique({ ignoreResult: true }, run)
    await worker()
    const first = await task.delay()
    await rest()

    const second = await task.delay()

    expect(second.id).not.toBe(first.id)
  })
})

describe('the key is held', () => {
  test('through retries, however long their pauses are', async () => {
    const { app, clock, worker, pass } = bench()
    const task = app.task('t.retried', { bind: true, unique: { ttl: 60 }, maxRetries: 1 }, (self) =>
      self.retries === 0 ? self.retry({ countdown: 3600 }) : 'done',
    )
    await worker()
    const first = await task.delay()
    await clock.advance(3_000_000)

    const during = await task.delay()

    expect(during.id).toBe(first.id)
    expect(await pass(first.get())).toBe('done')
    expect((await task.delay()).id).not.toBe(first.id)
  })

  test('while it waits for its ETA', async () => {
    const { task, clock } = unique({ unique: { ttl: 60 } })
    const first = await task.applyAsync([], { countdown: 3600 })
    await clock.advance(3_000_000)

    expect((await task.delay()).id).toBe(first.id)
  })

  test('while it runs, however long that takes', async () => {
    const hold = deferred<void>()
    const { task, clock, worker, ready } = unique({ unique: { ttl: 60 } }, () => hold.promise)
    await worker()
    const first = await task.delay()
    await clock.advance(600_000)

    const during = await task.delay()
    hold.resolve()
    await ready(first)

    expect(during.id).toBe(first.id)
    expect((await task.delay()).id).not.toBe(first.id)
  })
})

test('the parts of a canvas are sent all: who joins them waits for each', async () => {
  const { app, pass, worker } = bench()
  const double = app.task('t.double', { unique: true }, (x: number) => 2 * x)
  await worker()

  const both = await group(double.s(2), double.s(2)).delay()
  const chained = await chain(double.s(1), double.s()).delay()

  expect(await pass(both.get())).toEqual([4, 4])
  expect(await pass(chained.get())).toBe(4)
})

test('without a store for the key nothing is sent', async () => {
  const app = new Tq('tests', { broker: 'amqp://127.0.0.1:1', backend: 'rpc://' })
  onTestFinished(() => app.close())
  const task = app.task('t.once', { unique: true }, () => 1)

  await expect(task.delay()).rejects.toThrow('Unique tasks and rate limits that workers share need a store')
})
