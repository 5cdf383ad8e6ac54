// Compiled by `tsc -p test`, never run: a wrong inference fails `equal`, a call that ought to be refused fails `@ts-expect-error`.
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { type BoundTask, sharedTask, Task, Tq } from '../../runtime/src/index.ts'

type Equal<X, Y> = (<T>() => T extends X ? 1 : 2) extends <T>() => T extends Y ? 1 : 2 ? true : false
const equal = <T extends true>(): T | undefined => undefined

const app = new Tq('proj', { broker: 'memory://' })

// --- bases ----------------------------------------------------------------------------------------------------------

class Database extends Task {
  readonly url = 'db://'
  override onFailure(error: unknown): void {
    void [error, this.url, this.request.id]
  }
}

export const save = app.task('orders.save', { bind: true, base: Database, acksLate: true }, (self, id: string) => {
  equal<Equal<typeof self, Database>>()
  return self.url + id
})
equal<Equal<typeof save, Task<[id: string], string>>>()

export const kept = app.task({ bind: true, base: Database }, function keep(self, id: number) {
  equal<Equal<typeof self, Database>>()
  return id
})
equal<Equal<typeof kept, Task<[id: number], number>>>()

const patient = { maxRetries: 10, onRetry: (self: BoundTask) => self.retries } as const
export const plain = app.task('orders.plain', { base: patient }, (id: string) => id)
equal<Equal<typeof plain, Task<[id: string], string>>>()
export const boundPlain = app.task('orders.bound', { base: patient, bind: true }, (self, id: string) => {
  equal<Equal<typeof self, BoundTask>>()
  return id
})
equal<Equal<typeof boundPlain, Task<[id: string], string>>>()

// @ts-expect-error no such option in a base
app.task('orders.wrong', { base: { maxRetry: 1 } }, (id: string) => id)

class Send extends Task {
  static override readonly options = { queue: 'mail' }
  async run(to: string, subject = 'Hello'): Promise<string> {
    return `${this.request.id} ${to} ${subject}`
  }
}
export const send = app.registerTask('mail.send', Send)
equal<Equal<typeof send, Task<[to: string, subject?: string | undefined], Promise<string>>>>()
export const sendWith = app.registerTask({ acksLate: true }, Send)
equal<Equal<typeof sendWith, Task<[to: string, subject?: string | undefined], Promise<string>>>>()

// @ts-expect-error it has no run()
app.registerTask('mail.none', Database)

// --- validation -------------------------------------------------------------------------------------------------------

const order = z.object({ id: z.string(), when: z.coerce.date<string>() })

export const one = app.task('v.one', { validate: order }, (given) => {
  equal<Equal<typeof given, { id: string; when: Date }>>()
  return given.id
})
equal<Equal<typeof one, Task<[{ id: string; when: string }], string>>>()

export const list = app.task('v.list', { validate: [z.string(), z.number().default(1)] }, async (text, times) => {
  equal<Equal<typeof text, string>>()
  equal<Equal<typeof times, number>>()
  return text.repeat(times)
})
equal<Equal<typeof list, Task<[string, (number | undefined)?], Promise<string>>>>()

export const boundList = app.task('v.bound', { bind: true, validate: [v.pipe(v.string(), v.email())] }, (self, to) => {
  equal<Equal<typeof self, BoundTask>>()
  equal<Equal<typeof to, string>>()
  return to.length
})
equal<Equal<typeof boundList, Task<[string], number>>>()

export const based = app.task(
  'v.based',
  { bind: true, base: Database, validate: type({ n: 'number' }) },
  (self, { n }) => {
    equal<Equal<typeof self, Database>>()
    return n
  },
)
equal<Equal<typeof based, Task<[{ n: number }], number>>>()

export const tuple = app.task('v.tuple', { validate: { args: z.tuple([z.number(), z.number()]) } }, (a, b) => a + b)
equal<Equal<typeof tuple, Task<[number, number], number>>>()

export const both = app.task(
  'v.both',
  { validate: { args: [z.string()], result: z.string().transform((text) => text.length) } },
  async (text) => text,
)
equal<Equal<typeof both, Task<[string], Promise<number>>>>()

export const resultOnly = app.task('v.result', { validate: { result: z.number() } }, (text: string) => text.length)
equal<Equal<typeof resultOnly, Task<[text: string], number>>>()

export const sharedOne = sharedTask('v.shared', { validate: [z.string()] }, (text) => text.length)
equal<Equal<typeof sharedOne, Task<[string], number>>>()

// @ts-expect-error the schema gives a string
app.task('v.wrong', { validate: [z.string()] }, (n: number) => n)
// @ts-expect-error the result schema wants a number
app.task('v.wrongResult', { validate: { result: z.number() } }, (text: string) => text)
// @ts-expect-error no such option
app.task('v.option', { validate: [z.string()], maxRetry: 1 }, (text) => text)

// --- signals and annotations ------------------------------------------------------------------------------------------

export const stop: () => void = app.on('taskFailure', ({ sender, exception, traceback }) => {
  equal<Equal<typeof sender, string>>()
  equal<Equal<typeof exception, unknown>>()
  void traceback.length
})
app.on('beforeTaskPublish', async ({ headers, options }) => {
  headers['tenant'] = 1
  options.priority = 3
})
// @ts-expect-error no such signal
app.on('taskFinished', () => {})
// @ts-expect-error what a success gives is not called so
app.on('taskSuccess', ({ value }) => value)

export const annotated = new Tq('proj', { taskAnnotations: { 'mail.*': { rateLimit: '10/s' } } })
// @ts-expect-error no such option
export const mistaken = new Tq('proj', { taskAnnotations: { 'mail.*': { rateLimits: '10/s' } } })
