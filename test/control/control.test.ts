import { expect, onTestFinished, test } from 'vitest'
import { Control } from '../../runtime/src/control/control.ts'
import { Mailbox, serveMailbox } from '../../runtime/src/control/mailbox.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { VirtualClock } from '../../runtime/src/core/virtual-clock.ts'
import { LamportClock } from '../../runtime/src/events/lamport.ts'
import { MemoryBroker, MemoryTransport } from '../../runtime/src/transports/memory.ts'
import { type TaskInfo, taskInfoToDict } from '../../runtime/src/wire/control-dict.ts'

const containing = (text: string): unknown => expect.stringContaining(text)
const one = { destination: ['w1@h'] }

/** A control whose only worker, `w1@h`, answers each command with what stands for it. */
async function controlWith(answers: Readonly<Record<string, unknown>>) {
  const clock = new VirtualClock()
  const transport = new MemoryTransport(new MemoryBroker(), { clock, logger: silentLogger })
  await transport.connect()
  const asked: unknown[] = []
  const lamport = new LamportClock()
  await serveMailbox({ transport, hostname: 'w1@h', lamport, logger: silentLogger }, (command, args) => {
    asked.push([command, args])
    return answers[command]
  })
  const mailbox = new Mailbox({ transport, clock, lamport, logger: silentLogger })
  onTestFinished(async () => {
    await mailbox.close()
    await transport.close()
  })
  return { control: new Control(mailbox), asked }
}

const info: TaskInfo = {
  id: 'a',
  name: 'tasks.add',
  args: [1],
  kwargs: {},
  type: 'tasks.add',
  hostname: 'w1@h',
  startedAtMs: undefined,
  acknowledged: false,
  deliveryInfo: { exchange: '', routingKey: 'celery', priority: 0, redelivered: false },
  workerPid: undefined,
}

test('ping is answered with pong', async () => {
  const { control } = await controlWith({ ping: { ok: 'pong' } })

  expect(await control.ping(one)).toEqual({ 'w1@h': 'pong' })
})

test.each([
  ['active', [taskInfoToDict(info)], [info]],
  ['reserved', [], []],
  ['scheduled', [{ eta: 'T', priority: 6, request: taskInfoToDict(info) }], [{ eta: 'T', priority: 6, request: info }]],
  ['registered', ['tasks.add [rate_limit=10/m]'], ['tasks.add [rate_limit=10/m]']],
  ['revoked', ['a'], ['a']],
  ['activeQueues', null, []],
  ['queryTask', { a: ['ready', taskInfoToDict(info)] }, { a: { state: 'ready', info } }],
  ['report', { ok: 'text' }, 'text'],
  ['conf', { broker_url: 'redis://:********@h' }, { broker_url: 'redis://:********@h' }],
  ['clock', { clock: 7 }, 7],
] as const)('inspect %s reads the answer of a Celery worker', async (query, answer, value) => {
  const { control } = await controlWith({ [query]: answer })

  expect(await control.inspect(query, one)).toEqual({ 'w1@h': value })
})

test('inspect stats reads what Celery says of a prefork worker', async () => {
  const { control } = await controlWith({
    stats: {
      total: { 'tasks.add': 2 },
      pid: 5,
      clock: '88',
      uptime: 3,
      pool: {
        implementation: 'celery.concurrency.prefork:TaskPool',
        'max-concurrency': 2,
        processes: [6, 7],
        'max-tasks-per-child': 'N/A',
        timeouts: [0, 0],
        writes: { total: 2 },
      },
      broker: { hostname: '127.0.0.1', userid: null, virtual_host: '0', port: 6379, transport: 'redis' },
      prefetch_count: 8,
      rusage: { utime: 0.5, stime: 0.25 },
    },
  })

  expect(await control.inspect('stats', one)).toMatchObject({
    'w1@h': {
      clock: 88,
      prefetchCount: 8,
      pool: { maxConcurrency: 2, processes: [6, 7], maxTasksPerChild: undefined },
    },
  })
})

test('questions carry their arguments', async () => {
  const { control, asked } = await controlWith({ queryTask: {}, registered: [], conf: {} })

  await control.inspect('queryTask', { ...one, ids: ['a'] })
  await control.inspect('registered', { ...one, taskInfo: ['rate_limit'] })
  await control.inspect('conf', { ...one, withDefaults: true })

  expect(asked).toEqual([
    ['queryTask', { ids: ['a'] }],
    ['registered', { taskInfoItems: ['rate_limit'] }],
    ['conf', { withDefaults: true }],
  ])
})

test('a refusal and an answer that nobody can read become errors of that node', async () => {
  const { control } = await controlWith({ rateLimit: { error: 'unknown task' }, stats: 7, ping: { ok: 'what' } })

  expect(await control.rateLimit('t', '10/m', one)).toEqual({ 'w1@h': { error: 'unknown task' } })
  expect(await control.inspect('stats', one)).toEqual({ 'w1@h': { error: containing('cannot be read') } })
  expect(await control.ping(one)).toEqual({ 'w1@h': { error: containing('pong') } })
})

test('commands carry their arguments and bring the confirmation', async () => {
  const ok = { ok: 'done' }
  const names = ['rateLimit', 'timeLimit', 'poolGrow', 'poolShrink', 'autoscale', 'addConsumer', 'cancelConsumer']
  const events = ['enableEvents', 'disableEvents']
  const { control, asked } = await controlWith(Object.fromEntries([...names, ...events].map((name) => [name, ok])))

  const replies = [
    await control.rateLimit('t', '10/m', one),
    await control.timeLimit('t', { soft: 1 }, one),
    await control.poolGrow(2, one),
    await control.poolShrink(1, one),
    await control.autoscale(8, 2, one),
    await control.addConsumer('q', { ...one, exchangeType: 'topic' }),
    await control.cancelConsumer('q', one),
    await control.enableEvents(one),
    await control.disableEvents(one),
  ]

  for (const reply of replies) expect(reply).toEqual({ 'w1@h': ok })
  expect(asked).toEqual([
    ['rateLimit', { taskName: 't', rateLimit: '10/m' }],
    ['timeLimit', { taskName: 't', soft: 1, hard: null }],
    ['poolGrow', { n: 2 }],
    ['poolShrink', { n: 1 }],
    ['autoscale', { max: 8, min: 2 }],
    ['addConsumer', { queue: 'q', exchangeType: 'topic' }],
    ['cancelConsumer', { queue: 'q' }],
    ['enableEvents', {}],
    ['disableEvents', {}],
  ])
})

test('revoke and shutdown are sent without waiting for an answer', async () => {
  const { control, asked } = await controlWith({})

  await control.revoke('a')
  await control.revoke(['b', 'c'], { terminate: true, signal: 'SIGKILL', destination: ['w1@h'] })
  await control.heartbeat({ destination: ['w1@h'] })
  await control.shutdown({ destination: ['other@h'] })
  await control.shutdown()
  await new Promise((resolve) => setImmediate(resolve))

  expect(asked).toEqual([
    ['revoke', { taskId: 'a', terminate: false, signal: 'SIGTERM' }],
    ['revoke', { taskId: ['b', 'c'], terminate: true, signal: 'SIGKILL' }],
    ['heartbeat', {}],
    ['shutdown', {}],
  ])
})
