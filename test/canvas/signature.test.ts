import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { chain, chord, group, type Signature } from '../../runtime/src/index.ts'
import { dictToSignature } from '../../runtime/src/wire/canvas-dict.ts'
import { bench } from '../helpers/app.ts'

function tasks() {
  const one = bench()
  const { app } = one
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const three = app.task('t.three', (x: number, y: number, z: number): string => [x, y, z].join())
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
  const login = app.task(
    't.login',
    { redact: ['password'] },
    (name: string, password: string): string => name + password,
  )
  return { ...one, add, three, sum, login }
}

test('a partial call gets what it owes in front of what it has', async () => {
  const { app, three, worker, pass } = tasks()
  await worker()

  expect(await pass((await three.s(3).delay(1, 2)).get())).toBe('1,2,3')
  // By its name alone nobody knows what it still wants.
  expect(await pass((await app.signature('t.three', [3]).delay(...([1, 2] as never[]))).get())).toBe('1,2,3')
  const next = app.signature('t.three', [7, 8]) as unknown as Signature<[string], string>
  expect(await pass((await chain(three.s(1, 2, 3), next).delay()).get())).toBe('1,2,3,7,8')
})

test('an immutable call takes nothing from what runs before it', async () => {
  const { add, worker, pass } = tasks()
  await worker()

  const result = await chain(add.s(1, 1), add.si(5, 5)).delay()

  expect(await pass(result.get())).toBe(10)
})

test('clone puts arguments in front and leaves the original as it is', async () => {
  const { app, three, worker, pass } = tasks()
  await worker()
  const partial = three.s(3)

  const fuller = partial.clone([2])

  expect(await pass((await fuller.delay(1)).get())).toBe('1,2,3')
  expect(partial.data.args).toEqual([3])
  expect(partial.clone().data).toEqual(partial.data)
  expect(app.signature('t.x', [], { kwargs: { a: 1 } }).clone([], { kwargs: { b: 2 } }).data.kwargs).toEqual({
    a: 1,
    b: 2,
  })
  // An immutable signature takes no arguments: its type has no list of them.
  expect(three.si(1, 2, 3).clone([] as never, { kwargs: { b: 2 } }).data.kwargs).toEqual({})
})

test('set lays options over those that a call has', () => {
  const { add } = tasks()

  const { options } = add.s(1, 1).set({ queue: 'a', priority: 3 }).set({ queue: 'b' }).data

  expect(options).toEqual({ queue: 'b', priority: 3 })
})

test('a frozen call has its result before it is sent', async () => {
  const { add, sum, worker, pass } = tasks()
  await worker()
  const { signature, result } = chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).freeze('the-sum')

  const sent = await signature.delay()

  expect([result.id, sent.id]).toEqual(['the-sum', 'the-sum'])
  expect(sent.parent?.id).toBe(result.parent?.id)
  expect(await pass(result.get())).toBe(7)
  expect(await pass(result.parent?.get() ?? Promise.resolve())).toEqual([3, 4])
})

test('a frozen task and a frozen group keep their ids', async () => {
  const { add } = tasks()

  const one = add.s(1, 1).freeze()
  const many = group(add.s(1, 1), add.s(2, 2)).freeze()

  expect((await one.signature.delay()).id).toBe(one.result.id)
  const sent = await many.signature.delay()
  expect(sent.id).toBe(many.result.id)
  expect(sent.results.map(({ id }) => id)).toEqual(many.result.results.map(({ id }) => id))
})

test('linkError and onError are one', () => {
  const { add, sum } = tasks()

  const errback = sum.s() as never // never run: only what is written down of it counts
  expect(add.s(1, 1).onError(errback).data).toEqual(add.s(1, 1).linkError(errback).data)
})

test('the options of a chord are those of its header and its body, whether set or given when it is sent', async () => {
  const { add, sum, worker, pass, hear, events } = tasks()
  await hear()
  await worker({ queues: ['celery', 'own'] })
  const canvas = chord([add.s(1, 1), add.s(2, 2).set({ queue: 'celery' })], sum.s())

  const set = await canvas.set({ queue: 'own', taskId: 'the-body' }).delay()
  const given = await canvas.applyAsync([], { queue: 'own', priority: 3 })

  expect([await pass(set.get()), await pass(given.get()), set.id]).toEqual([6, 6, 'the-body'])
  const sent = events.flatMap((event) => (event.type === 'task-sent' ? [`${event.name} ${event.queue}`] : []))
  expect(sent).toEqual(['t.add own', 't.add celery', 't.add own', 't.add own', 't.sum own', 't.sum own'])
})

test('a canvas is one line of text, without what is redacted', () => {
  const { app, add, sum, login } = tasks()

  const canvas = chain(add.s(1, 1), group(add.s(2), add.s(3)), sum.s())

  expect(canvas.toString()).toBe('t.add(1, 1) | group(t.add(2), t.add(3)) | t.sum()')
  expect(String(chord([add.s(1, 1)], sum.s()))).toBe('group(t.add(1, 1)) | t.sum()')
  expect(String(app.signature('t.mail', ['x'], { kwargs: { urgent: true, to: 'me' } }))).toBe(
    "t.mail('x', urgent=True, to='me')",
  )
  expect(String(login.s('ann', 'secret'))).toBe("t.login('ann', '***')")
  expect(inspect(add.s(1))).toBe('Signature { t.add(1) }')
})

test('a signature is an argument like any other, and back to one', async () => {
  const { app, add, worker, pass } = tasks()
  const relay = app.task('t.relay', async (given: unknown): Promise<string> => {
    const { id } = await app.sendSignature<{ readonly id: string }>(dictToSignature(given))
    return id
  })
  await worker()

  const id = await pass((await relay.delay(chain(add.s(1, 1), add.s(3)))).get())

  expect(await pass(app.result(id).get())).toBe(5)
})

test('apply runs a canvas here, whatever the mode', async () => {
  const { app, add, sum } = tasks()
  const fail = app.task('t.fail', (..._: unknown[]): number => {
    throw new TypeError('boom')
  })

  expect(await (await add.s(3).apply(2)).get()).toBe(5)
  const whole = chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s(), add.s(10))
  expect(await (await whole.apply()).get()).toBe(17)
  const ofGroup = await group(add.s(1, 1), chain(add.s(2, 2), add.s(1))).apply()
  expect(await ofGroup.get()).toEqual([2, 5])
  const failed = await chain(add.s(1, 1), fail.s(), add.s(1)).apply()
  await expect(failed.get()).rejects.toMatchObject({ type: 'TypeError' })
  await expect(chord([add.s(1, 1), fail.s()], sum.s()).apply()).rejects.toMatchObject({ type: 'TypeError' })
  expect(app.eager).toBe(false)
})
