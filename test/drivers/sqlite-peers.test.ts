import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ChannelError } from '../../runtime/src/core/errors.ts'
import type { Delivery } from '../../runtime/src/transports/transport.ts'
import { waitFor } from '../helpers/clock.ts'
import { numbered, textOf, texts, toQueue } from '../helpers/messages.ts'
import { sqliteChild } from './sqlite-child.ts'
import { SqliteFixture } from './sqlite-fixture.ts'

let fixture: SqliteFixture

beforeEach(() => {
  fixture = new SqliteFixture()
})

afterEach(() => fixture.cleanup())

test('what a killed process held is delivered again, in order, with one more try', async () => {
  const transport = await fixture.transport()
  await transport.publish(numbered(3).map((text) => toQueue('q', text)))
  const holder = sqliteChild('hold', fixture.path)
  await holder.waitForLine('held 3')
  const taken: Delivery[] = []
  await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))

  holder.kill('SIGKILL')

  await waitFor(() => taken.length === 3)
  expect(texts(taken)).toEqual(numbered(3))
  for (const { info } of taken) expect(info).toMatchObject({ redelivered: true, deliveries: 2 })
  await transport.close()
})

test('a worker that starts takes over at once from one that was killed before', async () => {
  const transport = await fixture.transport()
  await transport.publish([toQueue('q', 'one')])
  const holder = sqliteChild('hold', fixture.path)
  await holder.waitForLine('held 1')
  holder.kill('SIGKILL')
  await holder.exit

  await transport.announce({ name: 'holder@test', kind: 'worker', queues: ['q'] })

  expect(await transport.queueInfo('q')).toMatchObject({ ready: 1, held: 0, consumers: 1 })
})

test('a stopped process keeps what it holds, however long ago its lease ran out', async () => {
  const transport = await fixture.transport()
  await transport.publish([toQueue('q', 'held')])
  const holder = sqliteChild('hold', fixture.path)
  await holder.waitForLine('held 1')
  holder.kill('SIGSTOP')
  const db = new DatabaseSync(fixture.path)
  db.exec('update peer set until=0')
  db.close()
  const taken: Delivery[] = []

  // A start looks for the dead, as each second after it does.
  await transport.subscribe(['q'], { prefetch: 0 }, (deliveries) => taken.push(...deliveries))
  await transport.publish([toQueue('q', 'free')])

  await waitFor(() => taken.length > 0)
  expect(texts(taken)).toEqual(['free'])
  expect((await transport.queueInfo('q')).held).toBe(2)
  holder.kill('SIGKILL')
  await transport.close()
})

test('a peer of another host is dead when its lease has run out', async () => {
  const store = await fixture.store()
  const transport = await fixture.transport(store)
  await transport.publish([toQueue('q', 'one')])
  const far = await fixture.store()
  const held: Delivery[] = []
  await (await fixture.transport(far)).subscribe(['q'], { prefetch: 1 }, (some) => held.push(...some))
  await waitFor(() => held.length === 1)
  await store.submit((tx) => tx.run("update peer set host='another', until=1"))

  await transport.announce({ name: 'a@test', kind: 'worker', queues: [] })

  await waitFor(() => held.length === 2)
  expect(await held[0]?.ack()).toBe('lost')
  expect(held[1]?.info).toMatchObject({ redelivered: true, deliveries: 2 })
  expect(await held[1]?.ack()).toBe('ok')
})

test('a second living worker of one name is refused with the pid of the first', async () => {
  const first = await fixture.transport()
  await first.announce({ name: 'celery@test', kind: 'worker', queues: ['q'] })
  const second = await fixture.transport()

  const refused = second.announce({ name: 'celery@test', kind: 'worker', queues: ['q'] })

  await expect(refused).rejects.toBeInstanceOf(ChannelError)
  await expect(refused).rejects.toThrow(new RegExp(`process ${process.pid}\\b.*-n`))
  await second.announce({ name: 'other@test', kind: 'worker', queues: ['q'] })
  expect((await second.queueInfo('q')).consumers).toBe(2)
})

test('the name of a worker that ended is free, and it consumes no more', async () => {
  const store = await fixture.store()
  await (await fixture.transport(store)).announce({ name: 'celery@test', kind: 'worker', queues: ['q'] })
  await store.close()
  const second = await fixture.transport()

  await second.announce({ name: 'celery@test', kind: 'worker', queues: [] })

  expect((await second.queueInfo('q')).consumers).toBe(0)
})

test('consumers follow the queues that are added and removed', async () => {
  const transport = await fixture.transport()
  const subscription = await transport.subscribe(['q'], { prefetch: 1 }, () => {})
  await subscription.add('r')
  await subscription.remove('q')

  expect((await transport.queueInfo('q')).consumers).toBe(0)
  expect((await transport.queueInfo('r')).consumers).toBe(1)
  await transport.close()
})

test('a client that waits for nothing does not keep its process alive', async () => {
  const { code } = await sqliteChild('idle', fixture.path).exit

  expect(code).toBe(0)
})

test('closing a store gives back what its transport still held', async () => {
  const store = await fixture.store()
  const transport = await fixture.transport(store)
  await transport.publish([toQueue('q', 'one')])
  const held: Delivery[] = []
  await transport.subscribe(['q'], { prefetch: 1 }, (some) => held.push(...some))
  await waitFor(() => held.length === 1)

  await store.close()

  const other = await fixture.transport()
  expect(texts(await other.peek('q', { limit: 5, state: 'ready' }))).toEqual(held.map(textOf))
})
