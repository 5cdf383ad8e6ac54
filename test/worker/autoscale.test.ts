import { expect, test } from 'vitest'
import { parseAutoscale } from '../../runtime/src/worker/autoscale.ts'
import { bench } from '../helpers/app.ts'

/** A worker that scales between the two, and tasks that run until they are released. */
async function scaled(min: number, max: number, options: object = {}) {
  const one = bench({ taskAcksLate: true })
  const releases: (() => void)[] = []
  const hold = one.app.task('t.hold', () => new Promise<void>((resolve) => releases.push(resolve)))
  await one.worker({ autoscale: { min, max }, ...options })
  const size = async (): Promise<number | undefined> => {
    const stats = await one.pass(one.app.control.inspect('stats'))
    const answer = stats['w1@test']
    return answer && 'pool' in answer ? answer.pool.maxConcurrency : undefined
  }
  const send = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) await hold.delay()
    await one.rest()
  }
  return { ...one, send, size, releases }
}

test.each([
  ['10,3', { max: 10, min: 3 }],
  ['4', { max: 4, min: 1 }],
  ['4,0', { max: 4, min: 1 }],
])('--autoscale %s', (text, range) => {
  expect(parseAutoscale(text)).toEqual(range)
})

test.each(['', 'many', '2,5', '0'])('--autoscale %j is refused', (text) => {
  expect(() => parseAutoscale(text)).toThrow('expected autoscale to be max,min')
})

test.each([4, 1])(
  'the pool grows with the demand to its highest size, with a prefetch multiplier of %d',
  async (multiplier) => {
    const { send, clock, releases } = await scaled(1, 3, { prefetchMultiplier: multiplier })

    await send(5)
    const atFirst = releases.length
    await clock.advance(5000)

    expect([atFirst, releases.length]).toEqual([1, 3])
  },
)

test('it shrinks when it was larger than needed for thirty seconds', async () => {
  const { send, clock, releases, size } = await scaled(1, 3)
  await send(3)
  await clock.advance(5000)
  for (const release of releases) release()

  await clock.advance(25_000)
  const before = await size()
  await clock.advance(10_000)

  expect([before, await size()]).toEqual([3, 1])
})

test('the range is changed by remote control, and the pool with it', async () => {
  const { app, pass, size } = await scaled(1, 3)

  const raised = await pass(app.control.autoscale(6, 4))
  const grown = await size()
  const lowered = await pass(app.control.autoscale(2, 1))

  expect([raised, lowered]).toEqual([
    { 'w1@test': { ok: 'autoscale now max=6 min=4' } },
    { 'w1@test': { ok: 'autoscale now max=2 min=1' } },
  ])
  expect([grown, await size()]).toEqual([4, 2])
})

test('a pool that is scaled is not grown or shrunk by hand', async () => {
  const { app, pass, size } = await scaled(1, 3)

  const answers = [await pass(app.control.poolGrow(2)), await pass(app.control.poolShrink(1))]

  expect(answers).toEqual([
    { 'w1@test': { error: 'pool_grow is not supported with autoscale. Adjust autoscale range instead.' } },
    { 'w1@test': { error: 'pool_shrink is not supported with autoscale. Adjust autoscale range instead.' } },
  ])
  expect(await size()).toBe(1)
})
