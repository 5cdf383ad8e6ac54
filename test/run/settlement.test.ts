import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type AsyncResult, TaskFailedError, TaskRevokedError, Tq, type TqOptions } from '../../runtime/src/index.ts'
import { directQueue } from '../../runtime/src/transports/topology.ts'
import { describeBrokers, type TestBroker } from '../helpers/brokers.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { waitFor } from '../helpers/wait.ts'
import { settlementApp, settlementRows } from './fixtures/settlement.ts'

// Threads and servers start in their own time.
vi.setConfig({ testTimeout: 200_000 })

const patience = 60
const rows = Object.entries(settlementRows)
const queueOf = (name: string): string => `queue of ${name}`
const queues = rows.map(([name]) => queueOf(name))
// Where a thread is lost tasks run in threads, elsewhere on the event loop.
const [inThreads, inProcess] = [true, false].map((isLost) =>
  rows.filter(([, { ending }]) => (ending === 'lost') === isLost).map(([name]) => queueOf(name)),
)

describeBrokers(
  'the settlement table',
  (broker, brokerName) => {
    test('is what a second worker sees of the message, and result.get() of the task', async () => {
      const isAmqp = brokerName === 'rabbitmq'
      const options: TqOptions = {
        // What RabbitMQ drops goes to a queue of its own.
        taskQueues: [...queues.map((name) => ({ name, arguments: isAmqp ? deadLettered : {} }))],
        ...(isAmqp && { backend: 'rpc://' }),
      }
      const own = await broker()
      const first = await firstWorkers(own, options)
      const sent = await first.send()
      await first.started()
      const during = await told(sent, (result) => result.state())
      await first.consumeNoMore()
      await first.release(sent)
      const stored = await told(sent, (result, name) => storedOf(result, settlementRows[name]?.stored))
      await first.stop()

      const seen = await secondWorker(first.client, sent, own, options)

      const column = (cell: (name: string) => string | undefined) =>
        Object.fromEntries(rows.map(([name]) => [name, cell(name)]))
      expect(during).toEqual(column((name) => settlementRows[name]?.during ?? (expect.any(String) as string)))
      expect(stored).toEqual(column((name) => settlementRows[name]?.stored))
      expect(seen).toEqual(
        column((name) => {
          const { again } = settlementRows[name] ?? {}
          return again === 'dead' && !isAmqp ? undefined : again
        }),
      )
    })
  },
  { rabbitmq: true },
)

const deadLetters = 'dead letters'
const deadLettered = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': deadLetters }

type Sent = ReadonlyMap<string, AsyncResult<unknown>>

/** Two workers of one app, which also sends and reads; every row has a queue of its own. */
async function firstWorkers({ options: own }: TestBroker, options: TqOptions) {
  const folder = temporaryFolder()
  const client = closed(settlementApp({ ...own, ...options }))
  const fileOf = (name: string): string => join(folder, name.replaceAll(/\W/g, '-'))
  await (await client.connections.transport()).declare({ queues: [directQueue(deadLetters)] })
  const workers = await Promise.all([
    client.startWorker({ hostname: 'first@test', queues: inProcess, concurrency: rows.length }),
    client.startWorker({ hostname: 'lost@test', queues: inThreads, pool: 'threads', concurrency: inThreads?.length }),
  ])
  const beginning = rows.filter(([, { act }]) => act === undefined || act === 'terminate').map(([name]) => name)
  const unwanted = 'an id that is revoked'
  return {
    client,

    async send(): Promise<Sent> {
      await client.control.revoke(unwanted)
      await waitFor(
        async () => {
          const revoked = await client.control.inspect('revoked', { destination: ['first@test'] })
          return JSON.stringify(revoked).includes(unwanted)
        },
        { what: 'the revoked id at the worker', timeoutMs: patience * 1000 },
      )
      const sent = new Map<string, AsyncResult<unknown>>()
      for (const [name, { act }] of rows) {
        const more = act === 'revoke' ? { taskId: unwanted } : act === 'expire' ? { expires: new Date(0) } : {}
        sent.set(name, await client.sendTask(name, [fileOf(name)], {}, { queue: queueOf(name), ...more }))
      }
      return sent
    },

    async started(): Promise<void> {
      const all = (): boolean => beginning.every((name) => existsSync(`${fileOf(name)}.started`))
      await waitFor(all, { what: 'the start of every run', timeoutMs: patience * 1000 })
    },

    /** What comes back into a queue from now on is somebody else's. */
    async consumeNoMore(): Promise<void> {
      await Promise.all(
        queues.map(async (queue) => {
          const destination = [inThreads?.includes(queue) ? 'lost@test' : 'first@test']
          const [answer] = Object.values(await client.control.cancelConsumer(queue, { destination }))
          if (!answer || !('ok' in answer)) throw new Error(`${queue} is still consumed: ${JSON.stringify(answer)}`)
        }),
      )
    },

    async release(sent: Sent): Promise<void> {
      for (const [name, { act }] of rows) {
        if (act === 'terminate') await sent.get(name)?.revoke({ terminate: true })
        writeFileSync(fileOf(name), '')
      }
    },

    async stop(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.stop()))
    },
  }
}

/** How each message comes to a worker of another app; undefined where the next thing in its queue is what was sent after it. */
async function secondWorker(client: Tq, sent: Sent, { options: own }: TestBroker, options: TqOptions) {
  const seen: Record<string, string | undefined> = {}
  const app = closed(new Tq('settlement', { ...own, ...options }))
  for (const [name] of rows) {
    seen[name] = undefined
    app.task(name, { bind: true }, ({ request }, _file: string) => {
      if (request.retries > 0) seen[name] = 'retry'
      else seen[name] = request.deliveryInfo.redelivered ? 'redelivered' : 'delivered'
    })
  }
  app.task('probe', () => 'probed')
  const probes = await Promise.all(queues.map((queue) => client.sendTask('probe', [], {}, { queue })))
  // One at a time: a probe runs after all that was in its queue before it.
  const worker = await app.startWorker({ hostname: 'second@test', queues, concurrency: 1, prefetchMultiplier: 1 })
  for (const probe of probes) await probe.get({ timeout: patience })
  await worker.stop()
  const transport = await app.connections.transport()
  for (const { headers } of await transport.peek(deadLetters, { limit: rows.length, state: 'ready' })) {
    seen[String(headers['task'])] = 'dead'
  }
  return seen
}

function closed<T extends Tq>(app: T): T {
  onTestFinished(() => app.close())
  return app
}

async function told<T>(sent: Sent, tell: (result: AsyncResult<unknown>, name: string) => Promise<T>) {
  const all: Record<string, T> = {}
  for (const [name, result] of sent) all[name] = await tell(result, name)
  return all
}

/** Waits for the state that is expected, and tells what it is in any case. */
async function storedOf(result: AsyncResult<unknown>, expected = ''): Promise<string> {
  const [state = ''] = expected.split(' ')
  if (state !== 'PENDING') {
    const arrived = async (): Promise<boolean> => (await result.state()) === state
    await waitFor(arrived, { what: expected, timeoutMs: patience * 1000 }).catch(() => undefined)
  }
  if (!(await result.ready())) return result.state()
  return result.get({ timeout: patience }).then(
    (value) => `SUCCESS ${String(value)}`,
    (error: unknown) => {
      if (error instanceof TaskFailedError) return `FAILURE ${error.type}`
      if (error instanceof TaskRevokedError) return `REVOKED ${error.reason}`
      throw error
    },
  )
}
