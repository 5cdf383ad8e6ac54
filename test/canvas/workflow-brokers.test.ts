import { expect, test } from 'vitest'
import { chain, group } from '../../runtime/src/index.ts'
import { type TestBroker, describeBrokers } from '../helpers/brokers.ts'
import { waitFor } from '../helpers/wait.ts'

function tasks(broker: TestBroker) {
  const app = broker.app()
  const add = app.task('t.add', (x: number, y: number): number => x + y)
  const sum = app.task('t.sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0))
  return { app, add, sum }
}

describeBrokers(
  'a workflow',
  (broker, name) => {
    // RabbitMQ alone keeps no results, and nobody counts a chord.
    const withResults = name === 'rabbitmq' ? undefined : test
    withResults?.('tells what was counted and where the rest is', async () => {
      const { app, add, sum } = tasks(await broker())
      await app.startWorker({ hostname: 'w1@test', queues: ['celery'] })
      const result = await chain(
        add.s(0, 1),
        group(add.s(1), add.s(2).set({ queue: 'nobody' }), add.s(3).set({ queue: 'nobody', countdown: 3600 })),
        sum.s(),
      ).delay()
      const counted = async (): Promise<number | undefined> =>
        (await app.workflow(result.id, { timeoutMs: 10 })).parts.find(({ kind }) => kind === 'chord')?.counted
      await waitFor(async () => (await counted()) === 1, { what: 'one part to be counted', timeoutMs: 30_000 })

      const workflow = await app.workflow(result.id, { timeoutMs: 10 })

      expect(workflow).toMatchObject({ state: 'stuck', ended: 2, size: 5, unseen: [] })
      expect(workflow.parts.map(({ task, place }) => [task, place.kind])).toEqual([
        ['t.add', 'ended'],
        [undefined, 'inside'],
        ['t.add', 'ended'],
        ['t.add', 'queued'],
        ['t.add', expect.stringMatching(/^(queued|parked)$/)], // a server parks it once a worker has seen it
        ['t.sum', 'blocked'],
      ])
      expect(workflow.parts.find(({ kind }) => kind === 'chord')).toMatchObject({ counted: 1, size: 3 })
    })

    test('tells of messages that somebody holds and does not say so', async () => {
      const { app, add } = tasks(await broker())
      const result = await group(add.s(1, 1), add.s(2, 2)).delay()
      const transport = await app.connections.transport()
      const taken = new Promise<void>((resolve) => {
        void transport.subscribe(['celery'], { prefetch: 1 }, () => resolve())
      })
      await taken

      const workflow = await app.workflow(result.results[1]?.id ?? '', { timeoutMs: 10 })

      const places = workflow.parts.map(({ place }) => place.kind).sort()
      expect(places).toEqual(['held', 'inside', 'queued'])
    })
  },
  { rabbitmq: true },
)
