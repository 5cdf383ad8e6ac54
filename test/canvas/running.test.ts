import { expect, test } from 'vitest'
import { chain, chord, group, graphToDot, graphToMermaid, Reject } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

function tasks(options: Parameters<typeof bench>[0] = {}) {
  const one = bench(options)
  const { app } = one
  const seen: unknown[] = []
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
  const list = app.task('t.list', (...xs: unknown[]): unknown => xs)
  const note = app.task('t.note', (...args: unknown[]): number => seen.push(args))
  const fail = app.task('t.fail', (..._args: unknown[]): number => {
    throw new TypeError('boom')
  })
  return { ...one, add, sum, list, note, fail, seen }
}

test('a task is replaced by another one under its own id, callbacks and chain included', async () => {
  const { app, add, note, worker, pass, rest, seen } = tasks()
  const outer = app.task(
    't.outer',
    { bind: true },
    async (self, x: number): Promise<number> => self.replace(add.s(x, 1)),
  )
  await worker()

  const result = await outer.s(1).link(note.s('linked')).pipe(add.s(10)).delay()

  expect(await pass(result.get())).toBe(12)
  expect(await pass(result.parent?.get() ?? Promise.resolve())).toBe(2)
  await rest()
  expect(seen).toEqual([[2, 'linked']])
})

test('a task that is replaced by a chain, a group or a chord gives what these give', async () => {
  const { app, add, sum, list, worker, pass } = tasks()
  const toChain = app.task('t.chain', { bind: true }, async (self) => self.replace(chain(add.s(1, 1), add.s(1))))
  const toGroup = app.task('t.group', { bind: true }, async (self) => self.replace(group(add.s(1, 1), add.s(2, 2))))
  const toChord = app.task('t.chord', { bind: true }, async (self) =>
    self.replace(chord([add.s(1, 1), add.s(2, 2)], sum.s())),
  )
  const again = app.task('t.again', { bind: true }, async (self) => self.replace(toChord.s()))
  await worker()

  expect(await pass((await toChain.delay()).get())).toBe(3)
  expect(await pass((await toGroup.delay()).get())).toEqual([2, 4])
  expect(await pass((await toChord.delay()).get())).toBe(6)
  const header = await chord([toChain.s(), toGroup.s(), again.s(), add.s(5, 5)], list.s()).delay()
  expect(await pass(header.get())).toEqual([[3, [2, 4], 6, 10]])
})

test('a part of a chord adds parts to it', async () => {
  const { app, add, list, worker, pass } = tasks()
  const growing = app.task('t.growing', { bind: true }, async (self) => {
    await self.addToChord(add.s(1, 2))
    await self.addToChord(chain(add.s(3, 4), add.s(10)))
    return 0
  })
  await worker()

  const result = await chord([growing.s(), add.s(7, 7)], list.s()).delay()

  const [parts] = (await pass(result.get())) as [number[]]
  expect(parts.toSorted((a, b) => a - b)).toEqual([0, 3, 14, 17])
  await expect(pass((await growing.delay()).get())).rejects.toMatchObject({ type: 'TypeError' })
})

test('a part that dies after it has added parts and runs again adds none twice', async () => {
  const { app, add, list, worker, pass } = tasks({ taskAcksLate: true })
  let runs = 0
  const growing = app.task('t.growing', { bind: true }, async (self) => {
    const [first, second] = ++runs === 1 ? [add.s(1, 2), add.s(3, 4)] : [add.s(3, 4), add.s(5, 6)]
    await self.addToChord(first)
    await self.addToChord(second)
    await self.addToChord(add.s(1, 1))
    await self.addToChord(add.s(1, 1))
    if (runs === 1) throw new Reject('its worker dies', { requeue: true })
    return 0
  })
  await worker()

  const result = await chord([growing.s(), add.s(7, 7)], list.s()).delay()

  const [parts] = (await pass(result.get())) as [number[]]
  expect(parts.toSorted((a, b) => a - b)).toEqual([0, 2, 2, 3, 7, 11, 14])
  expect(runs).toBe(2)
})

test('a part that is retried adds its parts again, as another run', async () => {
  const { app, add, list, worker, pass } = tasks()
  const growing = app.task('t.growing', { bind: true }, async (self) => {
    await self.addToChord(add.s(1, 2))
    return self.retries === 0 ? self.retry({ countdown: 1 }) : 0
  })
  await worker()

  const result = await chord([growing.s(), add.s(7, 7)], list.s()).delay()

  const [parts] = (await pass(result.get())) as [number[]]
  expect(parts.toSorted((a, b) => a - b)).toEqual([0, 3, 3, 14])
})

test('a call of many items goes where the calls of its task go', async () => {
  const { app, add } = tasks()
  const far = app.task('t.far', { queue: 'far' }, (x: number) => x)
  const transport = await app.connections.transport()

  await far.map([1, 2]).delay()
  await add.starmap([[1, 2]]).delay()

  expect(await transport.queueInfo('far')).toMatchObject({ ready: 1 })
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 1 })
})

test('map, starmap and chunks run one task over many items', async () => {
  const { app, add, worker, pass } = tasks()
  const double = app.task('t.double', { queue: 'celery' }, async (x: number) => 2 * x)
  await worker()

  expect(await pass((await double.map([1, 2, 3]).delay()).get())).toEqual([2, 4, 6])
  expect(
    await pass(
      (
        await add
          .starmap([
            [1, 2],
            [3, 4],
          ])
          .delay()
      ).get(),
    ),
  ).toEqual([3, 7])
  const pairs = Array.from({ length: 7 }, (_, i): [number, number] => [i, i])
  expect(await pass((await add.chunks(pairs, 3).delay()).get())).toEqual([[0, 2, 4], [6, 8, 10], [12]])
})

test('the built-in tasks answer under their names and are not listed', async () => {
  const { app, worker, pass } = tasks()
  await worker()

  expect(await pass((await app.sendTask('celery.accumulate', [1, 2])).get())).toEqual([1, 2])
  expect(await pass((await app.sendTask('celery.accumulate', [1, 2], { index: 1 })).get())).toBe(2)
  expect(await pass((await app.sendTask('celery.backend_cleanup')).get())).toBeNull()
  await expect(pass((await app.sendTask('celery.chain')).get())).rejects.toMatchObject({ type: 'TypeError' })
  expect(app.tasks().map(({ taskName }) => taskName)).not.toContain('celery.map')
})

test('celery.chord_unlock waits for the parts and sends the body, or fails it', async () => {
  const { app, add, sum, fail, worker, pass, clock } = tasks()
  const good = [await add.applyAsync([1, 1]), await add.applyAsync([2, 2], { countdown: 60 })]
  const bad = [await fail.delay()]
  await worker()
  const unlock = (id: string, parts: readonly { readonly id: string }[]) =>
    app.sendTask('celery.chord_unlock', ['the-group', sum.s().set({ taskId: id })], {
      interval: 5,
      max_retries: null,
      result: parts.map((part) => [[part.id, null], null]),
    })
  const start = clock.now()

  await unlock('sum-of-good', good)
  await unlock('sum-of-bad', bad)

  expect(await pass(app.result('sum-of-good').get())).toBe(6)
  expect(clock.now() - start).toBeGreaterThanOrEqual(60_000)
  await expect(pass(app.result('sum-of-bad').get())).rejects.toMatchObject({ type: 'ChordError' })
})

test('results of a group: counted, iterated as they finish, saved and restored, forgotten', async () => {
  const { app, add, fail, worker, pass, rest } = tasks()
  await worker()

  const result = await group(add.s(1, 1), fail.s(), add.s(2, 2)).delay()
  await rest()

  expect([
    await result.ready(),
    await result.successful(),
    await result.failed(),
    await result.completedCount(),
  ]).toEqual([true, false, true, 2])
  await expect(pass(result.get())).rejects.toMatchObject({ type: 'TypeError' })
  expect(await pass(result.get({ propagate: false }))).toEqual([2, expect.objectContaining({ type: 'TypeError' }), 4])
  const finished: unknown[] = []
  for await (const { index, value, error } of result.iterate()) finished.push([index, value, error?.message])
  expect(finished).toEqual([
    [0, 2, undefined],
    [1, undefined, 'TypeError: boom'],
    [2, 4, undefined],
  ])
  await result.save()
  const restored = await app.restoreGroup<number>(result.id)
  expect(restored?.results.map(({ id }) => id)).toEqual(result.results.map(({ id }) => id))
  await result.delete()
  expect(await app.restoreGroup(result.id)).toBeUndefined()
  await result.forget()
  expect(await result.waiting()).toBe(true)
})

test('the graph of a result shows how everything hangs together', async () => {
  const { add, sum, worker, pass } = tasks()
  await worker()

  const result = await chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).delay()
  await pass(result.get())
  const graph = await result.graph()

  const [first, header] = [result.parent?.parent, result.parent]
  expect(graph.nodes.map(({ kind }) => kind).sort()).toEqual(['group', 'task', 'task', 'task', 'task'])
  expect(graph.edges).toContainEqual([first?.id, header?.id])
  expect(graph.edges).toContainEqual([header?.id, result.id])
  expect(graphToDot(graph)).toContain(`"${header?.id}" -> "${result.id}"`)
  expect(graphToMermaid(graph)).toContain('flowchart TD')
})

test('collect gives what came of a result, each with its value', async () => {
  const { app, add, worker, pass, rest } = tasks()
  const many = app.task('t.many', async (n: number) => {
    await group(Array.from({ length: n }, (_, i) => add.s(i, i))).delay()
    return 'sent'
  })
  await worker()

  const result = await many.delay(3)
  await pass(result.get())
  await rest()

  const values: unknown[] = []
  for await (const [, value] of result.collect()) values.push(value)
  expect(values).toEqual(['sent', [0, 2, 4], 0, 2, 4])
})

test('get() of a group is refused inside a task', async () => {
  const { app, add, worker, pass } = tasks()
  const waiting = app.task('t.waiting', async () => (await group(add.s(1, 1)).delay()).get())
  await worker()

  await expect(pass((await waiting.delay()).get())).rejects.toMatchObject({ type: 'JoinInTaskError' })
})

test('an empty group is sent without a message and gives an empty list', async () => {
  const { app } = tasks()

  const result = await group([], app).delay()

  expect(await result.get()).toEqual([])
  expect(await result.ready()).toBe(true)
})

test('a group takes no callback, and an empty one needs an app', async () => {
  const { add, note } = tasks()

  await expect(group(add.s(1, 1)).link(note.s()).delay()).rejects.toThrow('A group takes no callback')
  expect(() => group([])).toThrow('An empty group belongs to no app')
})

test('10,000 members go out in bulk and come back in order', async () => {
  const { add, worker, pass } = tasks()
  await worker()

  const result = await group(Array.from({ length: 10_000 }, (_, i) => add.s(i, 1))).delay()

  const values = await pass(result.get())
  expect(values).toHaveLength(10_000)
  expect([values[0], values[9_999]]).toEqual([1, 10_000])
})

test('a chain of 1,000 runs to its end', async () => {
  const { add, worker, pass } = tasks()
  await worker()

  const result = await Array.from({ length: 1000 })
    .reduce<ReturnType<typeof add.si>>((before) => before.pipe(add.s(1)), add.s(0, 0))
    .delay()

  expect(await pass(result.get())).toBe(1000)
})

test('what is put back into its queue ends nothing: the chain and the chord go on', async () => {
  const { app, add, sum, worker, pass } = tasks()
  const ran: string[] = []
  const again = app.task('t.again', { bind: true, acksLate: true }, (self, x: number): number => {
    if (ran.push(self.id) === 1) throw new Reject('not now', { requeue: true })
    return x
  })
  await worker()

  const result = await chord([chain(again.s(1), add.s(1)), add.s(5, 5)], sum.s()).delay()

  expect(await pass(result.get())).toBe(12)
  expect(ran).toHaveLength(2)
})

test('header parts whose results are ignored count', async () => {
  const { app, sum, worker, pass } = tasks()
  const quiet = app.task('t.quiet', { ignoreResult: true }, (x: number) => x)
  await worker()

  const result = await chord([quiet.s(1), quiet.s(2)], sum.s()).delay()

  expect(await pass(result.get())).toBe(3)
})
