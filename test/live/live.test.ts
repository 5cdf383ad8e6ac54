import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { ChannelError, SettingError } from '../../runtime/src/core/errors.ts'
import { silentLogger, Tq } from '../../runtime/src/index.ts'
import { memoryApp, VirtualClock } from '../../runtime/src/testing.ts'
import { eventExchange } from '../../runtime/src/wire/event-dict.ts'
import { bench } from '../helpers/app.ts'
import { freePort } from '../helpers/free-port.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { listen, live, token } from './live-client.ts'

test('a client sees each state of the task that it watches, and then no more', async () => {
  const { app } = bench()
  const echo = app.task('echo', { trackStarted: true }, (text: string) => ({ text }))
  const server = await live(app)
  const client = listen(server)
  await client.next('ready')
  const { id } = await echo.delay('hello')

  client.say({ type: 'watch-task', id })
  await app.startWorker()

  const last = await client.next('task', ({ task }) => task.ready)
  expect(last.task).toMatchObject({ id, state: 'SUCCESS', ready: true, result: { text: 'hello' } })
  expect(new Set(client.messages.map((one) => (one.type === 'task' ? one.task.id : id)))).toEqual(new Set([id]))
})

test('a task that is done already is told at once, its error in words', async () => {
  const { app, ready } = bench()
  const fail = app.task('fail', () => {
    throw new RangeError('too far')
  })
  await app.startWorker()
  const failed = await fail.delay()
  await ready(failed)
  const client = listen(await live(app))
  await client.next('ready')

  client.say({ type: 'watch-task', id: failed.id })

  const { task } = await client.next('task')
  expect(task).toMatchObject({ state: 'FAILURE', ready: true, error: { type: 'RangeError', message: 'too far' } })
  expect(task.traceback).toContain('too far')
})

test('what JSON lacks is told as text: big integers and bytes', async () => {
  const { app } = bench()
  const client = listen(await live(app))
  await client.next('ready')
  const backend = await app.connections.backend()
  const result = { big: 2n ** 70n, bytes: new Uint8Array([1, 2, 3]) }
  await backend.store([{ id: 'odd', state: 'SUCCESS', result }], { ttlMs: 0 })

  client.say({ type: 'watch-task', id: 'odd' })

  expect((await client.next('task')).task.result).toEqual({ big: '1180591620717411303424', bytes: 'AQID' })
})

test('a watch that was taken back is silent', async () => {
  const { app, rest } = bench()
  const client = listen(await live(app))
  await client.next('ready')
  const backend = await app.connections.backend()
  client.say({ type: 'watch-task', id: 'one' })
  client.say({ type: 'watch-task', id: 'two' })
  await backend.store([{ id: 'one', state: 'STARTED' }], { ttlMs: 0 })
  await client.next('task')
  client.say({ type: 'unwatch-task', id: 'one' })
  client.say({ type: 'nonsense' }) // answered in order: what was said before has been heard
  await client.next('error')

  await backend.store([{ id: 'one', state: 'SUCCESS' }], { ttlMs: 0 })
  await backend.store([{ id: 'two', state: 'SUCCESS' }], { ttlMs: 0 })

  expect((await client.next('task')).task.id).toBe('two')
  await rest()
  expect(client.messages.filter((one) => one.type === 'task')).toHaveLength(2)
})

test('a client of the cluster gets what is known, then what changes, and the workers', async () => {
  const { app, clock, ready } = bench()
  const add = app.task('add', (a: number, b: number) => a + b)
  await app.startWorker({ hostname: 'w1@test' })
  const client = listen(await live(app))
  await client.next('ready')
  client.say({ type: 'watch-cluster' })
  const first = await client.next('cluster')

  const result = await add.delay(2, 3)
  await ready(result)
  await clock.advance(100)

  const later = await client.next('cluster', ({ tasks }) => tasks.some(({ state }) => state === 'SUCCESS'))
  expect(first.reset).toBe(true)
  expect(later.reset).toBe(false)
  expect(later.workers).toMatchObject([{ hostname: 'w1@test', alive: true }])
  const outcome = { id: result.id, name: 'add', args: '(2, 3)', state: 'SUCCESS', result: '5', worker: 'w1@test' }
  expect(later.tasks).toMatchObject([outcome])
})

test('a worker that starts again is asked for its events again', async () => {
  const { app, clock, pass, rest } = bench({ workerSendTaskEvents: false })
  const add = app.task('add', (a: number, b: number) => a + b)
  const client = listen(await live(app))
  await client.next('ready')
  client.say({ type: 'watch-cluster' })
  await client.next('cluster')

  for (let life = 0; life < 2; life++) {
    const worker = await app.startWorker({ hostname: 'w1@test' })
    await rest()
    const result = await add.delay(2, life)
    await pass(result.get())
    await clock.advance(100)
    await client.next('cluster', ({ tasks }) => tasks.some(({ id, state }) => id === result.id && state === 'SUCCESS'))
    await pass(worker.stop())
  }

  expect(client.messages.some((one) => one.type === 'error')).toBe(false)
})

test('a feed whose past cannot be read listens no more', async () => {
  const { app } = bench()
  const client = listen(await live(app))
  await client.next('ready')
  const transport = await app.connections.transport()
  let open = 0
  const { listen: hear } = transport
  transport.listen = async (...given) => {
    const listening = await hear.apply(transport, given)
    if (given[0] !== eventExchange) return listening
    open++
    return { close: () => listening.close().finally(() => open--) }
  }
  transport.history = () => Promise.reject(new ChannelError('no history'))

  client.say({ type: 'watch-cluster' })

  expect(await client.next('error')).toMatchObject({ code: 'unavailable' })
  expect(open).toBe(0)
})

test('the last client of the cluster takes the listening along, the next one starts it anew', async () => {
  const { app, clock } = bench()
  const server = await live(app)
  const idle = clock.pending
  const client = listen(server)
  await client.next('ready')
  client.say({ type: 'watch-cluster' })
  await client.next('cluster')
  expect(clock.pending).toBeGreaterThan(idle)

  client.say({ type: 'unwatch-cluster' })
  client.say({ type: 'watch-cluster' })
  const again = await client.next('cluster')
  client.socket.close()
  await client.ended
  await clock.advance(5000) // the workers' answers are waited for no longer
  await expect.poll(() => clock.pending).toBe(idle)

  expect(again.reset).toBe(true)
  expect(server.connections).toBe(0)
})

test.skipIf(!requireService('redis'))(
  'on a server the workers are asked for their events, also one that comes later',
  async () => {
    const redis = await startRedis()
    const app = new Tq('served', { brokerUrl: redis.url, logger: silentLogger })
    onTestFinished(() => app.close())
    const add = app.task('add', (a: number, b: number) => a + b)
    const client = listen(await live(app))
    await client.next('ready')
    client.say({ type: 'watch-cluster' })
    await client.next('cluster')

    await app.startWorker({ hostname: 'late@test' })
    await client.next('cluster', ({ workers }) => workers.some(({ hostname }) => hostname === 'late@test'))
    await expect
      .poll(async () => (await app.control.enableEvents({ destination: ['late@test'] }))['late@test'])
      .toEqual({
        ok: 'task events already enabled',
      })
    const { id } = await add.delay(2, 3)
    client.say({ type: 'watch-task', id })

    const outcome = await client.next('cluster', ({ tasks }) => tasks.some(({ state }) => state === 'SUCCESS'))
    expect(outcome.tasks).toContainEqual(expect.objectContaining({ id, name: 'add', result: '5' }))
    expect((await client.next('task', ({ task }) => task.ready)).task.result).toBe(5)
  },
)

test('a client that leaves takes its watches along', async () => {
  const path = join(temporaryFolder(), 'tq.db')
  const clock = new VirtualClock(systemClock.now())
  const app = new Tq('watched', { brokerUrl: `sqlite://${path}`, clock, logger: silentLogger })
  onTestFinished(() => app.close())
  const wantsResults = (): unknown => {
    const db = new DatabaseSync(path, { readOnly: true })
    const row = db.prepare('select max(wants & 2) as wants from peer').get()
    db.close()
    return row?.['wants']
  }
  const client = listen(await live(app))
  await client.next('ready')
  client.say({ type: 'watch-task', id: 'never' })
  await expect.poll(() => wantsResults()).toBe(2)

  client.socket.close()
  await client.ended
  await expect.poll(() => clock.advance(1000).then(wantsResults)).toBe(0) // some seconds after the last one

  expect(clock.monotonic()).toBeLessThan(60_000)
})

test('the token may come in a header; a needless hello is no harm', async () => {
  const { app } = bench()
  const client = listen(await live(app), { headers: { authorization: `Bearer ${token}` } })

  await client.next('ready')
  client.say({ type: 'watch-cluster' })

  expect(await client.next('cluster')).toMatchObject({ reset: true })
})

test('the server says goodbye when its app closes, and refuses who comes later', async () => {
  const { app, pass } = bench()
  const server = await live(app)
  const client = listen(server)
  await client.next('ready')

  await pass(app.close())

  expect(await client.ended).toMatchObject({ code: 1001 })
  await expect(fetch(server.url)).rejects.toThrow('fetch failed')
  await server.close() // again is no harm
})

test('a connection that never ends keeps the server no longer than 3 s', async () => {
  const { app, clock } = bench()
  const server = await live(app)
  const client = listen(server)
  await client.next('ready')
  client.socket.pause() // hears no goodbye, so answers none

  const closing = server.close()
  await clock.advance(3000)

  await closing
  expect(server.connections).toBe(0)
})

test.each([
  ['a short token', { token: 'short' }, /at least 16 characters/],
  ['an origin with a path', { origins: ['https://a.example/x'] }, /expected an origin such as.*a\.example\/x/],
  ['a port that is none', { port: 70_000 }, /0 to 65535, got 70000/],
])('%s is refused before anything listens', async (_, options, said) => {
  const app = memoryApp()

  const starting = live(app, options)

  await expect(starting).rejects.toThrow(SettingError)
  await expect(starting).rejects.toThrow(said)
})

test('a port that is taken is told with what to do', async () => {
  const { app } = bench()
  const port = await freePort()
  await live(app, { port })

  await expect(live(app, { port })).rejects.toThrow(/Cannot listen on 127\.0\.0\.1:\d+ .*another port/)
})
