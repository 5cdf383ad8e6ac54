// Compiled by `tsc -p test`, never run: a wrong inference fails `equal`, a call that ought to be refused fails `@ts-expect-error`.
import type { AnyTask, AsyncResult, Signature, Task } from '../../runtime/src/index.ts'
import { BoundTask, chain, currentTask, sharedTask, Tq } from '../../runtime/src/index.ts'

type Equal<X, Y> = (<T>() => T extends X ? 1 : 2) extends <T>() => T extends Y ? 1 : 2 ? true : false
const equal = <T extends true>(): T | undefined => undefined

export const app = new Tq('proj', { broker: 'memory://' })
export const add = app.task('tasks.add', (x: number, y: number) => x + y)
export const upper = app.task('tasks.upper', async (text: string) => text.toUpperCase())
export const fmt = app.task('tasks.fmt', (n: number, prefix: string) => `${prefix}${n}`)
export const opt = app.task('tasks.opt', (a: string, b?: number) => `${a}${b ?? 0}`)
export const withDefault = app.task('tasks.default', (a: string, b = 1) => `${a}${b}`)
export const rest = app.task('tasks.rest', (...xs: number[]) => xs.length)
export const slow = app.task('tasks.slow', { queue: 'slow' }, (n: number) => n)
export const nothing = app.task('tasks.nothing', async () => {})
export const named = app.task(function mul(x: number, y: number) {
  return x * y
})
export const namedWithOptions = app.task({ maxRetries: 1 }, function half(x: number) {
  return x / 2
})
export const bound = app.task('tasks.bound', { bind: true, maxRetries: 3 }, (self, url: string) => {
  equal<Equal<typeof self, BoundTask>>()
  if (url === '') self.retry({ countdown: 1 })
  return url.length
})
export const boundNamed = app.task({ bind: true }, function tell(self, text: string) {
  equal<Equal<typeof self, BoundTask>>()
  return text
})

// --- what a definition is -----------------------------------------------------------------------------------------

equal<Equal<typeof add, Task<[x: number, y: number], number>>>()
equal<Equal<typeof upper, Task<[text: string], Promise<string>>>>()
equal<Equal<typeof opt, Task<[a: string, b?: number | undefined], string>>>()
equal<Equal<typeof withDefault, Task<[a: string, b?: number | undefined], string>>>()
equal<Equal<typeof rest, Task<number[], number>>>()
equal<Equal<typeof slow, Task<[n: number], number>>>()
equal<Equal<typeof named, Task<[x: number, y: number], number>>>()
equal<Equal<typeof namedWithOptions, Task<[x: number], number>>>()
equal<Equal<typeof bound, Task<[url: string], number>>>()
equal<Equal<typeof boundNamed, Task<[text: string], string>>>()
export const any: AnyTask = add

// @ts-expect-error a task is a function
app.task('tasks.none', 3)
// @ts-expect-error no such option
app.task('tasks.option', { maxRetry: 3 }, (n: number) => n)
// @ts-expect-error no such setting
export const mistyped = new Tq('proj', { brokerURL: 'memory://' })
// @ts-expect-error a setting of the wrong kind
export const wrongKind = new Tq('proj', { taskAcksLate: 'yes' })

// --- calls and results --------------------------------------------------------------------------------------------

equal<Equal<ReturnType<typeof add>, number>>()
equal<Equal<ReturnType<typeof add.delay>, Promise<AsyncResult<number>>>>()
equal<Equal<ReturnType<typeof add.applyAsync>, Promise<AsyncResult<number>>>>()
equal<Equal<ReturnType<typeof upper.delay>, Promise<AsyncResult<string>>>>()
equal<Equal<ReturnType<typeof nothing.delay>, Promise<AsyncResult<void>>>>()
equal<Equal<ReturnType<typeof add.result>, AsyncResult<number>>>()
equal<Equal<Parameters<typeof bound>, [url: string]>>()

export async function calls(): Promise<void> {
  const sum: number = await (await add.delay(1, 2)).get({ timeout: 1 })
  const text: string = await (await upper.applyAsync(['a'], { countdown: 10 })).get()
  const byName: unknown = await (await app.sendTask('tasks.add', [sum, 2])).get()
  const typed: number = await (await app.sendTask<number>('tasks.add', [1, 2])).get()
  const again: string = await app.result<string>(text).get()
  await opt.delay('a')
  await opt.delay('a', 1)
  await rest.delay()
  await rest.delay(1, 2, 3)
  await bound.delay('http://x')
  currentTask().retries.toFixed()
  void [byName, typed, again]
}

// @ts-expect-error wrong type
export const c1 = add.delay('2', 2)
// @ts-expect-error too few
export const c2 = add.delay(2)
// @ts-expect-error too many
export const c3 = add.delay(2, 2, 2)
// @ts-expect-error too few, in a list
export const c4 = add.applyAsync([2])
// @ts-expect-error no such call option
export const c5 = add.applyAsync([2, 2], { countDown: 1 })
// @ts-expect-error wrong type of a call option
export const c6 = add.applyAsync([2, 2], { eta: 'tomorrow' })
// @ts-expect-error self is not given by the caller
export const c7 = bound.delay(new BoundTask(undefined), 'http://x')
// @ts-expect-error a direct call is checked too
export const c8 = add(2, '2')
// @ts-expect-error the result of add is a number
export const c9: Promise<AsyncResult<string>> = add.delay(2, 2)
// @ts-expect-error an element of the wrong type
export const c10 = rest.delay(1, '2')

// --- partial signatures -------------------------------------------------------------------------------------------

export const none = add.s()
equal<Equal<typeof none, Signature<[x: number, y: number], number>>>()
export const tail = add.s(2)
equal<Equal<typeof tail, Signature<[x: number], number>>>()
export const full = add.s(2, 2)
equal<Equal<typeof full, Signature<[], number>>>()
export const immutable = add.si(2, 2)
equal<Equal<typeof immutable, Signature<[], number>>>()
export const prefixed = fmt.s('#')
equal<Equal<typeof prefixed, Signature<[n: number], string>>>()
export const optNone = opt.s()
equal<Equal<typeof optNone, Signature<[a: string, b?: number | undefined], string>>>()
export const optAll = opt.s('x')
equal<Equal<typeof optAll, Signature<[], string>>>()
export const restAll = rest.s(1, 2, 3)
equal<Equal<typeof restAll, Signature<[], number>>>()
export const boundTail = bound.s()
equal<Equal<typeof boundTail, Signature<[url: string], number>>>()
export const optioned = add.s(2).set({ queue: 'slow', countdown: 1 })
equal<Equal<typeof optioned, Signature<[x: number], number>>>()

export const later = tail.delay(1)
equal<Equal<typeof later, Promise<AsyncResult<number>>>>()
export const now = full.delay()
export const laterStill = tail.applyAsync([1], { countdown: 1 })

// @ts-expect-error the last parameter of fmt is a string
export const s1 = fmt.s(3)
// @ts-expect-error optional parameters: all or nothing
export const s2 = opt.s(1)
export const maybe = app.task('tasks.maybe', (x: string | undefined, y: number) => [x, y]).s(1)
equal<Equal<typeof maybe, Signature<[x: string | undefined], (string | number | undefined)[]>>>()
// @ts-expect-error so a part of the required ones will not do either: who would know which
export const s2b = app.task('tasks.mail', (to: string, subject: string, cc?: string) => [to, subject, cc]).s('x')
// @ts-expect-error an immutable signature takes nothing from its parent, so it has all arguments
export const s3 = add.si(2)
// @ts-expect-error too many
export const s4 = add.s(1, 2, 3)
// @ts-expect-error a number is still owed
export const s5 = tail.delay()
// @ts-expect-error nothing is owed
export const s6 = full.delay(1)
// @ts-expect-error no such option
export const s7 = add.s(2).set({ queues: 'slow' })

// --- chains -------------------------------------------------------------------------------------------------------

export const linked = chain(add.s(2, 2), add.s(4), fmt.s('#'), upper.s())
equal<Equal<typeof linked, Signature<[], string>>>()
export const owing = chain(add.s(2), fmt.s('#'))
equal<Equal<typeof owing, Signature<[x: number], string>>>()
export const piped = add.s(2, 2).pipe(add.s(4)).pipe(fmt.s('n=')).pipe(upper.si('x'))
equal<Equal<typeof piped, Signature<[], string>>>()
export const eight = chain(add.s(1, 1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), add.s(1), fmt.s('#'))
equal<Equal<typeof eight, Signature<[], string>>>()
export const chainResult = linked.delay()
equal<Equal<typeof chainResult, Promise<AsyncResult<string>>>>()
export const withLink = add.s(2, 2).link(fmt.s('#')).linkError(upper.s())
equal<Equal<typeof withLink, Signature<[], number>>>()

// @ts-expect-error upper needs a string, add gives a number
export const l1 = chain(add.s(2, 2), upper.s())
// @ts-expect-error the same between the second and the third
export const l2 = chain(add.s(2, 2), add.s(4), upper.s())
// @ts-expect-error the same by pipe
export const l3 = add.s(2, 2).pipe(upper.s())
// @ts-expect-error add owes two numbers, a parent gives one
export const l4 = chain(add.s(2, 2), add.s())
// @ts-expect-error a callback takes the result, a number
export const l5 = add.s(2, 2).link(upper.s())
// @ts-expect-error an error callback takes the id, a text
export const l6 = add.s(2, 2).linkError(add.s(1))
// @ts-expect-error a signature is no promise: `await` must not swallow it
export const l7 = add.s(2, 2).then

// --- tasks that live elsewhere -------------------------------------------------------------------------------------

export const byType = app.external<typeof add>('tasks.add')
equal<Equal<typeof byType, Task<[x: number, y: number], number>>>()
export const python = app.external<(x: number, y: number) => number>('proj.py.add', { queue: 'python' })
equal<Equal<typeof python, Task<[x: number, y: number], number>>>()
export const shared = sharedTask('lib.shout', (text: string) => text.toUpperCase())
equal<Equal<typeof shared, Task<[text: string], string>>>()
export const sharedBound = sharedTask('lib.retry', { bind: true }, (self, n: number) => self.retries + n)
equal<Equal<typeof sharedBound, Task<[n: number], number>>>()
export const mixed = chain(python.s(1, 2), byType.s(3), fmt.s('#'), shared.s())
equal<Equal<typeof mixed, Signature<[], string>>>()

// @ts-expect-error wrong type
export const e1 = python.delay('1', 2)
// @ts-expect-error a shared task has a name
export const e2 = sharedTask((text: string) => text)
// @ts-expect-error wrong type
export const e3 = shared.delay(1)
