import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { LamportClock } from '../../runtime/src/events/lamport.ts'
import { type RevokedLimits, RevokedTasks } from '../../runtime/src/worker/revoked.ts'
import { StateDb } from '../../runtime/src/worker/state-db.ts'
import { temporaryFolder } from '../helpers/project.ts'

const hourMs = 3_600_000
const limits: RevokedLimits = { most: 50_000, keptMs: 3 * hourMs }

/** One life of a worker, as far as its state file is concerned. */
function life(file: string, clock = new VirtualClock(), logger = silentLogger) {
  const revoked = new RevokedTasks(clock, limits)
  const lamport = new LamportClock()
  const state = new StateDb({ file, revoked, lamport, clock, logger })
  state.open()
  return { revoked, lamport, state, clock }
}

test('of 100,000 revoked ids the newest 50,000 are kept', () => {
  const revoked = new RevokedTasks(new VirtualClock(), limits)

  for (let n = 0; n < 100_000; n += 1000) revoked.add(Array.from({ length: 1000 }, (_, i) => `id-${n + i}`))

  expect(revoked.ids()).toHaveLength(50_000)
  expect([revoked.has('id-49999'), revoked.has('id-50000'), revoked.has('id-99999')]).toEqual([false, true, true])
})

test('an id that is revoked again is young again', async () => {
  const clock = new VirtualClock()
  const revoked = new RevokedTasks(clock, limits)
  revoked.add(['old', 'again'])
  await clock.advance(2 * hourMs)

  revoked.add(['again'])
  await clock.advance(2 * hourMs)

  expect(revoked.ids()).toEqual(['again'])
})

test('revoked ids, stamps and the logical clock outlive the worker', () => {
  const file = join(temporaryFolder(), 'state', 'w1.db')
  const first = life(file)
  first.revoked.add(['a', 'b'])
  first.revoked.addStamps({ order: [17] })
  first.lamport.adjust(40)
  first.state.close()

  const second = life(file)

  expect(second.revoked.ids()).toEqual(['a', 'b'])
  expect([second.revoked.hasStamp({ order: 17 }), second.revoked.hasStamp({ order: 18 })]).toEqual([true, false])
  expect(second.lamport.value).toBeGreaterThan(first.lamport.value)
})

test('a worker that is killed has lost what it heard in the last second, no more', async () => {
  const file = join(temporaryFolder(), 'w1.db')
  const { revoked, clock } = life(file)
  revoked.add(['heard'])
  await clock.advance(1000)
  revoked.add(['too late'])

  const after = life(file)

  expect(after.revoked.ids()).toEqual(['heard'])
})

test('ids age while no worker runs, by the time of day', () => {
  const file = join(temporaryFolder(), 'w1.db')
  const start = Date.UTC(2026, 0, 1)
  const first = life(file, new VirtualClock(start))
  first.revoked.add(['a'])
  first.state.close()

  const soon = life(file, new VirtualClock(start + 2 * hourMs))
  soon.state.close()
  const late = life(file, new VirtualClock(start + 3 * hourMs + 1))

  expect([soon.revoked.ids(), late.revoked.ids()]).toEqual([['a'], []])
})

test('a clock that was set back an hour makes an id no older and no immortal', async () => {
  const file = join(temporaryFolder(), 'w1.db')
  const start = Date.UTC(2026, 0, 1)
  const first = life(file, new VirtualClock(start))
  first.revoked.add(['a'])
  first.state.close()

  const { revoked, clock } = life(file, new VirtualClock(start - hourMs))
  const before = revoked.ids()
  await clock.advance(3 * hourMs + 1)

  expect([before, revoked.ids()]).toEqual([['a'], []])
})

test('two workers that share a file lose nothing that one of them heard', async () => {
  const file = join(temporaryFolder(), 'shared.db')
  const clock = new VirtualClock()
  const [one, two] = [life(file, clock), life(file, clock)]
  one.revoked.add(['a'])
  one.revoked.addStamps({ order: [17] })
  await clock.advance(1000)
  two.revoked.add(['b'])
  await clock.advance(1000)
  two.state.close()
  one.state.close()

  const after = life(file, clock)

  expect(after.revoked.ids()).toEqual(['a', 'b'])
  expect(after.revoked.hasStamp({ order: 17 })).toBe(true)
  expect(readdirSync(dirname(file))).toEqual([basename(file)])
})

test('what a worker hears of another that is not new does not make it young again', async () => {
  const clock = new VirtualClock()
  const revoked = new RevokedTasks(clock, limits)
  revoked.add(['known'])
  await clock.advance(2 * hourMs)

  revoked.learn(['known', 'new'])
  await clock.advance(2 * hourMs)

  expect(revoked.ids()).toEqual(['new'])
})

test('a damaged file is set aside and said, and the worker starts with nothing revoked', () => {
  const file = join(temporaryFolder(), 'w1.db')
  writeFileSync(file, '\u0080\u0004pickle')
  const said: string[] = []

  const { revoked } = life(file, new VirtualClock(), { ...silentLogger, error: (text) => void said.push(text) })

  expect(revoked.ids()).toEqual([])
  expect(said).toEqual([expect.stringContaining('.damaged')])
  expect(readFileSync(`${file}.damaged`, 'utf8')).toContain('pickle')
})

test('a state file that cannot be written is an error at the start', () => {
  const folder = temporaryFolder()
  const file = join(folder, 'not-a-folder', 'w1.db')
  writeFileSync(join(folder, 'not-a-folder'), '')

  expect(() => life(file)).toThrow(/Could not .* the worker's state \(--statedb\)/)
  expect(existsSync(file)).toBe(false)
})

test('a damaged file that cannot be set aside is an error at the start that names it', () => {
  const file = join(temporaryFolder(), 'w1.db')
  writeFileSync(file, 'pickle')
  mkdirSync(join(`${file}.damaged`, 'taken'), { recursive: true })

  expect(() => life(file)).toThrow(/Could not .* the worker's state \(--statedb\) in .*w1\.db/)
  expect(readFileSync(file, 'utf8')).toBe('pickle')
})
