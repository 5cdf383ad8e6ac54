import { expect, test } from 'vitest'
import { bench } from '../helpers/app.ts'

/** A worker with one running task, one that waits behind it, and the answers to a question. */
async function busy() {
  const one = bench({ taskAcksLate: true })
  const { app } = one
  const release = Promise.withResolvers<void>()
  const block = app.task('t.block', (_word: string) => release.promise)
  const worker = await one.worker({ concurrency: 1, prefetchMultiplier: 3 })
  const running = await block.delay('a')
  const waiting = await block.delay('b')
  await one.rest()
  return { ...one, worker, running, waiting, release, control: app.control }
}

test('ping is answered', async () => {
  const { control, pass } = await busy()

  expect(await pass(control.ping())).toEqual({ 'w1@test': 'pong' })
})

test('active and reserved tell what runs and what waits', async () => {
  const { control, pass, running, waiting, clock } = await busy()
  const startedAtMs = clock.now()

  const active = await pass(control.inspect('active'))
  const reserved = await pass(control.inspect('reserved'))

  expect(active).toMatchObject({
    'w1@test': [
      { id: running.id, name: 't.block', args: "('a',)", startedAtMs, acknowledged: false, workerPid: process.pid },
    ],
  })
  expect(reserved).toMatchObject({ 'w1@test': [{ id: waiting.id, args: "('b',)", startedAtMs: undefined }] })
})

test('registered, activeQueues and stats describe the worker', async () => {
  const { control, pass, release, rest } = await busy()
  release.resolve()
  await rest()

  expect(await pass(control.inspect('registered'))).toEqual({ 'w1@test': ['t.block'] })
  expect(await pass(control.inspect('activeQueues'))).toMatchObject({ 'w1@test': [{ name: 'celery' }] })
  expect(await pass(control.inspect('stats'))).toMatchObject({
    'w1@test': { total: { 't.block': 2 }, pid: process.pid, pool: { maxConcurrency: 1 }, prefetchCount: 3 },
  })
})

test('queryTask finds a task wherever it is', async () => {
  const { control, pass, running, waiting } = await busy()

  const found = await pass(control.inspect('queryTask', { ids: [running.id, waiting.id, 'nobody'] }))

  expect(found).toMatchObject({
    'w1@test': { [running.id]: { state: 'active' }, [waiting.id]: { state: 'reserved' } },
  })
  expect(found['w1@test']).not.toHaveProperty('nobody')
})

test('revoked ids are remembered, for three hours', async () => {
  const { control, pass, rest, clock } = await busy()

  await control.revoke(['x', 'y'])
  await rest()
  const after = await pass(control.inspect('revoked'))
  await clock.advance(3 * 3_600_000 + 1)
  await control.revoke('z')
  await rest()

  expect(after).toEqual({ 'w1@test': ['x', 'y'] })
  expect(await pass(control.inspect('revoked'))).toEqual({ 'w1@test': ['z'] })
})

test('a command for another worker is not obeyed', async () => {
  const { control, pass, worker } = await busy()

  await control.shutdown({ destination: ['w2@test'] })
  expect(await pass(control.ping({ destination: ['w2@test'], timeoutMs: 100 }))).toEqual({})

  expect(worker.state).toBe('running')
})

test('shutdown ends the worker when its task is done', async () => {
  const { control, worker, rest, release } = await busy()

  await control.shutdown({ destination: ['w1@test'] })
  await rest()
  const told = worker.state
  release.resolve()
  await worker.finished

  expect([told, worker.state]).toEqual(['stopping', 'stopped'])
})

test('a pool that is not autoscaled says so when its range is to be changed', async () => {
  const { control, pass } = await busy()

  expect(await pass(control.autoscale(3, 1))).toMatchObject({ 'w1@test': { error: 'Autoscale not enabled' } })
})

test('task events are switched on and off from afar', async () => {
  const { app, worker, pass, ready, rest, eventsOf } = bench({ taskSendSentEvent: false })
  const add = app.task('t.add', (x: number) => x)
  await worker({ events: false })
  const { control } = app
  const typesOf = async (): Promise<readonly string[]> => {
    const result = await add.delay(1)
    await ready(result)
    await rest()
    return eventsOf(result.id).map(({ type }) => type)
  }

  const before = await typesOf()
  const on = await pass(control.enableEvents())
  const again = await pass(control.enableEvents())
  const during = await typesOf()
  await pass(control.disableEvents())
  const after = await typesOf()

  expect([before, during, after]).toEqual([[], ['task-received', 'task-started', 'task-succeeded'], []])
  expect([on, again]).toEqual([
    { 'w1@test': { ok: 'task events enabled' } },
    { 'w1@test': { ok: 'task events already enabled' } },
  ])
})
