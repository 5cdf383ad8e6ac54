import { expect, onTestFinished, test } from 'vitest'
import { Mailbox } from '../../runtime/src/control/mailbox.ts'
import { bench } from '../helpers/app.ts'

test('a pool that grows runs more at once, one that shrinks fewer', async () => {
  const { app, worker, pass, rest } = bench({ taskAcksLate: true })
  const releases: (() => void)[] = []
  const hold = app.task('t.hold', () => new Promise<void>((resolve) => releases.push(resolve)))
  await worker({ concurrency: 1 })
  for (let at = 0; at < 4; at++) await hold.delay()
  await rest()
  const atFirst = releases.length

  const grown = await pass(app.control.poolGrow(2))
  await rest()
  const larger = releases.length
  const shrunk = await pass(app.control.poolShrink(2))
  releases[0]?.()
  await rest()

  expect([atFirst, larger, releases.length]).toEqual([1, 3, 3])
  expect([grown, shrunk]).toEqual([{ 'w1@test': { ok: 'pool will grow' } }, { 'w1@test': { ok: 'pool will shrink' } }])
})

test('limits that are set by remote control hold for the next runs', async () => {
  const { app, worker, pass, ready, clock } = bench()
  const slow = app.task('t.slow', { bind: true, softTimeLimit: 50 }, (self) => self.sleep(600_000))
  await worker()
  const secondsOf = async (): Promise<number> => {
    const begin = clock.now()
    await ready(await slow.delay())
    return (clock.now() - begin) / 1000
  }

  const answer = await pass(app.control.timeLimit('t.slow', { soft: 10 }))
  const soft = await secondsOf()
  await pass(app.control.timeLimit('t.slow', { hard: 20 }))
  const hard = await secondsOf()

  expect(answer).toEqual({ 'w1@test': { ok: 'time limits set successfully' } })
  expect([soft, hard]).toEqual([10, 20])
})

test('tasks that the worker does not know are refused', async () => {
  const { app, worker, pass } = bench()
  await worker()

  const answers = [
    await pass(app.control.rateLimit('t.no', '1/s')),
    await pass(app.control.timeLimit('t.no', { soft: 1 })),
  ]

  expect(answers).toEqual([{ 'w1@test': { error: 'unknown task' } }, { 'w1@test': { error: 'unknown task' } }])
})

test('a rate that cannot be read is refused', async () => {
  const { app, worker, pass } = bench()
  app.task('t.any', () => 1)
  await worker()

  expect(await pass(app.control.rateLimit('t.any', 'fast'))).toEqual({
    'w1@test': { error: expect.stringMatching(/^Invalid rate limit string: .*'?fast'?/) },
  })
})

test('pool_restart says why a pool in the worker’s own process cannot load code anew', async () => {
  const { app, worker, pass, clock } = bench()
  await worker()
  const { lamport, logger } = app
  const mailbox = new Mailbox({ transport: () => app.connections.transport(), clock, lamport, logger })
  onTestFinished(() => mailbox.close())

  const answers = await pass(mailbox.call('poolRestart'))

  expect(answers).toMatchObject([
    { hostname: 'w1@test', value: { error: expect.stringContaining("in the worker's own process") as string } },
  ])
})

test('without workerEnableRemoteControl a worker answers nothing and runs its tasks', async () => {
  const { app, worker, pass, ready } = bench({ workerEnableRemoteControl: false })
  const add = app.task('t.add', (x: number) => x + 1)
  await worker()

  const replies = await pass(app.control.ping())
  const meta = await ready(await add.delay(1))

  expect(replies).toEqual({})
  expect(meta.result).toBe(2)
})
