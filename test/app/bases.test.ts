import { expect, test } from 'vitest'
import { type BoundTask, Task, type TaskOptions } from '../../runtime/src/index.ts'
import { memoryApp } from '../../runtime/src/testing.ts'
import { bench } from '../helpers/app.ts'

test('a task has the options of its base, and its own over them', () => {
  const { app } = bench()
  const base: TaskOptions = { queue: 'orders', maxRetries: 7, acksLate: true }

  const save = app.task('orders.save', { base, maxRetries: 1, acksLate: undefined }, () => 1)

  expect(save.definition.options).toMatchObject({ queue: 'orders', maxRetries: 1, acksLate: true })
})

test('a base may have a base, and what each of them hides stays hidden', () => {
  const { app } = bench()
  const secret: TaskOptions = { redact: ['token'], priority: 1 }
  const orders: TaskOptions = { base: secret, redact: ['card'], priority: 2 }

  const pay = app.task('orders.pay', { base: orders, redact: ['name'] }, () => 1)

  expect(pay.definition.options).toMatchObject({ redact: ['token', 'card', 'name'], priority: 2 })
})

test('the hooks of a base are called with the task that runs', async () => {
  const { app, worker, ready } = bench()
  const called: string[] = []
  const audited: TaskOptions = {
    onSuccess: (self: BoundTask, value) => called.push(`${self.request.task} ${String(value)}`),
  }
  const one = app.task('t.one', { base: audited }, () => 1)
  const two = app.task('t.two', { base: audited }, () => 2)
  await worker()

  for (const task of [one, two]) await ready(await task.delay())

  expect(called).toEqual(['t.one 1', 't.two 2'])
})

class Counting extends Task {
  static made = 0
  runs = 0

  constructor() {
    super()
    Counting.made++
  }
}

test('the instance of a base class is self, one for all runs of its task, made at the first', async () => {
  const { app, worker, ready } = bench()
  Counting.made = 0
  const one = app.task('t.one', { bind: true, base: Counting }, (self) => [++self.runs, self.request.id])
  const two = app.task('t.two', { bind: true, base: Counting }, (self) => [++self.runs, self.request.id])
  await worker()
  const before = Counting.made

  const results = []
  for (const [task, taskId] of [
    [one, 'a'],
    [one, 'b'],
    [two, 'c'],
  ] as const) {
    results.push((await ready(await task.applyAsync([], { taskId }))).result)
  }

  expect(before).toBe(0)
  expect(results).toEqual([
    [1, 'a'],
    [2, 'b'],
    [1, 'c'],
  ])
  expect(Counting.made).toBe(2)
})

class Send extends Task {
  static override readonly options: TaskOptions = { queue: 'mail', maxRetries: 5 }
  readonly hooks: string[] = []

  async run(to: string, subject = 'Hello'): Promise<string> {
    if (this.retries === 0) this.retry({ countdown: 1, exc: new Error('busy') })
    return `${this.request.task} ${to} ${subject}`
  }

  override beforeStart(): void {
    this.hooks.push(`beforeStart ${this.id}`)
  }

  override onRetry(error: unknown): void {
    this.hooks.push(`onRetry ${String(error)}`)
  }

  override onSuccess(value: unknown): void {
    this.hooks.push(`onSuccess ${String(value)}`)
  }
}

test('a class task runs its method with this as the running task, and calls the hooks that it overrides', async () => {
  const { app, worker, ready } = bench()
  const made: Send[] = []
  class Kept extends Send {
    constructor() {
      super()
      made.push(this)
    }
  }
  const send = app.registerTask('mail.send', Kept)
  await worker()

  const meta = await ready(await send.applyAsync(['ann@example.org'], { taskId: 'm1' }))

  expect(meta.result).toBe('mail.send ann@example.org Hello')
  expect(made).toHaveLength(1)
  expect(made[0]?.hooks).toEqual([
    'beforeStart m1',
    'onRetry Error: busy',
    'beforeStart m1',
    'onSuccess mail.send ann@example.org Hello',
  ])
})

test('runs of a class task that overlap each have their own request', async () => {
  const { app, worker, clock } = bench()
  class Slow extends Task {
    async run(ms: number): Promise<string> {
      await this.sleep(ms)
      return this.id
    }
  }
  const slow = app.registerTask('t.slow', Slow)
  await worker()

  const first = await slow.applyAsync([2000], { taskId: 'first' })
  const second = await slow.applyAsync([1000], { taskId: 'second' })
  await clock.advance(3000)

  expect([await first.get(), await second.get()]).toEqual(['first', 'second'])
})

test('a class says options for its tasks, of its ancestors too, and the registration wins', () => {
  const { app } = bench()
  class Urgent extends Send {
    static override readonly options: TaskOptions = { priority: 9 }
  }

  const send = app.registerTask('mail.urgent', { maxRetries: 1 }, Urgent)

  expect(send.definition.options).toMatchObject({ queue: 'mail', maxRetries: 1, priority: 9 })
})

test('the parameters of a class task are those of its run, with their defaults', async () => {
  const { app } = bench()
  const send = app.registerTask('mail.send', Send)

  const { params, signature } = send.describe()

  expect(params).toEqual(['to', 'subject'])
  expect(signature).toBe("mail.send(to: string, subject = 'Hello'): Promise<string>")
  await expect(app.sendTask('mail.send', [])).resolves.toBeDefined() // nothing of the task need be known
  // @ts-expect-error a call without its address
  await expect(send.delay()).rejects.toThrow('Expected 1 to 2 arguments')
})

test('a class task is named after its module and class where it says no name', () => {
  const app = memoryApp('shop')
  class Archive extends Task {
    run(): number {
      return 1
    }
  }

  const archive = app.registerTask(Archive)

  expect(archive.taskName).toBe('shop.bases.test.Archive')
})

test('a class without a method run is refused', () => {
  const { app } = bench()

  // @ts-expect-error it has no run()
  const register = () => app.registerTask('t.none', Counting)

  expect(register).toThrow('expected class Counting to have a method run()')
})

test('a class task can be called here and now', async () => {
  const { app } = bench()
  class Greet extends Task {
    run(name: string): string {
      return `${this.request.calledDirectly} ${name}`
    }
  }
  const greet = app.registerTask('t.greet', Greet)

  expect(greet('ann')).toBe('true ann')
})

test('taskCls is the base of every task that names no class', async () => {
  const failed: unknown[] = []
  class Own extends Task {
    override onFailure(error: unknown): void {
      failed.push(String(error))
    }
  }
  const { app, worker, ready } = bench({ taskCls: Own })
  const throwing = (): never => {
    throw new Error('boom')
  }
  const plain = app.task('t.plain', throwing)
  const based = app.task('t.based', { base: Counting }, throwing)
  await worker()

  await ready(await plain.delay())
  await ready(await based.delay())

  expect(failed).toEqual(['Error: boom'])
})

test('onReplace is told of the replacement before it is sent', async () => {
  const { app, worker, ready } = bench()
  const order: string[] = []
  app.on('beforeTaskPublish', ({ sender }) => order.push(`sent ${sender}`))
  const next = app.task('t.next', (n: number) => n + 1)
  class Handing extends Task {
    override onReplace(replacement: { readonly kind: string }): void {
      order.push(`onReplace ${replacement.kind} of ${this.request.task}`)
    }
  }
  const first = app.task('t.first', { bind: true, base: Handing }, (self) => self.replace(next.s(1)))
  await worker()

  const meta = await ready(await first.delay())

  expect(meta.result).toBe(2)
  expect(order).toEqual(['sent t.first', 'onReplace task of t.first', 'sent t.next'])
})

test('what onReplace throws, the task fails with, and nothing replaces it', async () => {
  const { app, worker, ready } = bench()
  const next = app.task('t.next', () => 1)
  const onReplace = (): never => {
    throw new Error('not this one')
  }
  const first = app.task('t.first', { bind: true, onReplace }, (self) => self.replace(next.si()))
  await worker()

  const meta = await ready(await first.delay())

  expect(meta).toMatchObject({ state: 'FAILURE', error: { message: ['not this one'] } })
})

test('shadowName gives a call the name that monitors show, unless the call says one', async () => {
  const { app, worker, ready, eventsOf } = bench()
  const task = app.task(
    't.named',
    { shadowName: ({ args, task }) => `${task} for ${String(args[0])}` },
    (_who: string) => 1,
  )
  await worker()

  const { id } = await ready(await task.delay('ann'))
  const { id: own } = await ready(await task.applyAsync(['ann'], { shadow: 'own' }))

  expect(eventsOf(id).find(({ type }) => type === 'task-received')).toMatchObject({ name: 't.named for ann' })
  expect(eventsOf(own).find(({ type }) => type === 'task-received')).toMatchObject({ name: 'own' })
})
