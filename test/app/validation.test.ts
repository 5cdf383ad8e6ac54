import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type } from 'arktype'
import * as v from 'valibot'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { chain, chord, group, type Tq, ValidationError } from '../../runtime/src/index.ts'
import { createMemoryServer, memoryApp } from '../../runtime/src/testing.ts'
import { type Bench, bench } from '../helpers/app.ts'

/** A bench, and an app on the same broker that knows the other's tasks by name only. */
async function withStranger(): Promise<Bench & { readonly stranger: Tq }> {
  const memory = await createMemoryServer()
  const one = bench({ memory })
  const stranger = memoryApp('stranger', { memory, clock: one.clock, taskRedact: ['password'] })
  onTestFinished(() => one.pass(stranger.close()))
  return { ...one, stranger }
}

/** The messages that wait in the queue. */
async function queued(app: Tq): Promise<number> {
  const transport = await app.connections.transport()
  return (await transport.queueInfo('celery')).ready
}

const libraries = {
  zod: z.object({ to: z.email(), times: z.coerce.number<string>() }),
  valibot: v.object({ to: v.pipe(v.string(), v.email()), times: v.pipe(v.string(), v.transform(Number)) }),
  arktype: type({ to: 'string.email', times: 'string.numeric.parse' }),
}

test.each(Object.entries(libraries))(
  'a schema of %s checks the one parameter, and the task gets what it makes of it',
  async (_name, schema) => {
    const { app, worker, ready } = bench()
    const task = app.task('mail.send', { validate: schema }, ({ to, times }) => [to, times])
    await worker()

    const meta = await ready(await task.delay({ to: 'ann@example.org', times: '3' }))

    expect(meta.result).toEqual(['ann@example.org', 3])
  },
)

test.each(Object.entries(libraries))('what a schema of %s refuses is not sent', async (_name, schema) => {
  const { app } = bench()
  const task = app.task('mail.send', { validate: schema }, (mail) => mail.to)

  const sending = task.delay({ to: 'nobody', times: '3' })

  await expect(sending).rejects.toThrow(ValidationError)
  await expect(sending).rejects.toMatchObject({
    message: expect.stringMatching(/^The arguments of mail\.send are not valid: mail\.to: /),
    issues: [{ path: 'mail.to' }],
  })
  expect(await queued(app)).toBe(0)
})

test('what is sent is what was given, not what the schema makes of it', async () => {
  const { app } = bench()
  const task = app.task('t.when', { validate: [z.coerce.date<string>()] }, (when) => when.getTime())

  await task.delay('2026-01-01T00:00:00Z')

  const transport = await app.connections.transport()
  const [message] = await transport.peek('celery', { limit: 1, state: 'ready' })
  expect(Buffer.from(message?.body ?? []).toString()).toContain('["2026-01-01T00:00:00Z"]')
})

test('a list has a schema per parameter, of which those with a default need not be given', async () => {
  const { app, worker, ready } = bench()
  const task = app.task('t.list', { validate: [z.string(), z.number().default(2)] }, (text, times) =>
    text.repeat(times),
  )
  await worker()

  const results = [await ready(await task.delay('ab')), await ready(await task.delay('ab', 3))]

  expect(results.map(({ result }) => result)).toEqual(['abab', 'ababab'])
})

test('a schema of all arguments checks them together', async () => {
  const { app, worker, ready } = bench()
  const range = z.tuple([z.number(), z.number()]).refine(([from, to]) => from < to, 'from is not before to')
  const task = app.task('t.range', { validate: { args: range } }, (from, to) => to - from)
  await worker()

  const meta = await ready(await task.delay(1, 5))

  expect(meta.result).toBe(4)
  await expect(task.delay(5, 1)).rejects.toThrow('The arguments of t.range are not valid: from is not before to')
})

test('keyword arguments are checked in the places of their parameters', async () => {
  const { app, worker, ready, stranger } = await withStranger()
  const task = app.task('t.keywords', { validate: [z.string(), z.number()] }, (text, times) => `${text}${times}`)
  await worker()

  const fine = await ready(await app.sendTask('t.keywords', [], { times: 2, text: 'a' }))
  const wrong = await ready(await stranger.sendTask('t.keywords', ['a'], { times: 'two' }))

  expect(fine.result).toBe('a2')
  expect(wrong).toMatchObject({ state: 'FAILURE', error: { type: 'ValidationError' } })
  expect(String(wrong.error?.message[0])).toContain('times: ')
  expect(task.describe().params).toEqual(['text', 'times'])
})

test('a parameter without a name is told by its place', async () => {
  const { app } = bench()
  const task = app.task('t.nameless', { validate: [z.string(), z.object({ n: z.array(z.number()) })] }, (_, { n }) => n)

  // @ts-expect-error no number
  const sending = task.delay('a', { n: [1, 'two'] })

  await expect(sending).rejects.toMatchObject({ issues: [{ path: '[1].n[1]' }] })
})

test('more arguments than schemas are refused', async () => {
  const { app } = bench()
  const task = app.task('t.many', { validate: [z.string()], typing: false }, (text) => text)

  // @ts-expect-error one too many
  const sending = task.delay('a', 'b')

  await expect(sending).rejects.toThrow('t.many takes at most 1 arguments')
})

test('asynchronous schemas are awaited, before sending and before the run', async () => {
  const { app, worker, ready } = bench()
  const known = z.string().refine(async (name) => Promise.resolve(name !== 'nobody'), 'is not known')
  const task = app.task('t.async', { validate: [known] }, (name) => name.toUpperCase())
  await worker()

  const meta = await ready(await task.delay('ann'))

  expect(meta.result).toBe('ANN')
  await expect(task.delay('nobody')).rejects.toThrow('t.async are not valid: name: is not known')
})

test('arguments that a worker refuses fail the task at once, whatever it tries again', async () => {
  const { app, worker, ready, eventsOf, stranger } = await withStranger()
  const heard: string[] = []
  app.task(
    't.strict',
    { validate: [z.number()], autoretryFor: [Error], onFailure: (_self, error) => heard.push((error as Error).name) },
    (n) => n,
  )
  await worker()

  const { id, state, error } = await ready(await stranger.sendTask('t.strict', ['one']))

  expect({ state, type: error?.type }).toEqual({ state: 'FAILURE', type: 'ValidationError' })
  expect(eventsOf(id).map(({ type }) => type)).not.toContain('task-retried')
  expect(heard).toEqual(['ValidationError'])
})

function shop(options: Parameters<typeof bench>[0] = {}) {
  const one = bench(options)
  const { app } = one
  const half = app.task(
    't.half',
    { validate: [z.number().refine(async (n) => Promise.resolve(n % 2 === 0), 'is odd')] },
    (n) => n / 2,
  )
  const list = app.task('t.list', (...all: unknown[]): unknown => all)
  return { ...one, half, list }
}

type Shop = ReturnType<typeof shop>

const waysToSend: Readonly<Record<string, (shop: Shop) => Promise<unknown>>> = {
  'by name': ({ app }) => app.sendTask('t.half', [3]),
  'by name, with keywords': ({ app }) => app.sendTask('t.half', [], { n: 3 }),
  'as one of many': ({ app, half }) => app.sendMany([half.s(2), { task: half, args: [3] }, { task: half, args: [4] }]),
  'as one of many signatures': ({ app, half }) => app.sendMany([{ task: half, args: [2] }, half.s(3)]),
  'in one of many canvases': ({ app, half }) => app.sendMany([half.s(2), group(half.s(2), half.s(3))]),
  'as a signature': ({ half }) => half.s(3).delay(),
  'as a signature that is completed': ({ half }) => half.s().delay(3),
  'once its transaction commits': ({ half }) =>
    half.applyAsync([3], { afterCommit: { onCommit: () => expect.unreachable() } }),
  'first in a chain': ({ half, list }) => chain(half.s(3), list.s()).delay(),
  'later in a chain, taking nothing': ({ half, list }) => chain(list.s(), half.si(3)).delay(),
  'in a group': ({ half }) => group(half.s(2), half.s(3)).delay(),
  'in a group behind a task, taking nothing': ({ half, list }) => chain(list.s(), group(half.si(3), list.s())).delay(),
  'in a header': ({ half, list }) => chord([half.s(2), chain(half.s(3), list.s())], list.s()).delay(),
  'as a body that takes nothing': ({ half, list }) => chord([list.s(), list.s()], half.si(3)).delay(),
  'as a callback that takes nothing': ({ half, list }) => list.s().link(half.si(3)).delay(),
  'as an error callback that takes nothing': ({ half, list }) => list.s().linkError(half.si(3)).delay(),
  'for each of some items': ({ half }) => half.map([2, 3]).delay(),
  'for each of some lists': ({ half }) => half.starmap([[2], [3]]).delay(),
  'in chunks': ({ half }) => half.chunks([[2], [3]], 1).delay(),
}

test.each(Object.entries(waysToSend))('what a schema refuses is not sent %s, nor anything with it', async (_, send) => {
  const one = shop()

  const sending = send(one)

  await expect(sending).rejects.toThrow('The arguments of t.half are not valid: n: is odd')
  expect(await queued(one.app)).toBe(0)
})

test.each(Object.entries(waysToSend))(
  'what a schema refuses does not run while calls run here: %s',
  async (_, send) => {
    const one = shop({ taskAlwaysEager: true })

    await expect(one.pass(send(one))).rejects.toThrow('The arguments of t.half are not valid: n: is odd')
  },
)

test('a canvas that is applied is refused where it begins with what a schema refuses', async () => {
  const { half, list, pass } = shop()

  await expect(pass(chain(half.s(3), list.s()).apply())).rejects.toThrow(ValidationError)
  await expect(pass(group(half.s(2), half.s(3)).apply())).rejects.toThrow(ValidationError)
})

test('what a step before gives is checked by the worker that runs the next one', async () => {
  const { app, half, pass, worker } = shop()
  const three = app.task('t.three', () => 3)
  await worker()

  const result = await chain(three.s(), half.s()).delay()

  await expect(pass(result.get())).rejects.toMatchObject({ type: 'ValidationError' })
  expect(await pass(result.parent?.get() ?? Promise.resolve())).toBe(3)
})

test('a task that is to be replaced by what a schema refuses hears of it', async () => {
  const { app, half, ready, worker } = shop()
  const outer = app.task('t.outer', { bind: true }, async (self): Promise<unknown> => self.replace(half.s(3)))
  await worker()

  const { error } = await ready(await outer.delay())

  expect(error).toMatchObject({ type: 'ValidationError' })
})

test('a chord does not wait for a part that a schema refuses', async () => {
  const { app, half, list, pass, worker } = shop()
  const growing = app.task('t.growing', { bind: true }, async (self): Promise<string> => {
    try {
      await self.addToChord(half.s(3))
      return 'added'
    } catch (error) {
      return (error as Error).name
    }
  })
  await worker()

  const result = await chord([growing.s(), half.s(2)], list.s()).delay()

  expect(await pass(result.get())).toEqual([['ValidationError', 1]])
})

test('the result schema says what is stored', async () => {
  const { app, worker, ready } = bench()
  const task = app.task(
    't.result',
    { validate: { result: z.object({ total: z.number() }).transform(({ total }) => ({ total, currency: 'EUR' })) } },
    async (total: number) => ({ total, secret: 'left out' }),
  )
  await worker()

  const meta = await ready(await task.delay(7))

  expect(meta.result).toEqual({ total: 7, currency: 'EUR' })
})

test('a result that its schema refuses fails the task, which is not tried again', async () => {
  const { app, worker, ready, eventsOf } = bench()
  const broken = (): { total: number } => JSON.parse('{"total":"none"}') as { total: number }
  const task = app.task(
    't.broken',
    { validate: { result: z.object({ total: z.number() }) }, autoretryFor: [Error] },
    broken,
  )
  await worker()

  const { id, state, error } = await ready(await task.delay())

  expect(state).toBe('FAILURE')
  expect(error?.message[0]).toMatch(/^The result of t\.broken is not valid: total: /)
  expect(eventsOf(id).map(({ type }) => type)).not.toContain('task-retried')
})

test('a direct call is checked, too', async () => {
  const { app } = bench()
  const sync = app.task('t.sync', { validate: [z.coerce.number<string>()] }, (n) => n + 1)
  const later = app.task(
    't.later',
    { validate: [z.string().refine(async (text) => text !== '')] },
    async (text) => text,
  )

  const values = [sync('1'), await later('a')]

  expect(values).toEqual([2, 'a'])
  expect(() => sync('one')).toThrow(ValidationError)
  await expect(later('')).rejects.toThrow(ValidationError)
})

test('an eager call checks as a worker does', async () => {
  const { app, pass } = bench({ taskAlwaysEager: true })
  const task = app.task('t.eager', { validate: [z.coerce.date<string>()] }, (when) => when.getUTCFullYear())

  const result = await pass(task.delay('2026-01-01'))

  expect(await result.get()).toBe(2026)
})

// --- what is hidden -----------------------------------------------------------------------------------------------------

const secret = 'hunter2-hunter2'

test.each([
  ['a parameter', [v.string(), v.picklist(['a'])], ['ann', secret]],
  ['a key', [v.object({ password: v.picklist(['a']) })], [{ password: secret }]],
  [
    'a key far below',
    [v.object({ users: v.array(v.object({ password: v.picklist(['a']) })) })],
    [{ users: [{ password: secret }] }],
  ],
  ['a whole that holds it', [v.picklist(['a'])], [{ user: { password: secret } }]],
] as const)('an error never shows what redact hides: %s', async (_where, validate, args) => {
  const { app, worker, ready, logged, stranger } = await withStranger()
  const task = app.task(
    't.secret',
    { validate, redact: ['password'], params: ['user', 'password'], typing: false },
    () => 1,
  )
  await worker()

  // Wrong on purpose, each of its own way.
  const sending = await Promise.resolve(task.applyAsync(args as never)).catch((error: unknown) => error)
  const { error, traceback } = await ready(await stranger.sendTask('t.secret', args))

  expect(sending).toBeInstanceOf(ValidationError)
  expect(String(sending)).not.toContain('hunter')
  expect(JSON.stringify([error, traceback, logged])).not.toContain('hunter')
  expect(error?.message[0]).toContain('is not valid (what it says is hidden by redact)')
})

test('a schema may name what it refuses by a symbol', async () => {
  const { app } = bench()
  const tag = Symbol('tag')
  const issues = [{ message: 'is wrong', path: [tag] }]
  const schema: StandardSchemaV1<string> = { '~standard': { version: 1, vendor: 'own', validate: () => ({ issues }) } }
  const [plain, checked] = [
    // It says one text, and stands for a list: what it refuses does not matter here.
    app.task('t.args', { validate: { args: schema as never } }, () => 1),
    app.task('t.result', { validate: { result: schema } }, () => 'x'),
  ]

  // The schema's parameter is left out: its answer is the same for all.
  await expect(plain.applyAsync([] as never)).rejects.toThrow('Symbol(tag): is wrong')
  expect(() => checked()).toThrow('Symbol(tag): is wrong')
})

test('an error shows what is not hidden', async () => {
  const { app } = bench({ taskRedact: ['password'] })
  const task = app.task('t.open', { validate: [v.object({ size: v.picklist(['s', 'm']) })] }, () => 1)

  // @ts-expect-error no such size
  const sending = task.delay({ size: 'xxl' })

  await expect(sending).rejects.toThrow('"xxl"')
})
