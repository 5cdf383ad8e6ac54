import { expect, test } from 'vitest'
import { bench } from '../helpers/app.ts'

test('what a task says of its messages holds for each of its calls, unless the call says otherwise', async () => {
  const { app, clock } = bench()
  const task = app.task(
    't.sent',
    { queue: 'own', priority: 4, expires: 60, serializer: 'yaml', compression: 'gzip' },
    () => 1,
  )

  await task.delay()
  await task.applyAsync([], { queue: 'other', priority: 1, expires: 5, serializer: 'json', compression: 'none' })

  const transport = await app.connections.transport()
  const [own] = await transport.peek('own', { limit: 1, state: 'ready' })
  const [other] = await transport.peek('other', { limit: 1, state: 'ready' })
  const at = (seconds: number): string => new Date(clock.now() + seconds * 1000).toISOString().slice(0, 19)
  expect(own).toMatchObject({ contentType: 'application/x-yaml', properties: { priority: 4 } })
  expect(own?.headers).toMatchObject({ compression: 'application/x-gzip', expires: expect.stringContaining(at(60)) })
  expect(other).toMatchObject({ contentType: 'application/json', properties: { priority: 1 } })
  expect(other?.headers).toMatchObject({ expires: expect.stringContaining(at(5)) })
  expect(other?.headers).not.toHaveProperty('compression')
})

test('resultreprMaxsize limits what the event and the log show of a result, not the result', async () => {
  const { app, worker, ready, eventsOf, logged } = bench()
  const text = 'x'.repeat(3000)
  const short = app.task('t.short', { resultreprMaxsize: 20 }, () => text)
  const usual = app.task('t.usual', () => text)
  await worker()

  const one = await ready(await short.delay())
  const other = await ready(await usual.delay())

  const shown = (id: string): string => {
    const event = eventsOf(id).find(({ type }) => type === 'task-succeeded')
    return event?.type === 'task-succeeded' ? event.result : ''
  }
  expect(one.result).toBe(text)
  expect(shown(one.id).length).toBeLessThanOrEqual(24)
  expect(shown(other.id).length).toBeGreaterThan(1000)
  expect(shown(other.id).length).toBeLessThanOrEqual(1028)
  expect(logged.find((line) => line.includes('t.short') && line.includes('succeeded'))?.length).toBeLessThan(200)
})

test('a worker sends no events of a task with sendEvents: false', async () => {
  const { app, worker, ready, eventsOf } = bench({ taskSendSentEvent: false })
  const silent = app.task('t.silent', { sendEvents: false }, () => 1)
  const usual = app.task('t.usual', () => 1)
  await worker()

  const one = await ready(await silent.delay())
  const other = await ready(await usual.delay())

  expect(eventsOf(one.id)).toEqual([])
  expect(eventsOf(other.id).map(({ type }) => type)).toEqual(['task-received', 'task-started', 'task-succeeded'])
})

test('typing: false sends whatever is given; the worker runs it with that', async () => {
  const { app, worker, ready } = bench()
  const loose = app.task('t.loose', { typing: false }, (a: number, b?: number) => [a, b ?? null])
  await worker()

  // @ts-expect-error nothing is given
  const meta = await ready(await loose.delay())

  expect(meta).toMatchObject({ state: 'SUCCESS' })
})
