import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { LiveServer } from '../../runtime/src/live.ts'
import { bench } from '../helpers/app.ts'
import { listen, live, token } from './live-client.ts'

test.each([
  ['a wrong token', { hello: { type: 'hello', token: `${token}!` } }, 4401],
  ['no token', { hello: { type: 'hello' } }, 4401],
  ['a request before the hello', { hello: { type: 'watch-cluster' } }, 4401],
  ['a wrong token in the header', { headers: { authorization: 'Bearer wrong' } }, 401],
  ['a header of another kind', { headers: { authorization: `Basic ${token}` } }, 401],
  ['a page of another site', { headers: { origin: 'https://evil.example', authorization: `Bearer ${token}` } }, 403],
  ['a page without an origin of its own', { headers: { origin: 'null' } }, 403],
])('%s is refused', async (_, options, code) => {
  const { app, logged } = bench()
  const server = await live(app)

  const client = listen(server, options)

  expect(await client.ended).toMatchObject({ code })
  expect(client.messages).toEqual([])
  await expect.poll(() => server.connections).toBe(0)
  expect(logged.join('\n')).not.toContain(token)
})

test('who connects and says nothing is dropped after 5 s', async () => {
  const { app, clock } = bench()
  const client = listen(await live(app), { hello: null })
  await new Promise((resolve) => client.socket.once('open', resolve))

  await clock.advance(5000)

  expect(await client.ended).toMatchObject({ code: 4408 })
})

test('pages of the own server and of the origins that are named may connect', async () => {
  const { app } = bench()
  const server = await live(app, { origins: ['https://live.example.com'] })

  for (const origin of [server.url, `http://localhost:${server.port}`, 'https://live.example.com']) {
    await listen(server, { headers: { origin } }).next('ready')
  }

  expect(server.connections).toBe(3)
})

test('a frame of more than 16 kB ends its connection alone', async () => {
  const { app } = bench()
  const server = await live(app)
  const [huge, modest] = [listen(server), listen(server)]
  await Promise.all([huge.next('ready'), modest.next('ready')])

  huge.say('x'.repeat(17_000))

  expect(await huge.ended).toMatchObject({ code: 1009 })
  modest.say({ type: 'watch-cluster' })
  await modest.next('cluster')
})

test.each([
  ['no JSON', '{'],
  ['no object', '42'],
  ['an unknown type', { type: 'sudo' }],
  ['an id that is no text', { type: 'watch-task', id: 7 }],
  ['an id without end', { type: 'watch-task', id: 'x'.repeat(256) }],
  ['bytes', Buffer.from('{"type":"watch-cluster"}')],
])('%s is answered with what was expected, and the connection lives', async (_, message) => {
  const { app } = bench()
  const client = listen(await live(app))
  await client.next('ready')

  if (Buffer.isBuffer(message)) client.socket.send(message)
  else client.say(message)

  expect(await client.next('error')).toMatchObject({ code: 'bad-message', message: /^expected / })
  client.say({ type: 'watch-cluster' })
  await client.next('cluster')
})

test('more watches than allowed are refused one by one', async () => {
  const { app } = bench()
  const client = listen(await live(app, { maxWatches: 2 }))
  await client.next('ready')

  for (const id of ['one', 'two', 'two', 'three']) client.say({ type: 'watch-task', id })

  expect(await client.next('error')).toMatchObject({ code: 'too-many-watches', id: 'three' })
})

test('more than a hundred messages in a second end the connection', async () => {
  const { app, clock } = bench()
  const client = listen(await live(app))
  await client.next('ready')
  for (let n = 0; n < 90; n++) client.say({ type: 'hello', token })
  client.say('not JSON')
  await client.next('error') // all of them were heard
  await clock.advance(1000)
  for (let n = 0; n < 90; n++) client.say({ type: 'hello', token })
  client.say('not JSON')
  await client.next('error')

  for (let n = 0; n < 90; n++) client.say({ type: 'hello', token })

  expect(await client.ended).toMatchObject({ code: 1008 })
})

test('connections beyond the limit are turned away, and one that ends makes room', async () => {
  const { app } = bench()
  const server = await live(app, { maxConnections: 2 })
  const first = listen(server)
  await Promise.all([first.next('ready'), listen(server).next('ready')])

  const third = listen(server)

  expect(await third.ended).toMatchObject({ code: 503 })
  first.socket.close()
  await first.ended
  await expect.poll(() => server.connections).toBe(1)
  await listen(server).next('ready')
})

test('a client that does not read is told so and dropped; the others go on', async () => {
  const { app, clock } = bench()
  const server = await live(app, { maxBufferedBytes: 100_000 })
  const [slow, quick] = [listen(server), listen(server)]
  await Promise.all([slow.next('ready'), quick.next('ready')])
  const backend = await app.connections.backend()
  const result = 'x'.repeat(900_000)
  for (const client of [slow, quick]) client.say({ type: 'watch-task', id: 'big' })
  await backend.store([{ id: 'big', state: 'PROGRESS', result: 0 }], { ttlMs: 0 })
  await Promise.all([slow.next('task'), quick.next('task')])

  slow.socket.pause()
  for (let n = 1; n <= 30 && server.connections === 2; n++) {
    await backend.store([{ id: 'big', state: 'PROGRESS', result: `${n}${result}` }], { ttlMs: 0 })
    await quick.next('task')
  }
  slow.socket.resume()

  expect(await slow.ended).toEqual({ code: 1013, reason: expect.stringContaining('too slow') })
  await backend.store([{ id: 'big', state: 'SUCCESS', result: 'done' }], { ttlMs: 0 })
  expect((await quick.next('task', ({ task }) => task.ready)).task.result).toBe('done')
  await clock.advance(2000)
  expect(server.connections).toBe(1)
})

test('a result beyond the limit is told by its size', async () => {
  const { app } = bench()
  const client = listen(await live(app, { maxMessageBytes: 10_000 }))
  await client.next('ready')
  const backend = await app.connections.backend()
  await backend.store([{ id: 'big', state: 'SUCCESS', result: 'x'.repeat(20_000) }], { ttlMs: 0 })

  client.say({ type: 'watch-task', id: 'big' })

  const { task } = await client.next('task')
  expect(task).toMatchObject({ id: 'big', state: 'SUCCESS', ready: true })
  expect(task.result).toBeUndefined()
  expect(task.resultBytes).toBeGreaterThan(20_000)
})

test('a client that answers no ping is dropped, one that does stays', async () => {
  const { app, clock } = bench()
  const server = await live(app, { heartbeatMs: 1000 })
  const deaf = listen(server, { autoPong: false })
  const healthy = listen(server)
  await Promise.all([deaf.next('ready'), healthy.next('ready')])
  const pinged = new Promise((resolve) => healthy.socket.once('ping', resolve))
  await clock.advance(1000)
  await pinged
  healthy.say('not JSON')
  await healthy.next('error') // so its pong was heard

  await clock.advance(1000)

  expect(await deaf.ended).toMatchObject({ code: 1006 })
  expect(server.connections).toBe(1)
})

test('what is no WebSocket and no page of ours gets nothing', async () => {
  const { app } = bench()
  const server = await live(app)

  const answers = await Promise.all([
    fetch(`${server.url}/../etc/passwd`),
    fetch(`${server.url}/live`),
    fetch(server.url, { method: 'POST', body: 'x' }),
  ])
  const upgrade = raw(server, `GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
  const garbage = raw(server, '\u0016\u0003\u0001 not HTTP\r\n\r\n')

  expect(answers.map(({ status }) => status)).toEqual([404, 404, 405])
  expect(await upgrade).toMatch(/^HTTP\/1\.1 404 /)
  expect(await garbage).toMatch(/^HTTP\/1\.1 400 /)
})

test('the page is served with a policy that lets nothing in from elsewhere', async () => {
  const { app } = bench()
  const server = await live(app)

  const page = await fetch(`${server.url}/?x=1`)

  const policy = page.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).not.toMatch(/unsafe|\*/)
  expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await page.text()).not.toMatch(/<script(?! src)|style=|onclick/)
})

/** What the server answers to bytes. */
function raw(server: LiveServer, bytes: string): Promise<string> {
  const socket: Socket = connect(server.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
  socket.write(bytes, 'latin1')
  return new Promise((resolve) => socket.once('close', () => resolve(answer)))
}
