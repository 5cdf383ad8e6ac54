import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import type { AsyncResult, Tq, TqOptions } from '../../runtime/src/index.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { makeApp } from './fixtures/running.ts'

// Children start in their own time.
vi.setConfig({ testTimeout: 120_000 })

const expires = new Date('2100-01-01T00:00:00.000Z')

/** A call with all that a request tells of, in a chord's header, so that its group and chord are told as well. */
async function call(app: Tq): Promise<Record<string, unknown>> {
  const result: AsyncResult<Record<string, unknown>> = await app.sendTask(
    't.request',
    ['a', { b: 1 }],
    { c: 3 },
    {
      taskId: 'the-id',
      rootId: 'the-root',
      parentId: 'the-parent',
      expires,
      timeLimit: 600,
      softTimeLimit: 300,
      headers: { tenant: 'one' },
      shadow: 'shown',
      priority: 3,
      replyTo: 'a-queue',
      link: app.signature('t.one', []),
      linkError: app.signature('t.one', []),
      stamps: { customer: 'ann' },
    },
  )
  return await result.get({ timeout: 90 })
}

const always = {
  id: 'the-id',
  own: 'the-id',
  task: 't.request',
  args: ['a', { b: 1 }],
  kwargs: {},
  retries: 0,
  calledDirectly: false,
  deliveryInfo: { exchange: '', routingKey: 'celery', priority: 3, redelivered: false, queue: 'celery' },
  rootId: 'the-root',
  parentId: 'the-parent',
  chain: [],
  callbacks: [{ task: 't.one' }],
  errbacks: [{ task: 't.one' }],
  expires: expires.toISOString(),
  timeLimit: 600,
  softTimeLimit: 300,
  replyTo: 'a-queue',
  correlationId: 'the-id',
  utc: true,
  loglevel: 'warn',
  ignoreResult: false,
  shadow: 'shown',
  stamps: { customer: 'ann' },
  stampedHeaders: ['customer'],
  replacedTaskNesting: 0,
  headers: { tenant: 'one' },
  children: [],
  properties: { priority: 3, deliveryMode: 2, correlationId: 'the-id' },
}

const places: Record<
  string,
  { readonly options?: TqOptions; readonly pool?: 'async' | 'solo' | 'threads' | 'prefork' }
> = {
  async: { pool: 'async' },
  solo: { pool: 'solo' },
  threads: { pool: 'threads' },
  prefork: { pool: 'prefork' },
  eager: { options: { taskAlwaysEager: true } },
}

test.each(Object.entries(places))('a task sees all of its request: %s', async (name, { options, pool }) => {
  const broker = `sqlite://${join(temporaryFolder(), 'tq.db')}`
  const app = makeApp({ broker, backend: undefined, logger: silentLogger, ...options })
  const worker = pool && (await app.startWorker({ pool, concurrency: 1, hostname: 'w1@test' }))

  const request = await call(app)
  await worker?.stop()
  await app.close()

  const own = name === 'eager' ? { isEager: true, hostname: app.origin } : { isEager: false, hostname: 'w1@test' }
  expect(request).toMatchObject({ ...always, ...own, origin: app.origin, kwargs: { c: 3 } })
})
