import { expect, test } from 'vitest'
import type { RawMessage } from '../../runtime/src/core/message.ts'
import { bench } from '../helpers/app.ts'

const text = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

/** A message of our own making on the queue, beside a task that shows whether the worker goes on. */
async function given(changes: Partial<RawMessage>) {
  const one = bench()
  const { app } = one
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const transport = await app.connections.transport()
  await one.worker()
  const message: RawMessage = {
    body: text([[1, 2], {}, {}]),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { id: 'm-1', task: 't.add', lang: 'py' },
    properties: { correlationId: 'm-1' },
    ...changes,
  }
  await transport.publish([{ exchange: '', routingKey: 'celery', message }])
  await one.rest()
  const goesOn = async (): Promise<number> => one.pass((await add.delay(2, 2)).get())
  return { ...one, transport, message, goesOn, quarantined: () => transport.quarantine.list(10) }
}

test.each([
  ['a body that is no JSON', { body: text('{{{') }, /JSON/],
  ['pickle', { contentType: 'application/x-python-serialize', contentEncoding: 'binary' }, /unpickling/],
  ['a content type that nobody knows', { contentType: 'application/x-soap' }, /application\/x-soap/],
  ['a body that is no call', { body: text('[1]') }, /body/],
  ['a body that is a text', { body: text('"x"') }, /body/],
  ['a body that is an object without arguments', { body: text('{"x": 1}') }, /body/],
  ['a message without a task', { headers: { id: 'm-1' } }, /task/],
] as const)('%s is set aside with its reason, and the worker goes on', async (_, changes, reason) => {
  const { goesOn, quarantined, transport, logged, message } = await given(changes)

  expect(await quarantined()).toMatchObject([
    { queue: 'celery', reason: expect.stringMatching(reason), raw: { body: message.body } },
  ])
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
  expect(logged).toContainEqual(
    expect.stringMatching(/^ERROR A message on queue 'celery' cannot be read and was set aside: /),
  )
  expect(await goesOn()).toBe(4)
})

test('what was set aside can be restored', async () => {
  const { quarantined, transport, rest, app } = await given({ body: text('{{{') })
  const [first] = await quarantined()
  await app.control.shutdown()
  await rest()

  await transport.quarantine.restore(first?.id ?? '')

  expect(await quarantined()).toEqual([])
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 1 })
})

test('what was set aside can be dropped', async () => {
  const { quarantined, transport } = await given({ body: text('{{{') })
  const [first] = await quarantined()

  await transport.quarantine.drop(first?.id ?? '')

  expect(await quarantined()).toEqual([])
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0 })
})

test('a task of an unknown name fails as NotRegistered, with a hint, and the worker goes on', async () => {
  const { app, ready, rest, goesOn, eventsOf, logged, transport } = await given({})

  const result = await app.sendTask('t.ad', [1])
  const meta = await ready(result)
  await rest()

  expect(meta).toMatchObject({
    state: 'FAILURE',
    error: { type: 'NotRegistered', message: ['t.ad'], module: 'celery.exceptions' },
  })
  expect(eventsOf(result.id).at(-1)).toMatchObject({ type: 'task-failed', exception: "NotRegistered('t.ad')" })
  expect(logged).toContainEqual(
    expect.stringMatching(/^ERROR Received unregistered task 't\.ad'.*Did you mean 't\.add'\?/),
  )
  expect(await transport.queueInfo('celery')).toMatchObject({ ready: 0, held: 0 })
  expect(await goesOn()).toBe(4)
})

test('a good message of somebody else is run', async () => {
  const { app, pass } = await given({})

  expect(await pass(app.result('m-1').get())).toBe(3)
})
