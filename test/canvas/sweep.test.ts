import { describe, expect, test } from 'vitest'
import type { ResultBackend } from '../../runtime/src/backends/result-backend.ts'
import type { ChordBody } from '../../runtime/src/core/chord.ts'
import { withOptions } from '../../runtime/src/core/signature.ts'
import { chain, chord, type Tq } from '../../runtime/src/index.ts'
import { ChordSweep } from '../../runtime/src/run/chord-sweep.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { bench } from '../helpers/app.ts'
import { failure, success } from '../helpers/messages.ts'

const everyMs = 1000
const ttl = { ttlMs: 3_600_000 }
const header = { groupId: 'header' }

/** The body of a chord whose worker is gone: `sum` of its parts, known as `body`. */
function bodyOf(app: Tq): ChordBody {
  const { data } = app.signature('sum').set({ taskId: 'body' })
  return { signature: data, rootId: 'root' }
}

/** An app with a running worker and the backend that a dead worker has left things in. */
async function left(settings: Parameters<typeof bench>[0] = {}) {
  const one = bench({ chordSweepInterval: everyMs / 1000, ...settings })
  const runs: unknown[] = []
  one.app.task('sum', (ns: readonly number[]) => {
    runs.push(ns)
    return ns.reduce((a, b) => a + b, 0)
  })
  one.app.task('tell', (id: string) => id)
  const backend: ResultBackend = await one.app.connections.backend()
  const body = bodyOf(one.app)
  const places = [0, 1].map((index) => ({ id: `part${index}`, index }))
  const open = (): Promise<void> => backend.openChord(header, 2, { ...ttl, body, places })
  const join = (index: number, meta = success(`part${index}`, index + 1)) =>
    backend.joinChord(header, { index, meta }, { ...ttl, storesResult: true })
  return { ...one, backend, body, open, join, runs }
}

describe('a chord that a worker left', () => {
  test('has its body sent when its last part was counted and nothing came after that', async () => {
    const { app, open, join, backend, worker, pass } = await left()
    await open()
    await join(0)
    await join(1)

    await worker()

    expect(await pass(app.result('body').get())).toBe(3)
    expect(await backend.chordRecord(header)).toBeUndefined()
  })

  test('is left alone until it was quiet for a while', async () => {
    const { open, join, worker, clock, runs, rest } = await left()
    await worker()
    await clock.advance(everyMs * 1.5)
    await open()
    await join(0)
    await join(1)

    await clock.advance(everyMs * 0.6)
    await rest()
    expect(runs).toEqual([])

    await clock.advance(everyMs * 2)
    await rest()
    expect(runs).toEqual([[1, 2]])
  })

  test('counts a part that has a result and was not counted', async () => {
    const { app, open, join, backend, worker, pass } = await left()
    await open()
    await join(0)
    await backend.store([success('part1', 2)], ttl)

    await worker()

    expect(await pass(app.result('body').get())).toBe(3)
  })

  test('counts a part that was added and not counted', async () => {
    const { app, open, join, backend, worker, pass } = await left()
    await open()
    await backend.growChord(header, 1, [{ id: 'more', index: 1 }])
    await join(0)
    await join(1)
    await backend.store([success('more', 10)], ttl)

    await worker()

    expect(await pass(app.result('body').get())).toBe(13)
  })

  test('waits on for a part that has not ended', async () => {
    const { open, join, backend, worker, clock, runs } = await left()
    await open()
    await join(0)
    await backend.store([{ id: 'part1', state: 'STARTED' }], ttl)
    await worker()

    await clock.advance(everyMs * 60)

    expect(runs).toEqual([])
    expect(await backend.chordRecord(header)).toMatchObject({ size: 2 })
  })

  test('fails its body where a part failed, and tells its error callbacks', async () => {
    const { app, body, backend, worker, pass } = await left()
    const { data } = app.signature('tell').set({ taskId: 'told' })
    const signature = { ...body.signature, options: { ...body.signature.options, linkError: [data] } }
    await backend.openChord(header, 1, { ...ttl, body: { ...body, signature } })
    await backend.joinChord(header, { index: 0, meta: failure('part0') }, ttl)

    await worker()

    await expect(pass(app.result('body').get())).rejects.toThrow("Dependency part0 raised ValueError('boom')")
    expect(await pass(app.result('told').get())).toBe('body')
  })

  test('is closed, and nothing sent, where its body has ended', async () => {
    const { open, join, backend, worker, clock, runs } = await left()
    await open()
    await join(0)
    await join(1)
    await backend.store([success('body', 3)], ttl)
    await worker()

    await clock.advance(everyMs * 5)

    expect(runs).toEqual([])
    expect(await backend.chordRecord(header)).toBeUndefined()
  })

  test('is dealt with although the body of another one cannot be sent', async () => {
    const { app, backend, body, logged, open, join, pass, worker } = await left({ taskCreateMissingQueues: false })
    const signature = withOptions(body.signature, { taskId: 'nowhere', queue: 'no-such-queue' })
    const lost = { groupId: 'a' }
    await backend.openChord(lost, 1, { ...ttl, body: { ...body, signature }, places: [] })
    await backend.joinChord(lost, { index: 0, meta: success('only', 1) }, ttl)
    await open()
    await join(0)
    await join(1)

    await worker()

    expect(await pass(app.result('body').get())).toBe(3)
    expect(logged.join('\n')).toMatch(/WARN Could not look after chord a; .*no-such-queue/)
  })

  test('is taken up by one of several workers', async () => {
    const { app, backend, open, join, runs, worker, clock, rest } = await left()
    await worker()
    await open()
    await join(0)
    await join(1)
    await clock.advance(everyMs)
    const sweeps = [1, 2, 3].map(() => new ChordSweep({ app, backend, everyMs }))

    await Promise.all(sweeps.map((sweep) => sweep.look()))
    await rest()

    expect(runs).toEqual([[1, 2]])
  })
})

describe('a call that may have been sent before', () => {
  const lineage = { rootId: 'root', parentId: 'parent', repeated: true }

  test('runs where nothing is known of it', async () => {
    const { app, body, worker, pass, runs } = await left()
    await worker()

    await app.sendFollowing({ ...body.signature, args: [[1, 2]] }, lineage)

    expect(await pass(app.result('body').get())).toBe(3)
    expect(runs.length).toBe(1)
  })

  test.each([success('body', 'before'), failure('body')])('does not run where its state is $state', async (meta) => {
    const { app, body, backend, worker, rest, runs } = await left()
    await backend.store([meta], ttl)
    await worker()

    await app.sendFollowing({ ...body.signature, args: [[1, 2]] }, lineage)
    await rest()

    expect(runs).toEqual([])
    expect((await backend.fetch(['body']))[0]).toMatchObject({ state: meta.state })
    const transport = await app.connections.transport()
    expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
  })

  test('runs where its state is not final', async () => {
    const { app, body, backend, worker, rest, runs } = await left()
    await backend.store([{ id: 'body', state: 'RETRY' }], ttl)
    await worker()

    await app.sendFollowing({ ...body.signature, args: [[1, 2]] }, lineage)
    await rest()

    expect(runs.length).toBe(1)
  })

  test('runs again where it says nothing of that: its sender wants it so', async () => {
    const { app, body, backend, worker, rest, runs } = await left()
    await backend.store([success('body', 'before')], ttl)
    await worker()

    await app.sendFollowing({ ...body.signature, args: [[1, 2]] }, { ...lineage, repeated: undefined })
    await rest()

    expect(runs.length).toBe(1)
  })

  test('counts for its chord, where that was not done', async () => {
    const { app, body, backend, worker, pass } = await left()
    await backend.openChord(header, 1, ttl)
    await backend.store([success('part0', 6)], ttl)
    await worker()
    const options = { taskId: 'part0', ...header, groupIndex: 0, chord: body.signature }
    const part = { ...body.signature, args: [[1, 5]], options }

    await app.sendFollowing(part, lineage)

    expect(await pass(app.result('body').get())).toBe(6)
  })
})

describe('a message that is delivered again', () => {
  /** A chain whose second step has ended before its first one is run; `deliver` is what happens to the first before that. */
  async function chainOfTwo(deliver: (delivery: Delivery) => Promise<unknown>) {
    const one = await left()
    const { app, backend, worker, rest } = one
    const ran: string[] = []
    const step = app.task('step', (name: string) => void ran.push(name))
    const result = await chain(step.si('first'), step.si('second')).delay()
    await backend.store([success(result.id, 'before')], ttl)
    const transport = await app.connections.transport()
    const taken: Delivery[] = []
    const subscription = await transport.subscribe(['celery'], { prefetch: 1 }, (some) => taken.push(...some))
    await rest()
    await subscription.pause()
    for (const delivery of taken) await deliver(delivery)
    await subscription.close()
    await worker()
    await rest()
    return ran
  }

  test('says so in what it sends: a step that has ended does not run again', async () => {
    expect(await chainOfTwo((delivery) => delivery.reject({ requeue: true }))).toEqual(['first'])
  })

  test('is one that was delivered before: otherwise every step runs', async () => {
    expect(await chainOfTwo((delivery) => delivery.park(0))).toEqual(['first', 'second'])
  })
})

test('a chord that is sent leaves what is needed to send its body, whatever its header is made of', async () => {
  const { app, backend } = await left()
  const add = app.task('add', (x: number, y: number) => x + y)
  const sum = app.external<(ns: readonly number[]) => number>('sum')
  const inner = chord([add.s(1, 1), add.s(2, 2)], sum.s())
  const members = [add.s(3, 3), chain(add.s(4, 4), add.s(5)), inner]

  const result = await chord(members, chain(sum.s(), add.s(1))).delay()

  const groupId = result.parent?.parent?.id ?? ''
  const record = await backend.chordRecord({ groupId })
  expect(record?.size).toBe(3)
  expect(record?.body?.signature).toMatchObject({ kind: 'chain', options: { taskId: result.id } })
  expect(record?.places.map(({ index }) => index)).toEqual([0, 1, 2])
  const transport = await app.connections.transport()
  const sent = (await transport.peek('celery', { limit: 10, state: 'ready' })).map(({ headers }) => headers['id'])
  expect(sent.length).toBe(4)
  expect(sent).toContain(record?.places[0]?.id)
})
