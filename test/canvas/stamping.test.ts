import { expect, test } from 'vitest'
import {
  type BoundTask,
  chain,
  chord,
  group,
  type SignatureData,
  type StampingVisitor,
} from '../../runtime/src/index.ts'
import { dictToSignature, signatureToDict } from '../../runtime/src/wire/canvas-dict.ts'
import { bench } from '../helpers/app.ts'

function tasks(options: Parameters<typeof bench>[0] = {}) {
  const one = bench(options)
  const { app } = one
  const seen: (readonly [string, unknown])[] = []
  const add = app.task('t.add', { bind: true }, (self, x: number, y: number): number => {
    seen.push([self.id, self.request.stamps])
    return x + y
  })
  const sum = app.task('t.sum', { bind: true }, (self, xs: readonly number[]): number => {
    seen.push([self.id, self.request.stamps])
    return xs.reduce((a, b) => a + b, 0)
  })
  const note = app.task('t.note', { bind: true }, (self, ..._: unknown[]): void => {
    seen.push([self.id, self.request.stamps])
  })
  const fail = app.task('t.fail', (): number => {
    throw new TypeError('boom')
  })
  return { ...one, add, sum, note, fail, seen }
}

const stampsOf = (data: SignatureData | undefined): unknown => data?.options.stamps

test('a stamped canvas carries its stamps to every task: chain, header, body, callbacks', async () => {
  const { add, sum, note, worker, pass, rest, seen } = tasks()
  await worker()
  const canvas = chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s().link(note.s())).stamp({ order: 17 })

  const result = await canvas.delay()

  expect(await pass(result.get())).toBe(7)
  await rest()
  expect(seen.map(([, stamps]) => stamps)).toEqual(Array.from({ length: 5 }, () => ({ order: 17 })))
})

test('error callbacks are stamped, too', async () => {
  const { fail, note, worker, pass, rest, seen } = tasks()
  await worker()

  const result = await fail.s().linkError(note.s()).stamp({ order: 17 }).delay()

  await expect(pass(result.get())).rejects.toMatchObject({ type: 'TypeError' })
  await rest()
  expect(seen).toEqual([[expect.any(String), { order: 17 }]])
})

test('a stamp of the same name stays behind the new one, or becomes a list', () => {
  const { add } = tasks()
  const first = add.s(1, 1).stamp({ order: 1, kept: 'a' })

  expect(stampsOf(first.stamp({ order: 2 }).data)).toEqual({ order: 2, kept: 'a' })
  expect(stampsOf(first.stamp({ order: 2 }, { appendStamps: true }).data)).toEqual({ order: [2, 1], kept: 'a' })
  expect(
    stampsOf(
      add
        .s(1, 1)
        .stamp({ x: [1] })
        .stamp({ x: [2] }).data,
    ),
  ).toEqual({ x: [2, 1] })
  expect(stampsOf(first.data)).toEqual({ order: 1, kept: 'a' })
})

test('a visitor is led through the canvas in order, and what it says of a group or chain goes to what is inside', () => {
  const { add, sum, note } = tasks()
  const steps: string[] = []
  const visitor: StampingVisitor = {
    onSignature: ({ task }) => ({ saw: steps.push(task) }),
    onGroupStart: () => ({ inGroup: steps.push('group {') }),
    onGroupEnd: () => void steps.push('}'),
    onChainStart: () => ({ inChain: steps.push('chain {') }),
    onChainEnd: () => void steps.push('}'),
    onChordBody: () => ({ body: steps.push('body') }),
    onCallback: () => ({ callback: steps.push('callback') }),
    onErrback: () => ({ errback: steps.push('errback') }),
  }
  const canvas = chain(add.s(1, 1).link(note.s()), chord([add.s(1), add.s(2)], sum.s().linkError(note.s())))

  const { data } = canvas.stamp({ given: true }, { visitor })

  expect(steps.join(' ')).toBe('chain { callback t.note t.add group { t.add t.add } body errback t.note t.sum }')
  const [first, then] = data.parts ?? []
  expect(Object.keys(stampsOf(first) as object).sort()).toEqual(['given', 'inChain', 'saw'])
  expect(Object.keys(stampsOf(first?.options.link?.[0]) as object).sort()).toEqual([
    'callback',
    'given',
    'inChain',
    'saw',
  ])
  expect(Object.keys(stampsOf(then?.parts?.[0]) as object).sort()).toEqual(['given', 'inChain', 'inGroup', 'saw'])
  expect(Object.keys(stampsOf(then?.body) as object).sort()).toEqual(['body', 'given', 'inChain', 'inGroup', 'saw'])
})

test('what comes from outside goes before what a visitor says', () => {
  const { add } = tasks()
  const visitor: StampingVisitor = { onSignature: () => ({ order: 'visitor', more: 1 }) }

  expect(stampsOf(add.s(1, 1).stamp({ order: 'given' }, { visitor }).data)).toEqual({ order: 'given', more: 1 })
  expect(stampsOf(add.s(1, 1).stamp({ order: 'given' }, { visitor, appendStamps: true }).data)).toEqual({
    order: ['given', 'visitor'],
    more: 1,
  })
})

test('a chord visitor of its own goes before that of groups', () => {
  const { add, sum } = tasks()
  const visitor: StampingVisitor = {
    onGroupStart: () => ({ wrong: true }),
    onChordHeaderStart: () => ({ header: true }),
  }

  const { data } = chord([add.s(1, 1)], sum.s()).stamp({}, { visitor })

  expect(stampsOf(data.parts?.[0])).toEqual({ header: true })
})

test('a stamp cannot be called like an option', () => {
  const { add } = tasks()

  expect(() => add.s(1, 1).stamp({ queue: 'x' })).toThrow("A stamp cannot be called 'queue'")
})

test("stamps lie among a signature's options on the wire, and come back", () => {
  const { add } = tasks()

  const dict = signatureToDict(
    add
      .s(1, 1)
      .set({ queue: 'q' })
      .stamp({ order: 17, tags: ['a'] }).data,
  )

  expect(dict['options']).toEqual({ queue: 'q', order: 17, tags: ['a'], stamped_headers: ['order', 'tags'] })
  expect(dictToSignature(JSON.parse(JSON.stringify(dict))).options).toEqual({
    queue: 'q',
    stamps: { order: 17, tags: ['a'] },
  })
})

test('stamps are in the message, in events and in extended results, and survive a retry', async () => {
  const { app, worker, pass, eventsOf, hear } = tasks({ resultExtended: true })
  const again = app.task('t.again', { bind: true }, (self): unknown => {
    if (self.retries === 0) self.retry({ countdown: 1 })
    return self.request.stamps
  })
  await hear()
  await worker()

  const result = await again.applyAsync([], { stamps: { order: 17 } })

  expect(await pass(result.get())).toEqual({ order: 17 })
  expect(await result.meta()).toMatchObject({ stamps: { order: 17 } })
  expect(eventsOf(result.id).filter(({ type }) => type === 'task-received')).toEqual([
    expect.objectContaining({ stamps: { order: 17 } }),
    expect.objectContaining({ stamps: { order: 17 } }),
  ])
})

test('a task that a stamped one sends is not stamped, as in Celery', async () => {
  const { app, add, worker, pass, rest, seen } = tasks()
  const outer = app.task('t.outer', async (): Promise<void> => void (await add.delay(1, 1)))
  await worker()

  await pass((await outer.s().stamp({ order: 17 }).delay()).get())
  await rest()

  expect(seen).toEqual([[expect.any(String), {}]])
})

test('calls are revoked by a stamp, those that wait and those that come', async () => {
  const { app, add, worker, pass, rest, seen } = tasks()
  await worker()
  const waiting = await add
    .s(1, 1)
    .stamp({ order: [16, 17] })
    .applyAsync([], { countdown: 5 })
  const other = await add.s(1, 1).stamp({ order: 18 }).applyAsync([], { countdown: 5 })

  await app.control.revokeByStampedHeaders({ order: 17 })
  await rest()
  const late = await add.s(2, 2).stamp({ order: 17 }).delay()

  await expect(pass(late.get())).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED' })
  await expect(pass(waiting.get())).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED' })
  expect(await pass(other.get())).toBe(2)
  expect(seen).toHaveLength(1)
})

test('what runs is ended by a stamp where that is wanted', async () => {
  const { app, worker, pass, rest } = tasks()
  const slow = app.task('t.slow', { bind: true }, (self): Promise<void> => self.sleep(3_600_000))
  await worker()
  const result = await slow.s().stamp({ order: 17 }).delay()
  const other = await slow.s().stamp({ order: 18 }).delay()
  await rest()

  await result.revokeByStampedHeaders({ order: [17] }, { terminate: true })

  await expect(pass(result.get())).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'terminated' })
  expect(await other.ready()).toBe(false)
})

test('a hook stamps what takes the place of its task', async () => {
  const { app, add, worker, pass, seen } = tasks()
  const onReplace = (self: BoundTask, data: SignatureData): unknown => self.app.canvas(data).stamp({ replaced: true })
  const outer = app.task('t.outer', { bind: true, onReplace }, (self): Promise<number> => self.replace(add.s(1, 1)))
  await worker()

  expect(await pass((await outer.delay()).get())).toBe(2)
  expect(seen).toEqual([[expect.any(String), { replaced: true }]])
})
