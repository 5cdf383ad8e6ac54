import { expect, test } from 'vitest'
import type { Message } from '../../runtime/src/core/message.ts'
import type { Outcome } from '../../runtime/src/core/outcome.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { AsyncPool } from '../../runtime/src/pools/async.ts'
import type { PoolJob } from '../../runtime/src/pools/pool.ts'
import { passUntil } from '../../runtime/src/testing.ts'

const done: Outcome = { kind: 'success', value: 1 }

function job(id: string): PoolJob {
  const message = { id, task: 't.add' } as Message // the pool looks at none of it
  const deliveryInfo = { queue: 'q', exchange: '', routingKey: 'q', priority: 0, redelivered: false, deliveries: 1 }
  return { message, deliveryInfo, hostname: 'w1@test' }
}

/** A pool whose runs end when the test says so; `signals` are theirs, in order. */
function pool(capacity = 2) {
  const clock = new VirtualClock()
  const ends: (() => void)[] = []
  const signals: AbortSignal[] = []
  const made = new AsyncPool({
    capacity,
    clock,
    terminated: (signal) => new Error(`ended by ${signal}`),
    expired: (seconds) => new Error(`over ${seconds} s`),
    runTask: (_, signal) => {
      signals.push(signal)
      return new Promise((resolve) => ends.push(() => resolve(done)))
    },
  })
  return { pool: made, clock, ends, signals }
}

test('a run is busy from its start to its outcome', async () => {
  const { pool: one, ends } = pool()

  const run = one.run(job('a'))
  const during = one.busy
  ends[0]?.()

  expect(await run.outcome).toBe(done)
  expect([during, one.busy]).toEqual([1, 0])
})

test('accepted tells the process and the time', async () => {
  const { pool: one, clock, ends } = pool()

  const run = one.run(job('a'))

  expect(await run.accepted).toEqual({ pid: process.pid, atMs: clock.now() })
  ends[0]?.()
})

test('terminate aborts the signal of that run alone', () => {
  const { pool: one, signals } = pool()
  const run = one.run(job('a'))
  one.run(job('b'))

  run.terminate('SIGINT')

  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  expect(signals[0]?.reason).toHaveProperty('message', 'ended by SIGINT')
})

test('it grows and shrinks, to one slot at least', async () => {
  const { pool: one } = pool(2)

  await one.grow(3)
  const grown = one.capacity
  await one.shrink(10)

  expect([grown, one.capacity]).toEqual([5, 1])
})

test('a drain waits for all that runs', async () => {
  const { pool: one, clock, ends } = pool()
  one.run(job('a'))
  one.run(job('b'))
  let left: readonly PoolJob[] | undefined

  const stopping = one.stop('drain', Infinity).then((jobs) => {
    left = jobs
  })
  ends[0]?.()
  await clock.advance(0)
  expect(left).toBeUndefined()
  ends[1]?.()
  await stopping

  expect(left).toEqual([])
})

test('a drain past its deadline ends the rest and names it', async () => {
  const { pool: one, clock, signals } = pool()
  one.run(job('a'))

  const left = await passUntil(clock, one.stop('drain', clock.monotonic() + 500))

  expect(left.map(({ message }) => message.id)).toEqual(['a'])
  expect([clock.monotonic(), signals[0]?.aborted]).toEqual([500, true])
})

test('a kill does not wait', async () => {
  const { pool: one, clock, signals } = pool()
  one.run(job('a'))

  const left = await one.stop('kill', 0)

  expect(left).toHaveLength(1)
  expect([clock.monotonic(), signals[0]?.aborted]).toEqual([0, true])
})

test('an idle pool stops at once', async () => {
  expect(await pool().pool.stop('drain', Infinity)).toEqual([])
})
