import { expect, test } from 'vitest'
import { chain, type CommitHook } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'
import { freePort } from '../helpers/services.ts'

/** A transaction as a database's client offers it. */
class Transaction implements CommitHook {
  readonly #hooks: (() => Promise<void>)[] = []

  onCommit(fn: () => Promise<void>): void {
    this.#hooks.push(fn)
  }

  async commit(): Promise<void> {
    for (const hook of this.#hooks.splice(0)) await hook()
  }

  /** As clients do that look after nothing. */
  commitCarelessly(): void {
    for (const hook of this.#hooks.splice(0)) void hook()
  }
}

function adding() {
  const one = bench()
  const add = one.app.task('t.add', (x: number, y: number) => x + y)
  const waiting = async () => (await (await one.app.connections.transport()).queueInfo('celery')).ready
  return { ...one, add, waiting }
}

test('a call is sent when its transaction commits, not before', async () => {
  const { add, worker, pass, waiting } = adding()
  const transaction = new Transaction()

  const result = await add.applyAsync([2, 2], { afterCommit: transaction })
  const before = await waiting()
  await transaction.commit()
  const after = await waiting()
  await worker()

  expect([before, after]).toEqual([0, 1])
  expect(await pass(result.get())).toBe(4)
})

test('what is never committed is never sent', async () => {
  const { add, waiting } = adding()

  const result = await add.applyAsync([2, 2], { afterCommit: new Transaction() })

  expect(await waiting()).toBe(0)
  expect(await result.state()).toBe('PENDING')
})

test('a canvas that is never committed is not written down as one that was sent', async () => {
  const { app, add, pass } = adding()

  const result = await chain(add.s(2, 2), add.s(4)).applyAsync([], { afterCommit: new Transaction() })

  const { parts } = await pass(app.workflow(result.id, { timeoutMs: 10 }))
  expect(parts.map(({ task }) => task)).toEqual([undefined]) // the id alone, of which nothing is known
})

test('arguments are those of the call, whatever becomes of them until the commit', async () => {
  const { app, worker, pass } = adding()
  const sum = app.task('t.sum', (numbers: number[]) => numbers.reduce((a, b) => a + b, 0))
  const transaction = new Transaction()
  const numbers = [1, 2]

  const result = await sum.applyAsync([numbers], { afterCommit: transaction })
  numbers.push(100)
  await transaction.commit()
  await worker()

  expect(await pass(result.get())).toBe(3)
  await expect(sum.applyAsync([[1n, () => 1] as never], { afterCommit: transaction })).rejects.toMatchObject({
    code: 'TQ_ENCODE',
  })
})

test('a chain waits for the commit, too', async () => {
  const { add, worker, pass, waiting } = adding()
  const transaction = new Transaction()

  const result = await chain(add.s(1, 1), add.s(2)).applyAsync([], { afterCommit: transaction })
  const before = await waiting()
  await transaction.commit()
  await worker()

  expect(before).toBe(0)
  expect(await pass(result.get())).toBe(4)
})

test('a broker that is gone at the commit is told to who awaits it, and logged for who does not', async () => {
  const url = `redis://127.0.0.1:${await freePort()}/0`
  const { app, logged, rest } = bench({ broker: url, backend: 'memory://', taskPublishRetry: false })
  const [awaited, careless] = [new Transaction(), new Transaction()]
  await app.sendTask('t.add', [1], {}, { afterCommit: awaited })
  await app.sendTask('t.add', [1], {}, { afterCommit: careless, taskId: 'lost' })

  await expect(awaited.commit()).rejects.toMatchObject({ code: 'TQ_OPERATIONAL' })
  careless.commitCarelessly()
  while (!logged.some((line) => line.includes('t.add[lost]'))) await rest()

  expect(logged).toContainEqual(
    expect.stringMatching(
      /^ERROR The transaction was committed, but its task t\.add\[lost\] was not sent: OperationalError/,
    ),
  )
})
