import { expect, onTestFinished, test } from 'vitest'
import { chain, silentLogger, type TaskMeta, Tq } from '../../runtime/src/index.ts'
import { describeBrokers, type TestBroker } from '../helpers/brokers.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'

/** A worker in one app, a client in another: what one stores the other reads from the broker. */
async function pair(broker: TestBroker) {
  const [server, client] = [broker.app(), broker.app()]
  server.task('t.steps', { bind: true, trackStarted: true }, async (self, steps: number) => {
    for (let done = 1; done <= steps; done++) await self.updateState({ state: 'PROGRESS', meta: { done } })
    return 'end'
  })
  server.task('t.add', (x: number, y: number) => x + y)
  const start = () => server.startWorker({ hostname: 'w1@test' })
  const add = client.external<(x: number, y: number) => number>('t.add')
  const steps = client.external<(steps: number) => string>('t.steps')
  return { server, client, start, add, steps }
}

/** What remains of the changes when those are left out that came too fast to be seen one by one. */
const told = (metas: readonly TaskMeta[]): unknown[] =>
  metas.map(({ state, result }) => (state === 'STARTED' ? state : `${state} ${JSON.stringify(result)}`))

describeBrokers('results', (open) => {
  test('updates() and onMessage tell of every change as it comes, and end with the last', async () => {
    const { start, steps } = await pair(await open())
    const heard: TaskMeta[] = []
    const seen: TaskMeta[] = []
    const result = await steps.delay(1)
    const watching = (async () => {
      for await (const meta of result.updates()) seen.push(meta)
    })()
    const getting = result.get({ onMessage: (meta) => heard.push(meta), timeout: 90 })

    await start()

    expect(await getting).toBe('end')
    await watching
    for (const metas of [heard, seen]) {
      expect(['STARTED', 'PROGRESS {"done":1}', 'SUCCESS "end"']).toEqual(expect.arrayContaining(told(metas)))
      expect(told(metas).at(-1)).toBe('SUCCESS "end"')
    }
  })

  test('updates() of a result that is there tells of it and ends', async () => {
    const { client, start, add } = await pair(await open())
    await start()
    const { id } = await add.delay(1, 2)
    await client.result(id).get({ timeout: 90 })

    const seen: TaskMeta[] = []
    for await (const meta of client.result(id).updates()) seen.push(meta)

    expect(seen).toMatchObject([{ id, state: 'SUCCESS', result: 3 }])
  })

  test('a signal ends get() and updates(), and who asks again gets the result', async () => {
    const { start, add } = await pair(await open())
    const result = await add.delay(1, 2)
    const stop = new AbortController()
    const seen: TaskMeta[] = []
    const watching = (async () => {
      for await (const meta of result.updates({ signal: stop.signal })) seen.push(meta)
    })()
    const getting = result.get({ signal: stop.signal })

    stop.abort(new Error('enough'))

    await expect(getting).rejects.toThrow('enough')
    await watching
    expect(seen).toEqual([])
    await start()
    expect(await result.get({ timeout: 90 })).toBe(3)
  })

  test('who leaves updates() early leaves nothing behind', async () => {
    const { start, steps } = await pair(await open())
    await start()
    const result = await steps.delay(3)

    for await (const meta of result.updates()) {
      expect(meta.id).toBe(result.id)
      break
    }

    expect(await result.get({ timeout: 90 })).toBe('end')
  })

  test('many who wait each get their own', async () => {
    const { client, start, add } = await pair(await open())
    const results = await client.sendMany(Array.from({ length: 300 }, (_, i) => add.s(i, 1)))
    const waiting = Promise.all(results.map((result) => result.get({ timeout: 90 })))

    await start()

    expect(await waiting).toEqual(Array.from({ length: 300 }, (_, i) => i + 1))
  })

  test('forget() takes a chain with it', async () => {
    const { client, start, add } = await pair(await open())
    await start()
    const result = await chain(add.s(1, 1), add.s(2)).delay()
    await result.get({ timeout: 90 })
    const ids = [result.id, result.parent?.id ?? '']
    await waitFor(async () => client.result(ids[1] ?? '').ready(), { what: 'the first step to be stored' })

    await result.forget()

    expect(await Promise.all(ids.map((id) => client.result(id).state()))).toEqual(['PENDING', 'PENDING'])
  })
})

test.skipIf(!requireService('redis'))('get() outlives a server that is killed and comes back empty', async () => {
  const server = await startRedis()
  const app = (): Tq => {
    const made = new Tq('tests', { broker: server.url, logger: silentLogger })
    onTestFinished(() => made.close())
    return made
  }
  const heard: TaskMeta[] = []
  const waiting = app()
    .result('awaited')
    .get({ onMessage: (meta) => heard.push(meta), timeout: 60 })
  const other = app()
  const store = async (state: string, result: unknown) =>
    (await other.connections.backend()).store([{ id: 'awaited', state, result }], { ttlMs: 60_000 })
  await store('PROGRESS', 1)
  await waitFor(() => heard.length === 1, { what: 'the first change' })

  await server.restart()
  await waitFor(() => store('SUCCESS', 'after').then(() => true), { what: 'the server to take a result' })

  expect(await waiting).toBe('after')
  expect(heard.map(({ state }) => state)).toEqual(['PROGRESS', 'SUCCESS'])
})

test.skipIf(!requireService('redis'))('get() outlives a server that answers nothing for a while', async () => {
  const server = await startRedis()
  const app = new Tq('tests', { broker: server.url, logger: silentLogger })
  onTestFinished(() => app.close())
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await app.startWorker({ hostname: 'w1@test' })
  await (await add.delay(0, 0)).get({ timeout: 90 })

  server.pause()
  const sending = add.delay(1, 2)
  const stop = new AbortController()
  const givingUp = app.result('never').get({ signal: stop.signal })
  stop.abort(new Error('enough'))

  await expect(givingUp).rejects.toThrow('enough')
  server.resume()
  expect(await (await sending).get({ timeout: 90 })).toBe(3)
})
