/**
 * What is not the same on a worker, a test each. Everything else is: `eager-agrees.test.ts` compares all states and events.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import { currentTask, Tq } from '../../runtime/src/index.ts'
import { memoryApp, VirtualClock } from '../../runtime/src/testing.ts'

function eager(options: Parameters<typeof memoryApp>[1] = {}) {
  const app = memoryApp('tests', { taskAlwaysEager: true, ...options })
  onTestFinished(() => app.close())
  return app
}

describe('an eager call', () => {
  test('has ended when its promise resolves', async () => {
    const order: string[] = []
    const task = eager().task('t.task', () => void order.push('ran'))

    await task.delay()
    order.push('sent')

    expect(order).toEqual(['ran', 'sent'])
  })

  test('runs in the process that calls, and knows that it is eager', async () => {
    const app = eager()
    const where = app.task('t.where', () => [
      process.pid,
      currentTask().request.isEager,
      currentTask().request.hostname,
    ])

    expect(await (await where.delay()).get()).toEqual([process.pid, true, app.origin])
  })

  test('needs no broker', async () => {
    const app = new Tq('tests', { broker: 'redis://127.0.0.1:1', taskAlwaysEager: true })
    onTestFinished(() => app.close())
    const add = app.task('t.add', (x: number, y: number) => x + y)

    expect(await (await add.delay(1, 2)).get()).toBe(3)
    expect(app.connections.used).toBe(false)
  })

  test('leaves its result in this process, for as long as the app is open', async () => {
    const app = eager()
    const add = app.task('t.add', (x: number, y: number) => x + y)
    const { id } = await add.delay(1, 2)

    const [stored] = await (await app.connections.backend()).fetch([id])

    expect([await app.result(id).state(), stored]).toEqual(['SUCCESS', undefined])
  })

  test('spends no time on its countdown and its retries', async () => {
    const clock = new VirtualClock()
    const app = eager({ clock })
    const begin = clock.now()
    const flaky = app.task('t.flaky', { bind: true, maxRetries: 1 }, (self) =>
      self.retries === 0 ? self.retry({ countdown: 3600 }) : 'done',
    )

    const result = await flaky.applyAsync([], { countdown: 60 })

    expect([clock.now() - begin, result.eager?.simulatedMs]).toEqual([0, 3_660_000])
  })

  test('can be told the error itself, where a worker stores what it says', async () => {
    const error = Object.assign(new Error('odd'), { field: () => 'kept' })
    const task = eager({ taskEagerPropagates: true }).task('t.fail', (): never => {
      throw error
    })

    await expect(task.delay()).rejects.toBe(error)
  })

  test('is not awaited where another task makes it: that one goes on first', async () => {
    const app = eager()
    const order: string[] = []
    const inner = app.task('t.inner', async () => {
      await currentTask().sleep(0)
      order.push('inner')
    })
    const outer = app.task('t.outer', async () => {
      await inner.delay()
      order.push('outer')
    })

    await outer.delay()

    expect(order).toEqual(['outer', 'inner'])
  })

  test('waits for no slot: all that are made at once run at once', async () => {
    const app = eager({ workerConcurrency: 1 })
    let running = 0
    let most = 0
    const task = app.task('t.task', async () => {
      most = Math.max(most, ++running)
      await currentTask().sleep(0)
      running--
    })

    await Promise.all([task.delay(), task.delay(), task.delay()])

    expect(most).toBe(3)
  })

  test('has no rate limit, neither of a worker nor of all', async () => {
    const app = eager()
    let runs = 0
    const own = app.task('t.own', { rateLimit: '1/h' }, () => void runs++)
    const shared = app.task('t.shared', { rateLimit: { rate: '1/h', per: 'cluster' } }, () => void runs++)

    for (const task of [own, own, shared, shared]) await task.delay()

    expect(runs).toBe(4)
  })

  test('finds its queue whatever is consumed, and no priority changes its turn', async () => {
    const app = eager()
    const order: number[] = []
    const task = app.task('t.task', { queue: 'nobody.consumes.it' }, (n: number) => void order.push(n))

    await task.applyAsync([1], { priority: 9 })
    await task.applyAsync([2], { priority: 0 })

    expect(order).toEqual([1, 2])
  })

  test('cannot be revoked: it has run before anybody could', async () => {
    const app = eager()
    const task = app.task('t.task', () => 'ran')
    const result = await task.delay()

    await result.revoke()

    expect(await result.get()).toBe('ran')
  })

  test('cannot be killed at its hard limit: its signal aborts', async () => {
    const app = eager()
    const task = app.task('t.slow', { bind: true, timeLimit: 0.01 }, async (self) => {
      await self.sleep(3_600_000).catch(() => undefined)
      return 'went on'
    })

    const result = await task.delay()

    expect(await result.get()).toBe('went on')
  })

  test('logs nothing of its end: the caller sees it', async () => {
    const logged: string[] = []
    const at = (level: string) => (message: string) => void logged.push(`${level} ${message}`)
    const logger = { debug: at('DEBUG'), info: at('INFO'), warn: at('WARN'), error: at('ERROR') }
    const task = eager({ logger }).task('t.fail', (): never => {
      throw new Error('odd')
    })

    await task.delay()

    expect(logged.filter((line) => !line.startsWith('DEBUG'))).toEqual([])
  })

  test('is unique in its own process only', async () => {
    const app = eager()
    const other = eager()
    const define = (to: Tq) => {
      const again = to.task('t.once', { unique: true }, async (n: number): Promise<string[]> => {
        return n > 0 ? [currentTask().id, (await again.delay(n)).id] : []
      })
      return again
    }
    const [one, elsewhere] = [define(app), define(other)]

    const [id, second] = await (await one.delay(1)).get()

    expect(second).toBe(id)
    expect((await elsewhere.delay(0)).id).not.toBe(id)
  })
})
