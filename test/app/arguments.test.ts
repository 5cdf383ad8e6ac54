import { expect, test } from 'vitest'
import { bench } from '../helpers/app.ts'

const argumentError = (message: string): unknown => expect.objectContaining({ code: 'TQ_ARGUMENT', message })

/** An app with `math.add(x, y)`, `mail.send(to, subject?)` and `math.sum(...xs)`, called as JavaScript may call them. */
function tasks() {
  const { app, ...rest } = bench()
  const add = app.task('math.add', (x: number, y: number): number => x + y)
  const send = app.task('mail.send', { params: ['to', 'subject', 'cc?'] }, (to: string, subject: string, cc = '-') =>
    [to, subject, cc].join(),
  )
  const sum = app.task('math.sum', (first: number, ...xs: number[]): number => xs.reduce((a, b) => a + b, first))
  const untyped = app.task('any.thing', { typing: false }, (x: number): number => x)
  const bound = app.task('b.ound', { bind: true }, (self, x: number): string => `${self.retries} ${x}`)
  return { app, add, send, sum, untyped, bound, ...rest }
}

/** What JavaScript gives, which TypeScript would refuse. */
const untypedArgs = (...args: unknown[]): never => args as never

test.each([
  [[1], 'Expected 2 arguments (x: number, y: number), got 1: math.add(x: number, y: number): number.'],
  [[1, 2, 3], 'Expected 2 arguments (x: number, y: number), got 3: math.add(x: number, y: number): number.'],
  [[], 'Expected 2 arguments (x: number, y: number), got 0: math.add(x: number, y: number): number.'],
])('a call with %j instead of two arguments is refused with the signature', async (args, message) => {
  const { add } = tasks()

  await expect(add.applyAsync(untypedArgs(...args))).rejects.toEqual(
    argumentError(`${message} If a parameter is optional, give it a default value.`),
  )
})

test('the wanted number is told as a range, or as a least', async () => {
  const { send, sum } = tasks()

  await expect(send.applyAsync(untypedArgs('a'))).rejects.toThrow('Expected 2 to 3 arguments')
  await expect(send.applyAsync(untypedArgs('a', 'b', 'c', 'd'))).rejects.toThrow('Expected 2 to 3 arguments')
  await expect(sum.applyAsync(untypedArgs())).rejects.toThrow('Expected at least 1 argument (')
})

test('self is none of the arguments of a bound task', async () => {
  const { bound } = tasks()

  await expect(bound.applyAsync(untypedArgs())).rejects.toThrow(
    'Expected 1 argument (x: number), got 0: b.ound(x: number)',
  )
})

test.each([
  [[], { to: 'a', subject: 'b', kopie: 'c' }, "Keyword argument 'kopie' is not a parameter: mail.send("],
  [['a'], { to: 'b', subject: 'c' }, "Keyword argument 'to' is given twice: mail.send("],
  [[], { to: 'a', cc: 'c' }, "Argument 'subject' is missing: mail.send("],
])('%j with the keywords %j is refused', async (args, kwargs, message) => {
  const { send } = tasks()

  await expect(send.applyAsync(untypedArgs(...args), { kwargs })).rejects.toThrow(message)
})

test('typing: false lets every number of arguments through', async () => {
  const { untyped } = tasks()

  await expect(untyped.applyAsync(untypedArgs(1, 2, 3))).resolves.toHaveProperty('id')
})

test('keywords find their parameters on the worker, and holes stay undefined', async () => {
  const { app, send, worker, pass } = tasks()
  await worker()

  const byName = await app.sendTask('mail.send', ['a'], { cc: 'c', subject: 's' })
  const withHole = await send.applyAsync(untypedArgs('a'), { kwargs: { subject: 's' } })

  expect(await pass(byName.get())).toBe('a,s,c')
  expect(await pass(withHole.get())).toBe('a,s,-')
})

test('the worker refuses what a sender without the definition got wrong', async () => {
  const { app, worker, ready } = tasks()
  await worker()

  const few = await ready(await app.sendTask('math.add', [1]))
  const strange = await ready(await app.sendTask('math.add', [1], { z: 1 }))

  expect(few).toMatchObject({ state: 'FAILURE', error: { type: 'ArgumentError' } })
  expect(few.error?.message[0]).toContain('math.add(x: number, y: number)')
  expect(strange.error?.message[0]).toContain("Keyword argument 'z' is not a parameter")
})

test.each([
  ['args[0].items[3].when', [{ items: [1, 2, 3, { when: () => 1 }] }]],
  ['args[1]', [1, new Map()]],
  ['args[0][0]', [[Symbol('x')]]],
])('a value that cannot be serialised is named by its path, %s', async (path, args) => {
  const { app } = tasks()

  await expect(app.sendTask('any.task', args)).rejects.toMatchObject({ code: 'TQ_ENCODE', path })
})

test('so is one among the keywords', async () => {
  const { app } = tasks()

  await expect(app.sendTask('any.task', [], { who: { map: new Map() } })).rejects.toMatchObject({
    code: 'TQ_ENCODE',
    path: 'kwargs.who.map',
  })
})

test('a call that was refused sends nothing', async () => {
  const { app, add } = tasks()
  const transport = await app.connections.transport()

  await expect(add.applyAsync(untypedArgs(1))).rejects.toThrow()
  await expect(add.delay(untypedArgs(new Map()), 1)).rejects.toThrow()

  expect((await transport.queueInfo('celery')).ready).toBe(0)
})
