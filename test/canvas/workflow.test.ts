import { expect, test } from 'vitest'
import { chain, chord, group, type Workflow } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

function tasks(options: Parameters<typeof bench>[0] = {}) {
  const one = bench(options)
  const { app } = one
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
  const slow = app.task('t.slow', { bind: true }, async (self, x: number): Promise<number> => {
    await self.sleep(3_600_000)
    return x
  })
  const explain = (id: string): Promise<Workflow> => one.pass(app.workflow(id))
  return { ...one, add, sum, slow, explain }
}

/** Each part as `name: where it is`. */
function lines({ parts }: Workflow): readonly string[] {
  return parts.map(({ kind, task, place, counted, size, depth }) => {
    const where = place.kind === 'inside' ? (counted === undefined ? '' : `${counted}/${size}`) : place.kind
    return `${'  '.repeat(depth)}${task ?? kind} ${where}`.trimEnd()
  })
}

test('a chord that waits says how many parts were counted and which one is missing where', async () => {
  const { add, sum, slow, worker, rest, explain } = tasks()
  await worker()
  const result = await chain(add.s(0, 1), group(add.s(1), slow.s(), add.s(2)), sum.s(), add.s(10)).delay()
  await rest()

  const workflow = await explain(result.id)

  expect(lines(workflow)).toEqual([
    't.add ended',
    'chord 2/3',
    '  t.add ended',
    '  t.slow running',
    '  t.add ended',
    't.sum blocked',
    't.add blocked',
  ])
  expect(workflow).toMatchObject({ state: 'running', ended: 3, size: 6, unseen: [] })
  const running = workflow.parts.find(({ task }) => task === 't.slow')
  expect(running?.place).toMatchObject({ kind: 'running', worker: 'w1@test' })
  expect(workflow.explanation).toEqual([
    expect.stringMatching(/^t\.slow\[.+\] runs on w1@test for \d+ s\.$/),
    expect.stringMatching(/^Chord .+ has counted 2 of 3 parts\.$/),
  ])
})

test('the same is found from the root, the group, a member and what was never sent', async () => {
  const { add, sum, slow, worker, rest, explain } = tasks()
  await worker()
  const result = await chain(add.s(0, 1), group(add.s(1), slow.s()), sum.s(), add.s(10)).delay()
  await rest()
  const whole = await explain(result.id)

  for (const { id } of whole.parts) expect(lines(await explain(id))).toEqual(lines(whole))
  const root = whole.parts[0]?.id ?? ''
  expect((await explain(root)).id).toBe(root)
})

test('what waits in a queue that nobody consumes says so, and which worker to start', async () => {
  const { add, sum, worker, rest, explain } = tasks()
  await worker({ queues: ['celery'] })
  const result = await chord([add.s(1, 1), add.s(2, 2).set({ queue: 'other' })], sum.s()).delay()
  await rest()

  const workflow = await explain(result.id)

  expect(workflow.state).toBe('stuck')
  expect(lines(workflow)).toEqual(['chord 1/2', '  t.add ended', '  t.add queued', 't.sum blocked'])
  expect(workflow.explanation[0]).toMatch(
    /^t\.add\[.+\] waits in queue 'other', which no worker consumes\. Start one: tq worker -Q other$/,
  )
})

test('what is parked says until when, and what is reserved who holds it', async () => {
  const { add, slow, worker, rest, explain, clock } = tasks({ taskAcksLate: true })
  await worker({ concurrency: 1, prefetchMultiplier: 2 })
  const dueMs = clock.now() + 600_000
  const result = await group(slow.s(1), slow.s(2), add.s(1, 1).set({ etaMs: dueMs })).delay()
  await rest()

  const { parts, explanation } = await explain(result.id)

  expect(parts.map(({ place }) => place)).toEqual([
    { kind: 'inside' },
    { kind: 'running', worker: 'w1@test', sinceMs: expect.any(Number) },
    { kind: 'held', queue: 'celery', worker: 'w1@test' },
    { kind: 'parked', queue: 'celery', untilMs: dueMs },
  ])
  expect(explanation.join('\n')).toContain(`is not due before ${new Date(dueMs).toISOString().slice(0, 19)}`)
})

test('a part whose message is gone is missing', async () => {
  const { app, add, sum, worker, rest, explain } = tasks()
  await worker({ queues: ['celery'] })
  const result = await chord([add.s(1, 1), add.s(2, 2).set({ queue: 'other' })], sum.s()).delay()
  await rest()
  await (await app.connections.transport()).purge('other')

  const workflow = await explain(result.id)

  expect(workflow.state).toBe('stuck')
  expect(lines(workflow)).toEqual(['chord 1/2', '  t.add ended', '  t.add missing', 't.sum blocked'])
  expect(workflow.explanation[0]).toMatch(
    /^t\.add\[.+\] is in no queue, held by no worker that answers, and has no result/,
  )
})

test('a part that is in quarantine says why', async () => {
  const { app, add, sum, worker, rest, explain } = tasks()
  await worker({ queues: ['celery'] })
  const result = await chord([add.s(1, 1), add.s(2, 2).set({ queue: 'other' })], sum.s()).delay()
  await rest()
  const transport = await app.connections.transport()
  const subscription = await transport.subscribe(['other'], { prefetch: 1 }, ([delivery]) => {
    if (delivery) void transport.quarantine.put(delivery, 'It ended three workers.')
  })
  await rest()
  await subscription.close()

  const workflow = await explain(result.id)

  expect(workflow.state).toBe('stuck')
  expect(lines(workflow)[2]).toBe('  t.add quarantined')
  expect(workflow.explanation[0]).toMatch(/was set aside: It ended three workers\.$/)
})

test('a workflow that has ended says so, failures included', async () => {
  const { app, add, worker, pass, rest, explain } = tasks()
  const fail = app.task('t.fail', (_x: number): number => {
    throw new TypeError('boom')
  })
  await worker()
  const good = await chain(add.s(1, 1), add.s(1)).delay()
  const bad = await chain(add.s(1, 1), fail.s(), add.s(1)).delay()
  await pass(good.get())
  await pass(bad.get({ propagate: false }))
  await rest()

  expect(await explain(good.id)).toMatchObject({ state: 'done', ended: 2, size: 2, explanation: [] })
  const failed = await explain(bad.id)
  expect(failed).toMatchObject({ state: 'failed', explanation: [] })
  expect(failed.parts.map(({ state, error }) => [state, error])).toEqual([
    ['SUCCESS', undefined],
    ['FAILURE', 'TypeError: boom'],
    ['FAILURE', 'TypeError: boom'],
  ])
})

test('what tasks send by themselves is part of it, canvases and replacements included', async () => {
  const { app, add, sum, slow, worker, rest, explain } = tasks()
  const outer = app.task(
    't.outer',
    async (): Promise<void> => void (await chord([add.s(1, 1), slow.s(1)], sum.s()).delay()),
  )
  const replaced = app.task('t.replaced', { bind: true }, (self) => self.replace(chain(add.s(1, 1), slow.s())))
  await worker()
  const result = await group(outer.s(), replaced.s()).delay()
  await rest()

  const workflow = await explain(result.id)

  expect(lines(workflow)).toEqual([
    'group',
    '  t.outer ended',
    '    chord 1/2',
    '      t.add ended',
    '      t.slow running',
    '    t.sum blocked',
    '  t.replaced running',
    '    t.add ended',
    '    t.slow running',
  ])
  expect(workflow.state).toBe('running')
})

test.each([
  ['no JSON', 'nonsense'],
  ['another version', '{"v":2,"at":1,"of":["a","t.add"]}'],
  ['no outline', '{"v":1,"at":1,"of":{"g":1}}'],
  ['the outline of something else', '{"v":1,"at":1,"of":["b","t.add"]}'],
  ['an outline without end', `{"v":1,"at":1,"of":${'{"c":['.repeat(50_000)}${']}'.repeat(50_000)}}`],
])('a record with %s is one that is not there', async (_, text) => {
  const { app, add, explain } = tasks()
  const { id } = await add.delay(1, 1)
  const backend = await app.resultBackend()
  for (const key of [`tq.workflow.${id.slice(0, -5)}`, `tq.workflow.id.${id}`]) {
    await backend.storeGroup({ id: key, results: [{ id: text }] }, { ttlMs: 60_000 })
  }

  expect(lines(await explain(id))).toEqual(['t.add queued'])
})

test('of what a task sent, and of what may have replaced that, no more than 500 are looked for', async () => {
  const { app, explain } = tasks()
  const backend = await app.resultBackend()
  const results = Array.from({ length: 700 }, (_, n) => ({ id: `child${n}` }))
  const ttl = { ttlMs: 60_000 }
  await backend.store([{ id: 'parent', state: 'SUCCESS', children: results }], ttl)
  let asked = 0
  const { fetchGroup } = backend
  backend.fetchGroup = (id) => {
    if (id.startsWith('tq.workflow.id.child')) asked++
    return fetchGroup.call(backend, id)
  }

  const { size } = await explain('parent')

  expect(size).toBe(501)
  expect(asked).toBe(500)
})

test('a canvas that nobody wrote down is told by its messages', async () => {
  const { app, add, sum, explain } = tasks()
  const result = await chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).delay()
  const single = await add.applyAsync([1, 1], { link: sum.s() })
  const backend = await app.resultBackend()
  // As Python leaves it, whose senders write nothing down.
  await backend.dropGroup(`tq.workflow.${result.id.slice(0, -5)}`)

  expect(lines(await explain(result.id))).toEqual([
    't.add queued',
    'chord',
    '  t.add blocked',
    '  t.add blocked',
    't.sum blocked',
  ])
  expect(lines(await explain(single.id))).toEqual(['t.add queued', '  t.sum blocked'])
})

test('an id that nobody knows is a task that is nowhere', async () => {
  const { explain } = tasks()

  const workflow = await explain('no-such-task')

  expect(workflow).toMatchObject({ state: 'stuck', size: 1, ended: 0, parts: [{ place: { kind: 'missing' } }] })
  expect(workflow.explanation).toEqual([expect.stringMatching(/^Nothing is known of no-such-task/)])
})
