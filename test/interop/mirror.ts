import type { Redis } from 'ioredis'
import { currentTask, Ignore, SoftTimeLimitExceeded, type Tq } from '../../runtime/src/index.ts'

class ValueError extends Error {}
class PyError extends Error {
  constructor(code: number, message: string) {
    super(`${code}: ${message}`)
  }
}
class OddError extends Error {}
class RuntimeError extends Error {}

const second = 1000

/** Gives an app the tasks of python/pyworker.py, under the same names; `store` takes their marks. */
export function mirrorTasks(app: Tq, store: Redis): void {
  const mark = (key: string, line: string): Promise<number> => store.rpush(key, line)

  app.task('py.add', { params: ['x', 'y', 'z?'] }, (x: number, y: number, z = 0) => x + y + z)
  app.task('py.add_untyped', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
  app.task('py.echo', { typing: false }, (...args: unknown[]) => ({ args, kwargs: currentTask().request.kwargs }))
  app.task('py.kwonly', { params: ['a', 'b?'] }, (a: number, b = 2) => [a, b])
  app.task('py.none', () => null)
  app.task('py.unicode', (text: string) => {
    const points = Array.from(text)
    const utf8 = Buffer.from(text).toString('hex')
    return { text, reversed: points.toReversed().join(''), length: points.length, utf8 }
  })
  app.task('py.size', (data: string) => ({ type: 'str', length: Array.from(data).length }))
  app.task('py.large', (n: number) => 'x'.repeat(n))
  app.task('py.typeof', (...values: unknown[]) => values.map(pythonKind))
  app.task('py.rich', () => ({
    aware: new Date('2020-01-02T03:04:05Z'),
    decimal: '1.10',
    tuple: [1, 2],
    big: 2n ** 60n,
  }))

  app.task('py.request', { bind: true, typing: false }, (self, ..._args: unknown[]) => {
    const { request } = self
    const { task, args, kwargs, retries, properties } = request
    return {
      task,
      args,
      kwargs,
      retries,
      parent_id: request.parentId ?? null,
      group: request.groupId ?? null,
      eta: request.eta ?? null,
      is_eager: request.isEager,
      called_directly: request.calledDirectly,
      shadow: self.request.shadow ?? null,
      properties: { app_id: properties.appId },
    }
  })
  app.task('py.header', { bind: true }, (self, name: string) => self.request.headers[name])
  app.task('py.priority', { bind: true }, async (self, label: string) => {
    await mark('py:priority', label)
    return [label, self.request.deliveryInfo.priority]
  })

  app.task('py.fail', (message: string) => {
    throw new ValueError(message)
  })
  app.task('py.fail_custom', (code: number, message: string) => {
    throw new PyError(code, message)
  })
  app.task('py.fail_odd', () => {
    throw new OddError('only one')
  })
  app.task('py.fail_chained', () => {
    throw new RuntimeError('outer', { cause: new Error('missing') })
  })
  app.task('py.fail_nonjson', () => {
    throw Object.assign(new ValueError('has an object'), { object: Symbol('no JSON') })
  })
  app.task('py.retry_n', { bind: true, maxRetries: null }, (self, n: number, delay: number) => {
    if (self.retries < n) self.retry({ countdown: delay, exc: new ValueError(`attempt ${self.retries}`) })
    return self.retries
  })
  app.task('py.retry_exhaust', { bind: true, maxRetries: 2, defaultRetryDelay: 0.1 }, (self) => {
    self.retry({ exc: new PyError(7, 'gave up') })
  })
  app.task('py.retry_exhaust_noexc', { bind: true, maxRetries: 1, defaultRetryDelay: 0.1 }, (self) => {
    self.retry()
  })
  const autoretry = { bind: true, autoretryFor: [ValueError], maxRetries: 3, defaultRetryDelay: 0.1 } as const
  app.task('py.autoretry', autoretry, (self, succeedAt: number) => {
    if (self.retries < succeedAt) throw new ValueError('not yet')
    return self.retries
  })
  app.task('py.ignore', { bind: true }, async (self) => {
    await self.updateState({ state: 'CUSTOM', meta: { kept: true } })
    throw new Ignore()
  })

  app.task('py.progress', { bind: true }, async (self, n: number, pause: number) => {
    for (let current = 1; current <= n; current++) {
      await self.updateState({ state: 'PROGRESS', meta: { current, total: n } })
      await self.sleep(pause * second) // as Python's task of this name does; the scenario says how long
    }
    return { done: n }
  })
  // Of no counterpart in Python: it stays in its state until the list `key` has a member.
  app.task('held', { bind: true }, async (self, key: string) => {
    await self.updateState({ state: 'PROGRESS', meta: { current: 1, total: 2 } })
    while ((await store.llen(key)) === 0) await self.sleep(20) // until the test pushes
    return 'done'
  })
  app.task('py.ignored', { ignoreResult: true }, (key: string) => mark(key, 'ran'))
  // As Python's tasks of these names: what is tested is that the limit or the revoke comes before the end.
  app.task('py.sleep', { bind: true }, async (self, seconds: number) => {
    await self.sleep(seconds * second)
  })
  app.task('py.soft', { bind: true, softTimeLimit: 1 }, async (self, seconds: number) => {
    try {
      await self.sleep(seconds * second)
    } catch (error) {
      if (error instanceof SoftTimeLimitExceeded) return 'soft limit'
      throw error
    }
    return 'no limit'
  })
  app.task('py.mark', async (key: string, value: string) => {
    await mark(key, value)
    return value
  })
  app.task('py.record', async (result: unknown, key: string) => {
    await mark(key, String(result))
    return result
  })
  app.task('py.errback_old', (id: string) => mark(`py:errback:${id}`, 'old'))
  app.task(
    'py.errback_new',
    { errback: 'request' },
    async (failed: { id: string }, error: { type: string; args: unknown[] }) => {
      await mark(`py:errback:${failed.id}`, `new ${error.type} ${error.args.join()}`)
    },
  )
  const hooks = {
    bind: true,
    onSuccess: (self: { readonly id: string }, value: unknown) =>
      mark(`py:hooks:${self.id}`, `on_success '${String(value)}'`),
    afterReturn: (self: { readonly id: string }, { state }: { readonly state: string }) =>
      mark(`py:hooks:${self.id}`, `after_return ${state}`),
  } as const
  app.task('py.classtask', hooks, (_self, what: string) => what)
}

function pythonKind(value: unknown): string {
  if (value === null) return 'NoneType'
  if (Array.isArray(value)) return 'list'
  switch (typeof value) {
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float'
    case 'string':
      return 'str'
    case 'boolean':
      return 'bool'
    default:
      return 'dict'
  }
}
