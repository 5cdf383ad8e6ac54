import { expect, test } from 'vitest'
import {
  chain,
  chord,
  ChordError,
  group,
  graphToDot,
  type Signature,
  TaskFailedError,
} from '../../runtime/src/index.ts'
import { controlExchange } from '../../runtime/src/wire/control-dict.ts'
import { bench } from '../helpers/app.ts'

function tasks() {
  const one = bench()
  const { app } = one
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
  const fail = app.task('t.fail', (..._: unknown[]): number => {
    throw new TypeError('boom')
  })
  return { ...one, add, sum, fail }
}

test('get() of a body whose header failed rejects with ChordError, which names the part', async () => {
  const { add, sum, fail, worker, pass } = tasks()
  await worker()

  const result = await chord([add.s(1, 1), fail.s()], chain(sum.s(), add.s(1))).delay()
  const error = await pass(result.get({ propagate: false }) as Promise<unknown>)

  const header = result.parent?.parent
  if (!header || !('results' in header)) throw new Error('no header')
  expect(error).toBeInstanceOf(ChordError)
  expect(error).toBeInstanceOf(TaskFailedError)
  expect(error).toMatchObject({ code: 'TQ_CHORD_FAILED', name: 'ChordError', type: 'ChordError', taskId: result.id })
  expect((error as ChordError).partId).toBe(header.results[1]?.id)
})

test('a set of results is changed and asked as a whole', async () => {
  const { app, add, worker, pass } = tasks()
  await worker()
  const [a, b, c] = [await add.delay(1, 1), await add.delay(2, 2), await add.delay(3, 3)] as const
  const set = app.resultSet([a])

  set.add(b)
  set.add(b)
  set.update([a, c])
  expect([...set].map(({ id }) => id)).toEqual([a.id, b.id, c.id])
  set.remove(b)
  expect(() => set.remove(b)).toThrow(RangeError)
  expect([set.discard(c.id), set.discard(c.id), set.length]).toEqual([true, false, 1])
  set.update([b])
  expect(await pass(set.join())).toEqual([2, 4])
  const seen: unknown[] = []
  await pass(set.whenReady((values) => void seen.push(values)))
  expect(seen).toEqual([[2, 4]])
  expect([await set.completedCount(), await set.successful()]).toEqual([2, true])
  set.clear()
  expect([set.length, await set.get()]).toEqual([0, []])
})

test('the members of a revoked group do not run', async () => {
  const { app, add, worker, pass, rest } = tasks()
  await worker()
  const result = await group(add.s(1, 1).set({ countdown: 5 }), add.s(2, 2).set({ countdown: 5 })).delay()
  await rest()

  const commands: unknown[] = []
  const transport = await app.connections.transport()
  await transport.listen(controlExchange, { pattern: '' }, (message) => void commands.push(message))

  await result.revoke()

  const ended = await pass(result.get({ propagate: false }))
  expect(commands.length).toBe(1)
  const revoked: unknown = expect.objectContaining({ code: 'TQ_TASK_REVOKED' })
  expect(ended).toEqual([revoked, revoked])
})

test('collect follows a chord that a task sent: its header, the parts, its body, and what that sent', async () => {
  const { app, add, sum, worker, pass, rest } = tasks()
  const outer = app.task('t.outer', async (): Promise<string> => {
    await chord([add.s(1, 1), chain(add.s(2, 2), add.s(1))], chain(sum.s(), add.s(100))).delay()
    return 'sent'
  })
  await worker()

  const result = await outer.delay()
  await pass(result.get())
  await rest()

  const values: unknown[] = []
  for await (const [, value] of result.collect()) values.push(value)
  expect(values).toEqual(['sent', [2, 5], 7, 107, 2, 4, 5])
  expect(await pass(result.getLeaf())).toBe(5)
  const dot = graphToDot(await result.graph())
  expect(dot.match(/->/g)).toHaveLength(6)
})

test('iterdeps looks no further than what is ready, unless it is told to', async () => {
  const { app, add, worker, pass, rest } = tasks()
  const outer = app.task('t.outer', async (): Promise<void> => void (await add.applyAsync([1, 1], { countdown: 60 })))
  await worker()
  const result = await outer.delay()
  await pass(result.get())
  await rest()

  const all: unknown[] = []
  for await (const [from, one] of result.iterdeps({ intermediate: true })) all.push([from?.id, one.id])
  const child = (await result.children())[0]?.id
  expect(all).toEqual([
    [undefined, result.id],
    [result.id, child],
  ])
  const strict = async (): Promise<void> => {
    for await (const _ of result.iterdeps()) void _
  }
  await expect(strict()).rejects.toMatchObject({ code: 'TQ_INCOMPLETE_STREAM' })
  const collected: unknown[] = []
  for await (const [one, value] of result.collect({ intermediate: true })) collected.push([one.id, value])
  expect(collected).toEqual([
    [result.id, undefined],
    [child, undefined],
  ])
})

test('the results of a task have no trail where it wants none', async () => {
  const { app, add, worker, pass, rest } = tasks()
  const send = async (): Promise<void> => void (await add.delay(1, 1))
  const quiet = app.task('t.quiet', { trail: false }, send)
  const loud = app.task('t.loud', send)
  await worker()

  const results = [await quiet.delay(), await loud.delay()]
  for (const result of results) await pass(result.get())
  await rest()

  expect(await Promise.all(results.map(async (one) => (await one.children()).length))).toEqual([0, 1])
})

test('the state of another task is set by its id', async () => {
  const { app, worker, pass } = tasks()
  const tell = app.task('t.tell', { bind: true }, (self, taskId: string) =>
    self.updateState({ taskId, state: 'PROGRESS', meta: { done: 5 } }),
  )
  await worker()

  await pass((await tell.delay('somebody')).get())

  expect(await app.result('somebody').state()).toBe('PROGRESS')
  expect(await app.result('somebody').info()).toEqual({ done: 5 })
})

test('what follows a task has its root, and the task as its parent', async () => {
  const { app, worker, pass } = tasks()
  const tell = app.task('t.tell', { bind: true }, (self, ...before: unknown[]): unknown => [
    ...((before[0] as unknown[] | undefined) ?? []),
    [self.request.rootId, self.request.parentId ?? null],
  ])
  await worker()

  const next = tell.s() as unknown as Signature<[], unknown>
  const result = await chain(next, next, next).delay()

  const [second, first] = [result.parent, result.parent?.parent]
  expect(await pass(result.get())).toEqual([
    [first?.id, null],
    [first?.id, first?.id],
    [first?.id, second?.id],
  ])
})
