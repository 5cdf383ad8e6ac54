import { expect, onTestFinished, test } from 'vitest'
import { Mailbox } from '../../runtime/src/control/mailbox.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { memoryApp, passUntil } from '../../runtime/src/testing.ts'
import { revokedToDict } from '../../runtime/src/wire/revoked-dict.ts'
import { bench } from '../helpers/app.ts'

/** A task that runs until it is released, and how many of it have begun. */
function blocking(taskAcksLate: boolean) {
  const one = bench({ taskAcksLate })
  const released = Promise.withResolvers<void>()
  const counts = { begun: 0 }
  const block = one.app.task('t.block', async (_n: number) => {
    counts.begun++
    await released.promise
  })
  const queue = async () => (await one.app.connections.transport()).queueInfo('celery')
  return { ...one, block, counts, released, queue }
}

test.each([true, false])('without prefetch nothing waits behind what runs (late acknowledgement: %s)', async (late) => {
  const { worker, block, rest, counts, queue } = blocking(late)
  await worker({ concurrency: 2, prefetchMultiplier: 4, disablePrefetch: true })

  for (let n = 0; n < 6; n++) await block.delay(n)
  await rest()

  expect(counts.begun).toBe(2)
  expect(await queue()).toMatchObject({ ready: 4, held: late ? 2 : 0 })
})

test.each([true, false])('without prefetch everything runs in the end (late acknowledgement: %s)', async (late) => {
  const { worker, block, rest, counts, released, queue } = blocking(late)
  await worker({ concurrency: 2, disablePrefetch: true })
  for (let n = 0; n < 6; n++) await block.delay(n)
  await rest()

  released.resolve()
  await rest()

  expect(counts.begun).toBe(6)
  expect(await queue()).toMatchObject({ ready: 0, held: 0 })
})

test('purge deletes what waits in the worker’s own queues, parked messages too, before anything runs', async () => {
  const { app, worker, rest, logged, clock } = bench()
  const ran: string[] = []
  const note = app.task('t.note', (word: string) => void ran.push(word))
  await note.delay('old')
  await note.applyAsync(['later'], { countdown: 60 })
  await note.applyAsync(['elsewhere'], { queue: 'other' })

  await worker({ queues: ['celery'], purge: true })
  await note.delay('new')
  await clock.advance(61_000)
  await rest()

  expect(ran).toEqual(['new'])
  expect(logged).toContain('WARN Purged 2 messages from celery.')
  expect(await (await app.connections.transport()).queueInfo('other')).toMatchObject({ ready: 1 })
})

test('without heartbeats monitors hear nothing of a worker, and tasks run', async () => {
  const { app, worker, ready, events, clock } = bench()
  const add = app.task('t.add', (x: number) => x + 1)
  await worker({ heartbeat: false, events: false })

  const meta = await ready(await add.delay(1))
  await clock.advance(10_000)

  expect(meta.result).toBe(2)
  expect(events.filter(({ type }) => type.startsWith('worker-'))).toEqual([])
})

test('heartbeats come as often as the worker is told', async () => {
  const { worker, events, clock } = bench()
  await worker({ heartbeat: 5 })

  await clock.advance(20_000)

  expect(events.filter(({ type }) => type === 'worker-heartbeat')).toHaveLength(4)
  expect(events[0]).toMatchObject({ type: 'worker-online', freq: 5 })
})

test('a command that a worker does not know is answered with an error', async () => {
  const { app, worker, pass, clock } = bench()
  await worker()
  const mailbox = new Mailbox({
    transport: () => app.connections.transport(),
    clock,
    lamport: app.lamport,
    logger: app.logger,
  })
  onTestFinished(() => mailbox.close())

  const unheardOf = await pass(mailbox.call('makeCoffee'))
  const notHere = await pass(mailbox.call('election', { topic: 'x' }))

  expect(unheardOf).toMatchObject([{ hostname: 'w1@test', value: { error: "KeyError('makeCoffee')" } }])
  expect(notHere).toMatchObject([{ hostname: 'w1@test', value: { error: 'w1@test does not answer election' } }])
})

test('a worker that starts tells its revoked ids and hears those of others', async () => {
  const { app, worker, pass, rest } = bench()
  await worker()
  await app.control.revoke('mine')
  await rest()

  const heard = await pass(app.control.hello('w2@test', { theirs: [12.5, 'theirs'] }))
  const revoked = await pass(app.control.inspect('revoked'))

  expect(Object.keys(heard['w1@test']?.revoked ?? {})).toEqual(['mine', 'theirs'])
  expect(revoked).toEqual({ 'w1@test': ['mine', 'theirs'] })
})

test('how many revoked ids are kept, and for how long, are settings', async () => {
  const { app, worker, pass, rest, clock } = bench({ workerRevokesMax: 2, workerRevokeExpires: 60 })
  await worker()
  const revoked = (): Promise<unknown> => pass(app.control.inspect('revoked'))
  await app.control.revoke(['a', 'b', 'c'])
  await rest()

  const newest = await revoked()
  await clock.advance(61_000)
  const late = await revoked()

  expect([newest, late]).toEqual([{ 'w1@test': ['b', 'c'] }, { 'w1@test': [] }])
})

test('revoked ids travel with the floats that Python wants', () => {
  const text = JSON.stringify(revokedToDict(['a'], 3600))

  expect(text).toBe('{"a":3600.5}')
})

/** A clock whose time of day can be set. */
class SettableClock extends VirtualClock {
  offsetMs = 0

  override now(): number {
    return super.now() + this.offsetMs
  }
}

test('when the clock is set back an hour, tasks, ETAs, limits, retries and heartbeats go on', async () => {
  const clock = new SettableClock()
  const app = memoryApp('tests', { clock })
  onTestFinished(() => passUntil(clock, app.close()))
  const pass = <T>(promise: Promise<T>): Promise<T> => passUntil(clock, promise)
  const ran: string[] = []
  const note = app.task('t.note', (word: string) => void ran.push(word))
  const limited = app.task('t.limited', { bind: true, softTimeLimit: 5 }, (self) => self.sleep(60_000))
  const again = app.task('t.again', { bind: true }, (self) => {
    if (self.retries === 0) self.retry({ countdown: 3 })
    return self.retries
  })
  const worker = await app.startWorker({ hostname: 'w1@test' })
  await note.applyAsync(['due'], { countdown: 10 })
  const [slow, retried] = [await limited.delay(), await again.delay()]
  await clock.advance(1000)

  clock.offsetMs = -3_600_000
  await note.delay('now')
  const failed = pass(slow.get()).catch((error: unknown) => error)
  const value = await pass(retried.get({ timeout: 3 * 3600 }))
  await clock.advance(3_600_000 + 20_000)

  expect(await failed).toMatchObject({ type: 'SoftTimeLimitExceeded' })
  expect(value).toBe(1)
  expect(ran).toEqual(['now', 'due'])
  expect(worker.state).toBe('running')
})
