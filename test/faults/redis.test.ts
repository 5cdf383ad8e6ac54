import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../helpers/project.ts'
import { freePort, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { onRedis } from './fault-broker.ts'
import { Ledger } from './ledger.ts'
import {
  cutAtRandomBytes,
  queueDeleted,
  serverRestarted,
  serverStopped,
  shortLease,
  workersKilled,
  workerStopped,
} from './scenarios.ts'
import { inTheMiddle, openGate, squareProject, startWorker } from './square-worker.ts'

/** What was told as done is on the disk. */
const durable = (): string[] => ['--appendonly', 'yes', '--appendfsync', 'always', '--dir', temporaryFolder()]

describe.skipIf(!requireService('redis'))('Redis in trouble', () => {
  test('killed and restarted while tasks run, it loses none and repeats what ran at most', async () => {
    const server = await startRedis(...durable())

    const { repeated } = await serverRestarted(onRedis(server), server, { tasks: 1000 })

    // What was claimed when it fell is taken over by its holder, and what had been settled stays so.
    expect(repeated).toBeLessThanOrEqual(20)
  }, 300_000)

  test('stopped for 10 s it is waited for, and the worker goes on', async () => {
    const server = await startRedis()

    await serverStopped(onRedis(server), server, { tasks: 500, ms: 10_000 })
  }, 300_000)

  test('connections cut at random bytes lose nothing of what was sent and nothing of what was claimed', async () => {
    const server = await startRedis()

    await cutAtRandomBytes(onRedis(server), { tasks: 200, cuts: 8, meanBytes: 30_000, seed: 7 })
  }, 300_000)

  test('a queue deleted under the worker is gone with what it held, and serves what comes after', async () => {
    const server = await startRedis()

    await queueDeleted(onRedis(server), { tasks: 600 })
  }, 300_000)

  test('workers killed one after the other lose none', async () => {
    const server = await startRedis()

    await workersKilled(onRedis(server), { tasks: 600, kills: 2, options: shortLease })
  }, 300_000)

  test('a worker stopped for longer than its lease gives way, and its late results change nothing', async () => {
    const server = await startRedis()

    const { stopped } = await workerStopped(onRedis(server), { tasks: 200, options: shortLease })

    expect(stopped.stderr).toContain('was handed to another worker')
  }, 300_000)

  test('out of memory it takes no new tasks and says so, and the worker empties its queue', async () => {
    const broker = onRedis(await startRedis())
    const ledger = await Ledger.open(broker)
    await ledger.sendOthers(3)
    await ledger.send(500)
    const [, used] = /used_memory:(\d+)/.exec(String(await broker.call('INFO', 'memory'))) ?? []
    await broker.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await broker.call('CONFIG', 'SET', 'maxmemory', Math.floor(Number(used) / 2))

    await expect(ledger.app.sendTask('square', [1])).rejects.toThrow(/OOM.*memory is full.*maxmemory/)
    const worker = startWorker(squareProject(), broker)

    await ledger.allDone([worker])
    await broker.call('CONFIG', 'SET', 'maxmemory', 0)
    await ledger.send(10)
    await ledger.allDone([worker])
    await ledger.closed([worker])
  }, 300_000)

  test('turned into a read-only replica it is waited for until it is a primary again', async () => {
    const broker = onRedis(await startRedis())
    const project = squareProject()
    const ledger = await Ledger.open(broker)
    await ledger.sendOthers(3)
    await ledger.send(600)
    const worker = startWorker(project, broker, { holdFrom: 400 })
    await inTheMiddle(worker, 200)

    await broker.call('REPLICAOF', '127.0.0.1', await freePort())
    openGate(project)
    await expect(ledger.app.sendTask('square', [1])).rejects.toThrow(/READONLY.*name its primary/)
    await waitFor(() => worker.stderr.includes('READONLY'), { what: 'what the worker says', timeoutMs: 60_000 })
    await broker.call('REPLICAOF', 'NO', 'ONE')

    await ledger.allDone([worker])
    await ledger.closed([worker])
  }, 300_000)
})
