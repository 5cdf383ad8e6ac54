import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger, Tq, type TqOptions } from '../../runtime/src/index.ts'
import { type PythonClient, type PythonWorker, pythonClient, startPythonWorker } from '../helpers/python.ts'
import { describeOutput } from '../helpers/running-process.ts'
import { waitFor } from '../helpers/wait.ts'
import { describeOnBrokers, type InteropBroker } from './brokers.ts'
import { mirrorTasks } from './mirror.ts'
import {
  type Callback,
  canvasScenarios,
  refusedScenarios,
  type Scenario,
  type ScenarioOptions,
  scenarios,
} from './scenarios.ts'

// All calls are sent at once; the last answers come when a busy machine has worked through them.
const patienceMs = 60_000

/** What is kept of a call: its state, and the value or the error. */
interface Outcome {
  readonly state: string
  readonly result: unknown
  readonly error?: { readonly type: string; readonly args: readonly unknown[] } | undefined
}

interface Sender {
  send(scenario: Scenario): Promise<string>
  outcome(id: string): Promise<Outcome>
}

test('every recorded scenario is acted out', () => {
  const file = new URL('../wire/fixtures/index.json', import.meta.url)
  const { calls } = JSON.parse(readFileSync(file, 'utf8')) as { readonly calls: object }

  const ours = new Set([...scenarios.map(({ name }) => name), ...canvasScenarios, ...refusedScenarios])

  expect(Object.keys(calls).filter((name) => !ours.has(name))).toEqual([])
})

describeOnBrokers('the recorded scenarios', (start) => {
  let broker: InteropBroker
  let store: Redis
  let python: PythonWorker
  let client: PythonClient
  const apps: Tq[] = []

  beforeAll(async () => {
    broker = await start()
    store = new Redis(broker.backendUrl)
    ;[python, client] = await Promise.all([startPythonWorker({ ...broker, concurrency: 4 }), pythonClient(broker)])
  })

  afterAll(async () => {
    await Promise.all([python?.stop(), client?.close()])
    for (const app of apps) await app.close()
    store?.disconnect()
    await broker?.stop()
  })

  function tq(options: TqOptions = {}): Tq {
    const app = new Tq('scenarios', {
      logger: silentLogger,
      broker: broker.brokerUrl,
      backend: broker.backendUrl,
      ...options,
    })
    apps.push(app)
    return app
  }

  function acted(sender: () => Sender, onTq: boolean): void {
    const all = scenarios.filter(({ tqSends = true }) => tqSends || onTq)
    const isAlone = ({ alone }: Scenario): boolean => alone === true || (alone === 'on Python' && !onTq)
    const ids = new Map<Scenario, string>()

    beforeAll(async () => {
      await store.flushdb()
      for (const scenario of all) if (!isAlone(scenario)) ids.set(scenario, await sender().send(scenario))
    }, patienceMs)

    test.for(all)('$name', { timeout: 2 * patienceMs }, async (scenario, { onTestFailed }) => {
      // What Python made of it stands nowhere else.
      if (!onTq) onTestFailed(() => void process.stderr.write(describeOutput(python)))
      const { ends, endsOnTq, marks } = scenario
      const id = ids.get(scenario) ?? (await sender().send(scenario))
      const ending = (onTq ? endsOnTq : undefined) ?? ends

      if (marks) {
        const lines = await waitFor(
          async () => {
            const found = await store.lrange(marks.key.replace('<id>', id), 0, -1)
            return found.length >= marks.lines.length && found
          },
          { what: `the marks of ${scenario.name}`, timeoutMs: patienceMs },
        )
        expect(lines.toSorted()).toEqual(marks.lines)
      }
      if (ending === 'without a result') {
        // What ran after it has its result, so this one would be there, too.
        const later = await sender().send({ name: 'later', task: 'py.none', ends: { value: null } })
        await waitFor(async () => (await sender().outcome(later)).state === 'SUCCESS', {
          what: 'a later call',
          timeoutMs: patienceMs,
        })
        expect(await sender().outcome(id)).toMatchObject({ state: 'PENDING' })
        return
      }
      const wanted = 'state' in ending ? [ending.state] : ['SUCCESS', 'FAILURE', 'REVOKED']
      const outcome = await waitFor(
        async () => {
          const found = await sender().outcome(id)
          if (!wanted.includes(found.state)) throw new Error(`it is ${found.state}: ${JSON.stringify(found)}`)
          return found
        },
        { what: `the end of ${scenario.name}`, timeoutMs: patienceMs },
      )
      if ('value' in ending) expect(outcome).toMatchObject({ state: 'SUCCESS', result: ending.value })
      else if ('state' in ending) expect(outcome).toMatchObject({ state: ending.state, result: ending.result })
      else {
        expect(outcome.error).toMatchObject({
          type: ending.error,
          ...(ending.args === undefined ? {} : { args: ending.args }),
        })
      }
    })
  }

  describe('sent by tq and run by Python', () => {
    let app: Tq
    let kolkata: Tq

    beforeAll(() => {
      app = tq()
      kolkata = tq({ timezone: 'Asia/Kolkata' })
    })

    const signature = (callback: Callback): ReturnType<typeof Tq.prototype.signature> =>
      app.signature(callback.task, callback.args, { immutable: callback.immutable ?? false }).set({ queue: 'py' })

    acted(
      () => ({
        send: async ({ task, args, kwargs, options: { eta, link, linkError, ...options } = {} }) => {
          const sender = eta?.offset === undefined ? app : kolkata
          const sent = await sender.sendTask(task, args, kwargs, {
            queue: 'py',
            ...options,
            eta: eta && new Date(Date.now() + eta.inSeconds * 1000),
            link: link?.map(signature),
            linkError: linkError?.map(signature),
          })
          return sent.id
        },
        outcome: async (id) => {
          const [meta] = await (await app.resultBackend()).fetch([id])
          const { state = 'PENDING', result, error } = meta ?? {}
          return { state, result, error: error && { type: error.type, args: [error.message].flat() } }
        },
      }),
      false,
    )

    test.each([{ serializer: 'pickle' }, { compression: 'bzip2' }])(
      '%o is refused where it is sent',
      async (options) => {
        await expect(app.sendTask('py.typeof', [1], {}, { queue: 'py', ...options })).rejects.toThrow(/pickle|bzip2/)
      },
    )
  })

  describe('sent by Python and run by tq', () => {
    beforeAll(async () => {
      const server = tq({ jsonStyle: 'plain', acceptContent: ['json', 'yaml', 'msgpack'] })
      mirrorTasks(server, store)
      await server.startWorker({ hostname: 'tq@scenarios', queues: ['tq'] })
    }, patienceMs)

    acted(
      () => ({
        send: ({ task, args = [], kwargs, options }) =>
          client.sendTask(task, args, { queue: 'tq', kwargs: kwargs ?? {}, ...(options && pythonOptions(options)) }),
        outcome: async (id) => {
          const { status, result } = (await client.outcome(id)) as {
            status: string
            result: { type: string; args: unknown[] }
          }
          return { state: status, result, error: result?.type === undefined ? undefined : result }
        },
      }),
      true,
    )

    test('Python sees the progress of a task while it runs', { timeout: patienceMs }, async () => {
      const id = await client.sendTask('held', ['py:held'], { queue: 'tq' })

      const seen = await waitFor(
        async () => {
          const found = await client.outcome(id)
          return found.status === 'PROGRESS' && found
        },
        { what: 'PROGRESS', timeoutMs: patienceMs },
      )
      await store.rpush('py:held', 'go on')

      expect(seen.result).toEqual({ current: 1, total: 2 })
      expect(await client.result(id, patienceMs / 1000)).toMatchObject({ status: 'SUCCESS', result: 'done' })
    })
  })
})

/** Options of `apply_async`; client.py makes times of the texts. */
function pythonOptions(options: ScenarioOptions): Record<string, unknown> {
  const { eta, link, linkError, appId, ignoreResult, softTimeLimit, timeLimit, ...same } = options
  const dict = ({ task, args = [], immutable = false }: Callback): object => ({
    task,
    args,
    kwargs: {},
    options: { queue: 'tq' },
    subtask_type: null,
    immutable,
  })
  const all = {
    ...same,
    eta: eta && atOffset(Date.now() + eta.inSeconds * 1000, eta.offset),
    link: link?.map(dict),
    link_error: linkError?.map(dict),
    app_id: appId,
    ignore_result: ignoreResult,
    soft_time_limit: softTimeLimit,
    time_limit: timeLimit,
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function atOffset(epochMs: number, offset: '+05:30' | undefined): string {
  if (offset === undefined) return new Date(epochMs).toISOString().replace('Z', '+00:00')
  return new Date(epochMs + 5.5 * 3_600_000).toISOString().replace('Z', offset)
}
