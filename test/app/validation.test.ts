import { type } from 'arktype'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Tq, ValidationError } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

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
  const { app, worker, ready } = bench()
  const task = app.task('t.keywords', { validate: [z.string(), z.number()] }, (text, times) => `${text}${times}`)
  await worker()

  const fine = await ready(await app.sendTask('t.keywords', [], { times: 2, text: 'a' }))
  const wrong = await ready(await app.sendTask('t.keywords', ['a'], { times: 'two' }))

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
  const { app, worker, ready, eventsOf } = bench()
  const heard: string[] = []
  app.task(
    't.strict',
    { validate: [z.number()], autoretryFor: [Error], onFailure: (_self, error) => heard.push((error as Error).name) },
    (n) => n,
  )
  await worker()

  const { id, state, error } = await ready(await app.sendTask('t.strict', ['one']))

  expect({ state, type: error?.type }).toEqual({ state: 'FAILURE', type: 'ValidationError' })
  expect(eventsOf(id).map(({ type }) => type)).not.toContain('task-retried')
  expect(heard).toEqual(['ValidationError'])
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
  const { app, worker, ready, logged } = bench()
  const task = app.task(
    't.secret',
    { validate, redact: ['password'], params: ['user', 'password'], typing: false },
    () => 1,
  )
  await worker()

  const sending = await Promise.resolve(task.applyAsync(args as never)).catch((error: unknown) => error)
  const { error, traceback } = await ready(await app.sendTask('t.secret', args))

  expect(sending).toBeInstanceOf(ValidationError)
  expect(String(sending)).not.toContain('hunter')
  expect(JSON.stringify([error, traceback, logged])).not.toContain('hunter')
  expect(error?.message[0]).toContain('is not valid (what it says is hidden by redact)')
})

test('an error shows what is not hidden', async () => {
  const { app } = bench({ taskRedact: ['password'] })
  const task = app.task('t.open', { validate: [v.object({ size: v.picklist(['s', 'm']) })] }, () => 1)

  // @ts-expect-error no such size
  const sending = task.delay({ size: 'xxl' })

  await expect(sending).rejects.toThrow('"xxl"')
})
