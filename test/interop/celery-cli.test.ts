import { afterAll, beforeAll, expect, test } from 'vitest'
import { silentLogger, Tq, type Worker } from '../../runtime/src/index.ts'
import { debianPython } from '../helpers/install.ts'
import { spawnProcess } from '../helpers/process.ts'
import { pythonEnv, pythonFolder } from '../helpers/python-environment.ts'
import { describeOnBrokers, type InteropBroker } from './brokers.ts'

describeOnBrokers("Celery's own command line against tq", (start) => {
  let broker: InteropBroker
  let app: Tq
  let worker: Worker

  beforeAll(async () => {
    broker = await start()
    app = new Tq('cli', { brokerUrl: broker.brokerUrl, resultBackend: broker.backendUrl, logger: silentLogger })
    app.task('tq.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
    app.task('tq.fail', () => {
      throw new RangeError('too far')
    })
    worker = await app.startWorker({ hostname: 'tq@cli' })
  }, 120_000)

  afterAll(async () => {
    await app?.close()
    await broker?.stop()
  })

  /** `celery <args>` as a user types it who has no Python project at hand. */
  async function celery(
    ...args: string[]
  ): Promise<{ readonly code: number | null; readonly text: string; readonly said: string }> {
    const urls = ['-b', broker.brokerUrl, '--result-backend', broker.backendUrl]
    const program = spawnProcess(debianPython, ['-m', 'celery', ...urls, ...args], {
      cwd: pythonFolder,
      env: pythonEnv({}),
      cleanEnv: true,
    })
    const { code } = await program.exit
    return { code, text: program.stdout.trim(), said: program.stderr }
  }

  test('celery call runs a task of tq, celery result prints what it gave', async () => {
    const called = await celery('call', 'tq.add', '-a', '[2]', '-k', '{"y": 40}')
    const value = await app.result(called.text).get({ timeout: 90 })

    const shown = await celery('result', called.text)

    expect(called).toMatchObject({ code: 0, text: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(value).toBe(42)
    expect(shown).toMatchObject({ code: 0, text: '42' })
  })

  test('celery result tells the failure of a task, and with --traceback where it came from', async () => {
    const { id } = await app.sendTask('tq.fail')
    await app.result(id).get({ timeout: 15, propagate: false })

    const shown = await celery('result', id)
    const traced = await celery('result', '--traceback', id)

    expect(shown.text + shown.said).toContain('too far')
    expect(traced.text).toMatch(/RangeError: too far[\s\S]*celery-cli\.test\.ts/)
  })

  test('celery call --countdown waits, as long as it says', async () => {
    const sentMs = performance.now()
    const called = await celery('call', 'tq.add', '-a', '[1, 2]', '--countdown', '3')

    const value = await app.result(called.text).get({ timeout: 90 })

    expect(value).toBe(3)
    expect(performance.now() - sentMs).toBeGreaterThan(3000)
  })

  test('celery call --queue sends to a queue of its own, which celery purge -Q empties', async () => {
    const called = await celery('call', 'tq.add', '-a', '[1, 2]', '--queue', 'elsewhere')
    const transport = await app.connections.transport()
    const before = await transport.queueInfo('elsewhere')

    const purged = await celery('purge', '-f', '-Q', 'elsewhere')

    expect(called.code).toBe(0)
    expect(before.ready).toBe(1)
    expect(purged.text + purged.said).toContain('Purged 1 message from 1 known task queue')
    expect((await transport.queueInfo('elsewhere')).ready).toBe(0)
  })

  test('celery status lists the worker', async () => {
    const { code, text } = await celery('status')

    expect(code).toBe(0)
    expect(text).toMatch(/tq@cli:\s+OK/)
    expect(text).toContain('1 node online')
  })

  test('celery purge deletes what tq has sent and nobody runs yet', async () => {
    await worker.stop(0)
    for (let n = 0; n < 5; n++) await app.sendTask('tq.add', [n, n])

    const purged = await celery('purge', '-f')

    expect(purged.code).toBe(0)
    expect(purged.text + purged.said).toContain('Purged 5 messages from 1 known task queue')
    const { ready, parked } = await (await app.connections.transport()).queueInfo('celery')
    expect({ ready, parked }).toEqual({ ready: 0, parked: 0 })
  })

  test('celery status says that nobody is there once the worker has gone', async () => {
    const { code, text, said } = await celery('status', '--timeout', '1')

    expect(code).not.toBe(0)
    expect(text + said).toContain('No nodes replied')
  })
})
