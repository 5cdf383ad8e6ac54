import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AsyncResult, Tq, Worker } from '../../runtime/src/index.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { type RunningProcess, spawnBin } from '../helpers/process.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { makeApp } from '../pools/fixtures/app.ts'

// Children start in their own time, several of them in one test.
vi.setConfig({ testTimeout: 120_000 })

const fixtures = fileURLToPath(new URL('../pools/fixtures/', import.meta.url))

describe('a worker with processes', () => {
  let folder: string
  let app: Tq
  let worker: Worker

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tq-children-'))
    app = makeApp({ broker: `sqlite://${join(folder, 'tq.db')}`, backend: undefined, logger: silentLogger })
    worker = await app.startWorker({ pool: 'prefork', concurrency: 1, hostname: 'children@test' })
  })

  afterAll(async () => {
    await worker?.stop(0)
    await app?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const send = (name: string, ...args: readonly unknown[]): Promise<AsyncResult<unknown>> => app.sendTask(name, args)
  let files = 0
  const freshFile = (): string => join(folder, `file-${++files}`)

  test('a message whose child died goes back with rejectOnWorkerLost, and runs again', async () => {
    const result = await send('t.loseOnce', freshFile())

    expect(await result.get({ timeout: 90 })).toBe('second run')
  })

  test('a task whose child died fails with WorkerLostError', async () => {
    const result = await send('t.lose')

    await expect(result.get({ timeout: 90 })).rejects.toThrow('Worker exited prematurely: signal SIGKILL.')
    expect(await result.meta()).toMatchObject({
      state: 'FAILURE',
      error: { type: 'WorkerLostError', module: 'billiard.exceptions' },
    })
  })

  test('a message that ends its child three times fails and is set aside', async () => {
    const file = freshFile()
    const result = await send('t.poison', file)

    await expect(result.get({ timeout: 90 })).rejects.toMatchObject({ type: 'WorkerLostError' })
    const { quarantine } = await app.connections.transport()
    const kept = await waitFor(async () => (await quarantine.list(10))[0], { what: 'the quarantined message' })

    expect(readFileSync(file, 'utf8')).toBe('...')
    expect(kept).toMatchObject({ reason: expect.stringContaining('ended the process that ran it (3 times)') as string })
  })

  test('the hard limit of a call ends a task that has none', async () => {
    const file = freshFile()
    const result = await app.sendTask('t.block', [file], {}, { timeLimit: 1 })

    await expect(result.get({ timeout: 90 })).rejects.toMatchObject({
      type: 'TimeLimitExceeded',
      message: expect.stringContaining('TimeLimitExceeded(1') as string,
    })
  })

  test('a loop without end is ended at the hard limit', async () => {
    const result = await send('t.hang')

    await expect(result.get({ timeout: 90 })).rejects.toMatchObject({ type: 'TimeLimitExceeded' })
  })

  test('without acksOnTimeout the message of a task over its limit goes back', async () => {
    const result = await send('t.hangOnce', freshFile())
    const seen = new Set<string>()
    await waitFor(
      async () => {
        seen.add(await result.state())
        return seen.has('SUCCESS')
      },
      { what: 'the second run', timeoutMs: 60_000 },
    )

    expect(await result.get()).toBe('second run')
  })

  test('the soft limit aborts the signal inside a child', async () => {
    const result = await send('t.careful')

    expect(await result.get({ timeout: 90 })).toBe('half, SoftTimeLimitExceeded')
  })

  test('an update of a child is seen while it runs', async () => {
    const result = await send('t.progress')

    expect(await result.get({ timeout: 90 })).toBe('went on')
  })

  test('a task that is terminated is revoked, its child ended', async () => {
    const file = freshFile()
    const result = await send('t.lateBlock', file)
    const pid = await startedPid(file)

    await result.revoke({ terminate: true })

    await expect(result.get({ timeout: 90 })).rejects.toMatchObject({ code: 'TQ_TASK_REVOKED', reason: 'terminated' })
    expect(isAlive(pid)).toBe(false)
    expect(await (await send('t.add', 1, 2)).get({ timeout: 90 })).toBe(3)
  })
})

test('the setting taskTimeLimit ends what has no limit of its own; those of the task and of the call win over it', async () => {
  const folder = temporaryFolder()
  const app = makeApp({
    broker: `sqlite://${join(folder, 'tq.db')}`,
    backend: undefined,
    logger: silentLogger,
    taskTimeLimit: 2,
  })
  onTestFinished(() => app.close())
  const worker = await app.startWorker({ pool: 'prefork', concurrency: 3, hostname: 'limits@test' })
  onTestFinished(() => worker.stop(0))
  const endOf = async (name: string, args: readonly unknown[], options = {}): Promise<unknown> =>
    (await app.sendTask(name, args, {}, options)).get({ timeout: 90 }).catch((error: unknown) => String(error))

  const ends = await Promise.all([
    endOf('t.block', [join(folder, 'set')]),
    endOf('t.hang', []),
    endOf('t.block', [join(folder, 'called')], { timeLimit: 1 }),
  ])

  expect(ends).toEqual([2, 0.3, 1].map((limit) => expect.stringContaining(`TimeLimitExceeded(${limit}`) as string))
})

describe('a worker process with processes of its own', () => {
  interface Running {
    readonly worker: RunningProcess
    readonly app: Tq
    /** A late-acknowledged task that runs in a child. */
    readonly result: AsyncResult<unknown>
    readonly childPid: number
    readonly file: string
  }

  async function running(task: string, mayLeaveChildren = false): Promise<Running> {
    const folder = temporaryFolder()
    const url = `sqlite://${join(folder, 'tq.db')}`
    const file = join(folder, 'go')
    const app = makeApp({ broker: url, backend: undefined, logger: silentLogger })
    onTestFinished(() => app.close())
    const worker = spawnBin('tq', ['worker', '-A', 'app.ts', '-P', 'prefork', '-c', '1', '-n', 'own@test'], {
      cwd: fixtures,
      env: { TQ_BROKER_URL: url, TQ_RESULT_BACKEND: url },
      mayLeaveChildren,
    })
    const result = await app.sendTask(task, [file])
    return { worker, app, result, file, childPid: await startedPid(file) }
  }

  const ready = async (app: Tq): Promise<number> =>
    (await (await app.connections.transport()).queueInfo('celery')).ready

  test('SIGTERM waits for what runs', async () => {
    const { worker, result, file, childPid } = await running('t.late')

    worker.kill('SIGTERM')
    await worker.waitForLine(/own@test/)
    writeFileSync(file, '')

    expect(await worker.exit).toEqual({ code: 0, signal: null })
    expect(await result.get({ timeout: 90 })).toBe('waited for')
    expect(isAlive(childPid)).toBe(false)
  })

  test('SIGQUIT gives the message back and ends its child', async () => {
    const { worker, app, result, childPid } = await running('t.lateBlock')

    worker.kill('SIGQUIT')
    const exit = await worker.exit

    expect(exit).toEqual({ code: 0, signal: null })
    expect(isAlive(childPid)).toBe(false)
    expect([await ready(app), await result.state()]).toEqual([1, 'PENDING'])
  })

  test('SIGQUIT stores that a task which was acknowledged early was ended', async () => {
    const { worker, app, result } = await running('t.block')

    worker.kill('SIGQUIT')
    await worker.exit

    expect([await ready(app), await result.state()]).toEqual([0, 'REVOKED'])
  })

  test('a child that computes ends with a worker that was killed', async () => {
    const { worker, childPid } = await running('t.lateBlock', true)

    process.kill(worker.pid, 'SIGKILL')
    await worker.exit

    await waitFor(() => !isAlive(childPid), { what: 'the end of the orphan' })
  })
})

describe.skipIf(!requireService('redis'))('a worker with children on a broker that hangs', () => {
  test('a child gets its next task while the one before it is not stored yet', async () => {
    const folder = temporaryFolder()
    const redis = await startRedis()
    const app = makeApp({ broker: redis.url, backend: redis.url, logger: silentLogger })
    onTestFinished(() => app.close())
    const worker = await app.startWorker({ pool: 'threads', concurrency: 1, hostname: 'next@test' })
    const [first, second] = [join(folder, 'first'), join(folder, 'second')]
    await app.sendTask('t.late', [first])
    await startedPid(first)
    const result = await app.sendTask('t.late', [second])
    const isReserved = async (): Promise<boolean> => {
      const { 'next@test': reserved } = await app.control.inspect('reserved', { destination: ['next@test'] })
      return Array.isArray(reserved) && reserved.length > 0
    }
    await waitFor(isReserved, { what: 'the second task at the worker' })

    redis.pause()
    writeFileSync(first, '')
    await startedPid(second)
    redis.resume()
    writeFileSync(second, '')

    expect(await result.get({ timeout: 90 })).toBe('waited for')
    await worker.stop()
  })
})

async function startedPid(file: string): Promise<number> {
  const pid = await waitFor(() => existsSync(`${file}.started`) && readFileSync(`${file}.started`, 'utf8'), {
    what: 'the start of the task',
    timeoutMs: 60_000,
  })
  return Number(pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // Nobody may ever reap an orphan in a container.
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux'
  }
}
