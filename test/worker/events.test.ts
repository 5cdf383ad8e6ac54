import { expect, test } from 'vitest'
import { version } from '../../runtime/src/core/version.ts'
import { bench } from '../helpers/app.ts'

test('a worker says that it is online, that it lives, and that it is gone', async () => {
  const { worker, clock, pass, rest, events } = bench()
  const begin = clock.now()

  const running = await worker()
  await clock.advance(5000)
  await pass(running.stop())
  await rest()

  expect(events.map(({ type, timestampMs }) => [type, timestampMs - begin])).toEqual([
    ['worker-online', 0],
    ['worker-heartbeat', 2000],
    ['worker-heartbeat', 4000],
    ['worker-offline', 5000],
  ])
})

test('a heartbeat tells what runs and what was done', async () => {
  const { app, worker, clock, rest, events } = bench({ workerHeartbeatInterval: 10 })
  const slow = app.task('t.slow', { bind: true }, (self) => self.sleep(15_000))
  await worker()
  await slow.delay()
  await rest()

  await clock.advance(20_000)

  expect(events.filter(({ type }) => type === 'worker-heartbeat')).toMatchObject([
    {
      freq: 10,
      active: 1,
      processed: 0,
      hostname: 'w1@test',
      pid: process.pid,
      swVer: version,
      loadavg: [expect.any(Number), expect.any(Number), expect.any(Number)],
    },
    { freq: 10, active: 0, processed: 1 },
  ])
})

test('the events of a success, in order and with their fields', async () => {
  const { app, worker, ready, clock, eventsOf } = bench()
  const slow = app.task('t.slow', { bind: true }, async (self, word: string) => {
    await self.sleep(1500)
    return { word }
  })
  const begin = clock.now()
  await worker()

  const result = await slow.applyAsync(['a'], { expires: 60 })
  await ready(result)

  const worked = { uuid: result.id, hostname: 'w1@test', pid: process.pid }
  const call = { name: 't.slow', args: "('a',)", kwargs: '{}', rootId: result.id, parentId: undefined, retries: 0 }
  const expires = '2026-01-01T00:01:00.000000+00:00'
  const events = eventsOf(result.id)
  expect(events).toMatchObject([
    {
      type: 'task-sent',
      ...call,
      uuid: result.id,
      hostname: app.origin,
      expires,
      queue: 'celery',
      exchange: '',
      routingKey: 'celery',
    },
    { type: 'task-received', ...worked, ...call, expires, timestampMs: begin },
    { type: 'task-started', ...worked, timestampMs: begin },
    { type: 'task-succeeded', ...worked, result: "{'word': 'a'}", runtime: 1.5, timestampMs: begin + 1500 },
  ])
  const clocks = events.map((event) => event.clock)
  expect(clocks).toEqual([...clocks].sort((a, b) => a - b))
})

test('the event of a failure has error and traceback', async () => {
  const { app, worker, ready, eventsOf } = bench()
  const fail = app.task('t.fail', () => {
    throw new TypeError('boom')
  })
  await worker()

  const result = await fail.delay()
  await ready(result)

  expect(eventsOf(result.id).at(-1)).toMatchObject({
    type: 'task-failed',
    exception: 'TypeError: boom',
    traceback: expect.stringMatching(/^TypeError: boom\n\s+at [\s\S]*TypeError: boom$/),
  })
})

test('without events a worker tells of itself alone', async () => {
  const { app, worker, ready, events } = bench({ workerSendTaskEvents: false, taskSendSentEvent: false })
  const add = app.task('t.add', (x: number) => x)
  await worker()

  await ready(await add.delay(1))

  expect(events.map(({ type }) => type)).toEqual(['worker-online'])
})
