import { expect, onTestFinished, test } from 'vitest'
import { silentLogger, Tq, type TqOptions, type Worker, workerQueue } from '../../runtime/src/index.ts'
import { describeBrokers, type TestBroker } from '../helpers/brokers.ts'
import { spawnBin } from '../helpers/process.ts'
import { makeProject } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'

const settings: TqOptions = { taskQueues: ['celery', { name: 'config', broadcast: true }] }

interface Node {
  readonly app: Tq
  readonly worker: Worker
  readonly ran: string[]
}

/** A worker that notes what it ran. */
async function node(broker: TestBroker, hostname: string): Promise<Node> {
  const app = broker.app(settings)
  const ran: string[] = []
  app.task('t.reload', { queue: 'config' }, (key: string) => {
    ran.push(key)
  })
  app.task('t.flaky', { bind: true, queue: 'config' }, (self) => {
    ran.push(`try ${self.retries}`)
    if (hostname === 'w1@test' && self.retries === 0) self.retry({ countdown: 0 })
  })
  const worker = await app.startWorker({ hostname })
  return { app, worker, ran }
}

describeBrokers('a broadcast queue', broadcasts, { rabbitmq: true })
describeBrokers('a queue on an exchange', exchanges, { rabbitmq: true })

function broadcasts(open: () => Promise<TestBroker>): void {
  test('every worker runs what is sent to it, and nobody else does', async () => {
    const broker = await open()
    const nodes = [await node(broker, 'w1@test'), await node(broker, 'w2@test')]
    const client = broker.app(settings)

    await client.sendTask('t.reload', ['a'], {}, { queue: 'config' })
    await nodes[0]?.app.sendTask('t.reload', ['b'], {}, { queue: 'config' })

    await waitFor(() => nodes.every(({ ran }) => ran.length >= 2), { what: 'both workers to run both' })
    await client.sendTask('t.reload', ['c'])
    await waitFor(() => nodes.some(({ ran }) => ran.includes('c')), { what: 'one worker to run the last' })
    expect(nodes.map(({ ran }) => ran.filter((key) => key !== 'c').toSorted())).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ])
    expect(nodes.flatMap(({ ran }) => ran).filter((key) => key === 'c')).toHaveLength(1)
  })

  test('nobody misses it where no worker is', async () => {
    const broker = await open()
    const client = broker.app(settings)

    await client.sendTask('t.reload', ['lost'], {}, { queue: 'config' })
    const { ran } = await node(broker, 'w1@test')
    await client.sendTask('t.reload', ['found'], {}, { queue: 'config' })

    await waitFor(() => ran.length > 0, { what: 'the worker to run one' })
    expect(ran).toEqual(['found'])
  })

  test('a retry stays with the worker that asked for it', async () => {
    const broker = await open()
    const nodes = [await node(broker, 'w1@test'), await node(broker, 'w2@test')]

    await broker.app(settings).sendTask('t.flaky', [], {}, { queue: 'config' })

    await waitFor(() => nodes[0]?.ran.length === 2, { what: 'the retry' })
    expect(nodes.map(({ ran }) => ran)).toEqual([['try 0', 'try 1'], ['try 0']])
  })

  test('a worker that has gone leaves no queue behind', async () => {
    const broker = await open()
    const { worker } = await node(broker, 'w1@test')
    const client = broker.app(settings)
    const transport = await client.connections.transport()
    const answer = await client.control.inspect('activeQueues', { destination: ['w1@test'] })
    const queues = answer['w1@test']
    const own = queues && !('error' in queues) ? queues.find(({ name }) => name.startsWith('bcast.')) : undefined

    await worker.stop()
    await client.sendTask('t.reload', ['late'], {}, { queue: 'config' })

    expect(own).toMatchObject({ exchange: { name: 'config', type: 'fanout' }, routingKey: 'celery', autoDelete: true })
    expect(await transport.queueInfo(own?.name ?? '')).toMatchObject({ ready: 0, held: 0, parked: 0 })
    expect(await transport.queueNames()).not.toContain(own?.name)
  })

  test('a worker begins and ends to consume it by remote control', async () => {
    const broker = await open()
    const { app, ran } = await node(broker, 'w1@test')
    const client = broker.app(settings)
    const send = (key: string) => client.sendTask('t.reload', [key], {}, { queue: 'config' })

    const gone = await client.control.cancelConsumer('config', { destination: ['w1@test'] })
    await send('unheard')
    const back = await client.control.addConsumer('config', { destination: ['w1@test'] })
    await send('heard')

    await waitFor(() => ran.length > 0, { what: 'the task to run' })
    expect([gone, back]).toEqual([
      { 'w1@test': { ok: 'no longer consuming from config' } },
      { 'w1@test': { ok: 'add consumer config' } },
    ])
    expect(ran).toEqual(['heard'])
    expect(app.workerQueues()).toEqual(['celery', 'config'])
  })
}

test('a worker that was killed leaves no queue in the file that fills up', async () => {
  const project = makeProject({
    'app.ts': `import { Tq } from 'tq-runtime'
export const app = new Tq('killed', { taskQueues: [{ name: 'config', broadcast: true }] })
app.task('t.reload', () => 1)
`,
  })
  const db = project.path('shared.db')
  const worker = spawnBin('tq', ['worker', '-n', 'w1@test'], {
    cwd: project.folder,
    env: { TQ_BROKER_URL: `sqlite://${db}` },
    cleanEnv: true,
  })
  await worker.waitForLine(/ready\.$/)
  const client = new Tq('client', { broker: `sqlite://${db}`, logger: silentLogger, ...settings })
  onTestFinished(() => client.close())
  const answer = (await client.control.inspect('activeQueues', { destination: ['w1@test'] }))['w1@test']
  const [own] = answer && !('error' in answer) ? answer : []

  worker.kill('SIGKILL')
  await worker.exit
  for (let i = 0; i < 3; i++) await client.sendTask('t.reload', [], {}, { queue: 'config' })

  expect(own?.name).toMatch(/^bcast\./)
  const transport = await client.connections.transport()
  expect(await transport.queueInfo(own?.name ?? '')).toMatchObject({ ready: 0, held: 0, parked: 0 })
})

function exchanges(open: () => Promise<TestBroker>): void {
  test('a topic exchange brings each task to the queues whose key matches', async () => {
    const broker = await open()
    const topics: TqOptions = {
      taskQueues: [
        { name: 'feeds', exchange: 'work', exchangeType: 'topic', routingKey: 'feed.#' },
        { name: 'images', exchange: 'work', exchangeType: 'topic', routingKey: 'image.*' },
        { name: 'audit', exchange: 'work', exchangeType: 'topic', routingKey: '*.import' },
      ],
      taskDefaultQueue: 'feeds',
      taskRoutes: { 'feeds.*': { queue: 'feeds', routingKey: 'feed.import' } },
    }
    const app = broker.app(topics)
    const ran: string[] = []
    app.task('feeds.read', { bind: true }, (self) => {
      const { queue, exchange, routingKey } = self.request.deliveryInfo
      ran.push(`${queue} ${exchange}/${routingKey}`)
    })
    await app.startWorker({ hostname: 'w1@test' })
    const client = broker.app(topics)

    await client.sendTask('feeds.read')
    await client.sendTask('feeds.read', [], {}, { routingKey: 'image.crop', queue: 'images' })

    await waitFor(() => ran.length >= 3, { what: 'three runs' })
    expect(ran.toSorted()).toEqual(['audit work/feed.import', 'feeds work/feed.import', 'images work/image.crop'])
  })

  test('a queue with several bindings is reached by each of them', async () => {
    const broker = await open()
    const bound: TqOptions = {
      taskQueues: [
        {
          name: 'q',
          exchange: 'd',
          routingKey: 'one',
          bindings: [{ exchange: 't', exchangeType: 'topic', routingKey: 'a.*' }],
        },
      ],
      taskDefaultQueue: 'q',
    }
    const app = broker.app(bound)
    const ran: string[] = []
    app.task('t.note', (key: string) => void ran.push(key))
    await app.startWorker({ hostname: 'w1@test' })
    const client = broker.app(bound)

    await client.sendTask('t.note', ['direct'], {}, { exchange: 'd', routingKey: 'one' })
    await client.sendTask('t.note', ['topic'], {}, { exchange: 't', exchangeType: 'topic', routingKey: 'a.b' })
    await client.sendTask('t.note', ['name'])

    await waitFor(() => ran.length >= 3, { what: 'three runs' })
    expect(ran.toSorted()).toEqual(['direct', 'name', 'topic'])
  })

  test('a task reaches one worker by the queue that is its own', async () => {
    const broker = await open()
    const ran: string[] = []
    for (const hostname of ['w1@test', 'w2@test']) {
      const app = broker.app({ workerDirect: true })
      app.task('t.note', () => void ran.push(hostname))
      await app.startWorker({ hostname })
    }
    const client = broker.app({ taskCreateMissingQueues: false })

    for (let i = 0; i < 3; i++) await client.sendTask('t.note', [], {}, { queue: workerQueue('w2@test') })

    await waitFor(() => ran.length >= 3, { what: 'three runs' })
    expect(ran).toEqual(['w2@test', 'w2@test', 'w2@test'])
  })
}
