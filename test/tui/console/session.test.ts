import { describe, expect, onTestFinished, test } from 'vitest'
import { type SettingsInput, Tq } from '../../../runtime/src/index.ts'
import type { WorkerView } from '../../../runtime/src/monitor.ts'
import { createMemoryServer, memoryApp } from '../../../runtime/src/testing.ts'
import { ConsoleSession, type SessionOptions } from '../../../tui/src/session.ts'
import { newState } from '../../../tui/src/state.ts'
import { Store } from '../../../tui/src/store.ts'
import { own } from '../../../tui/src/ui/text.ts'
import { temporaryFolder } from '../../helpers/project.ts'

interface Bench {
  readonly store: Store
  readonly session: ConsoleSession
  readonly app: Tq
  /** Resolves when the store is as asked. */
  until(holds: (store: Store) => boolean): Promise<void>
  /** Answers of the command log, in order. */
  answers(): readonly string[]
}

/** A console's session beside an app, both on one file as two processes would be. */
async function bench(options: Partial<SessionOptions> = {}, settings: SettingsInput = {}): Promise<Bench> {
  const path = `${temporaryFolder()}/tq.db`
  const brokerUrl = `sqlite://${path}`
  const app = new Tq('shop', { brokerUrl, logger: quiet, ...settings })
  app.task('math.add', (x: number, y: number) => x + y)
  app.task('math.fail', (text: string) => {
    throw new RangeError(text)
  })
  app.task('text.length', (text: string) => text.length)
  app.task('never', { bind: true }, async (self) => self.sleep(3_600_000))
  const store = new Store(newState({ broker: own`…`, nowMs: Date.now(), size: { columns: 120, rows: 30 } }))
  const session = new ConsoleSession(store, {
    startsWorker: false,
    open: () => Promise.resolve({ app: new Tq('tq-tui', { brokerUrl, logger: quiet }) }),
    ...options,
  })
  onTestFinished(async () => {
    await session.close()
    await app.close()
  })
  return {
    store,
    session,
    app,
    until: (holds) => until(store, holds),
    answers: () => store.get().log.map(({ answer }) => String(answer)),
  }
}

function until(store: Store, holds: (store: Store) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!holds(store)) return
      stop()
      resolve()
    }
    const stop = store.subscribe(look)
    look()
  })
}

function stateOf(store: Store, id: string): string | undefined {
  return store.get().cluster.tasks.get(id)?.state
}

describe('a session of the console', () => {
  test('begins with what the store of events still has, and goes on live', async () => {
    const { store, session, app, until: see } = await bench()
    await app.startWorker({ hostname: 'w1@test' })
    const past = await app.sendTask('math.add', [2, 2])
    await past.get()

    await session.start()
    await see((one) => stateOf(one, past.id) === 'SUCCESS')
    const present = await app.sendTask('math.add', [3, 3])
    await see((one) => stateOf(one, present.id) === 'SUCCESS')

    const task = store.get().cluster.tasks.get(present.id)
    expect(task).toMatchObject({ name: 'math.add', args: '(3, 3)', result: '6', worker: 'w1@test' })
    await see((one) => one.get().slots.get('w1@test') === 100)
  })

  test('sends a task again with the arguments that the event shows', async () => {
    const { store, session, app, until: see, answers } = await bench()
    await app.startWorker({ hostname: 'w1@test' })
    await session.start()
    const failed = await app.sendTask('math.fail', ["it's \n日本"])
    await see((one) => stateOf(one, failed.id) === 'FAILURE')

    const task = store.get().cluster.tasks.get(failed.id)
    await session.tasks.retry(task ? [task] : [])

    expect(answers().at(-1)).toMatch(new RegExp(`^retry of ${failed.id.slice(-8)}: `, 'u'))
    const again = answers().at(-1)?.split(': ')[1] ?? ''
    await see((one) => stateOf(one, again) === 'FAILURE')
    expect(store.get().cluster.tasks.get(again)?.exception).toBe(task?.exception)
  })

  test('sends a task again with other arguments', async () => {
    const { store, session, app, until: see, answers } = await bench()
    await app.startWorker({ hostname: 'w1@test' })
    await session.start()
    const first = await app.sendTask('math.add', [2, 2])
    await see((one) => stateOf(one, first.id) === 'SUCCESS')

    const task = store.get().cluster.tasks.get(first.id)
    await session.tasks.retry(task ? [task] : [], { args: [20, 22], kwargs: {} })
    const again = answers().at(-1)?.split(': ')[1] ?? ''
    await see((one) => stateOf(one, again) === 'SUCCESS')

    expect(store.get().cluster.tasks.get(again)?.result).toBe('42')
  })

  test('sends a task again with the stored arguments, where events have cut them', async () => {
    const { store, session, app, until: see, answers } = await bench()
    await app.startWorker({ hostname: 'w1@test' })
    await session.start()
    const long = await app.sendTask('text.length', ['x'.repeat(5000)])
    await see((one) => stateOf(one, long.id) === 'SUCCESS')

    const task = store.get().cluster.tasks.get(long.id)
    await session.tasks.retry(task ? [task] : [])
    const again = answers().at(-1)?.split(': ')[1] ?? ''
    await see((one) => stateOf(one, again) === 'SUCCESS')

    expect(store.get().cluster.tasks.get(again)?.result).toBe('5000')
  })

  test('refuses to guess arguments that the event has cut and nobody has stored', async () => {
    const { store, session, app, until: see, answers } = await bench({}, { resultExtended: false })
    await app.startWorker({ hostname: 'w1@test' })
    await session.start()
    const long = await app.sendTask('text.length', ['x'.repeat(5000)])
    await see((one) => stateOf(one, long.id) === 'SUCCESS')

    const task = store.get().cluster.tasks.get(long.id)
    await session.tasks.retry(task ? [task] : [])

    expect(answers().at(-1)).toContain('it was cut')
    expect(store.get().log.at(-1)?.failed).toBe(true)
  })

  test('terminates what runs, pings, inspects, and shuts down warmly', async () => {
    const { store, session, app, until: see } = await bench()
    const worker = await app.startWorker({ hostname: 'w1@test' })
    await session.start()
    const running = await app.sendTask('never')
    await see((one) => stateOf(one, running.id) === 'STARTED')

    await session.workers.inspect('w1@test')
    const lines = store.get().inspected.get('w1@test')?.lines.join('\n')
    expect(lines).toMatch(/^pong in \d+ ms$/mu)
    expect(lines).toMatch(/^queues {5}celery$/mu)
    expect(lines).toContain(`never ${running.id}`)

    await session.tasks.revoke([running.id], { terminate: true })
    await see((one) => stateOf(one, running.id) === 'REVOKED')
    await session.workers.shutdown('w1@test')
    await worker.finished
    await see((one) => one.get().cluster.workers.get('w1@test')?.offline === true)
  })

  test('a worker that is not there is said not to answer', async () => {
    const { store, session } = await bench()
    await session.start()

    await session.workers.inspect('nobody@test')

    expect(store.get().log.at(-1)).toMatchObject({ failed: true, answer: 'nobody@test did not answer within 1.5 s.' })
  })

  test('events that are off are switched on where the broker is no file', async () => {
    const memory = await createMemoryServer()
    const server = memoryApp('shop', { memory })
    onTestFinished(() => server.close())
    const asked: string[] = []
    const app = new Tq('tq-tui', { brokerUrl: 'memory://', memory })
    // A memory broker counts as embedded: as if it were a server.
    Object.defineProperty(app.connections, 'embedded', { value: false })
    const enable = app.control.enableEvents.bind(app.control)
    app.control.enableEvents = (options) => {
      asked.push('enable_events')
      return enable(options)
    }
    const { session, until: see, store } = await bench({ open: () => Promise.resolve({ app }) })

    await session.start()
    await see((one) => one.get().log.length > 0)

    expect(asked).toEqual(['enable_events'])
    expect(store.get().log[0]?.command).toBe('tq control enable_events')
  })

  test('reads the whole arguments and the traceback of a task from the result backend', async () => {
    const { store, session, app, until: see } = await bench()
    await app.startWorker({ hostname: 'w1@test' })
    await session.start()
    const long = await app.sendTask('math.fail', ['x'.repeat(5000)])
    await see((one) => stateOf(one, long.id) === 'FAILURE')
    const task = store.get().cluster.tasks.get(long.id)

    if (task) await session.tasks.look(task)

    const stored = store.get().stored.get(long.id)
    expect(task?.args.length).toBeLessThan(3000)
    expect(stored?.args?.lines.join('')).toContain('x'.repeat(5000))
    expect(stored?.error?.lines[0]).toMatch(/^RangeError: xxx/u)
    expect(stored?.traceback).toContain('session.test.ts')
  })

  test('tells what a worker answered, a refusal as well', async () => {
    const { session, app, answers, store } = await bench()
    await app.startWorker({ hostname: 'w1@test' })
    await session.start()

    await session.workers.addQueue('w1@test', 'extra')
    await session.workers.autoscale('w1@test', 4, 2)

    expect(answers()).toContain('w1@test: add consumer extra')
    expect(store.get().log.at(-1)).toMatchObject({ failed: true, command: 'tq control autoscale 4 2 -d w1@test' })
  })

  test('ends no worker of another machine at once, and says how', async () => {
    const { session, store } = await bench()
    await session.start()
    const worker = { ...workerOf('w9@elsewhere'), pid: process.pid }

    await session.workers.coldShutdown(worker)

    expect(store.get().log.at(-1)).toMatchObject({
      failed: true,
      answer: `w9@elsewhere runs elsewhere: on elsewhere, kill -QUIT ${process.pid} ends it.`,
    })
  })

  test('ends at once when it is closed while it still connects', async () => {
    const opening = Promise.withResolvers<void>()
    const path = `${temporaryFolder()}/tq.db`
    const { session } = await bench({
      open: async () => {
        await opening.promise
        return { app: new Tq('tq-tui', { brokerUrl: `sqlite://${path}`, logger: quiet }) }
      },
    })
    void session.start()

    const closed = session.close()
    opening.resolve()

    await expect(closed).resolves.toBeUndefined()
  })

  test('a broker that cannot be reached is tried again, its password never shown', async () => {
    let attempts = 0
    const path = `${temporaryFolder()}/tq.db`
    const {
      session,
      store,
      until: see,
    } = await bench({
      open: () => {
        attempts++
        const brokerUrl = attempts === 1 ? 'redis://:top-secret@127.0.0.1:1/0' : `sqlite://${path}`
        return Promise.resolve({ app: new Tq('tq-tui', { brokerUrl, logger: quiet }) })
      },
    })

    await session.start()
    const { connection } = store.get()
    expect(connection).toMatchObject({ state: 'lost', broker: 'redis://:***@127.0.0.1:1/0' })
    expect(connection.retryAtMs).toBeGreaterThan(connection.sinceMs)
    expect(JSON.stringify(store.get())).not.toContain('top-secret')
    session.reconnect()
    await see((one) => one.get().connection.state === 'live')

    expect(attempts).toBe(2)
  })
})

const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore }

function ignore(): void {}

function workerOf(hostname: string): WorkerView {
  return {
    hostname,
    pid: 1,
    swIdent: 'tq',
    swVer: '0',
    swSys: 'linux',
    freq: 2,
    active: 0,
    processed: 0,
    loadavg: [],
    offline: false,
    lastSeenMs: 0,
    order: { clock: 0, timestampMs: 0, step: 0, hostname },
  }
}
