import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../runtime/src/core/clock.ts'
import { silentLogger } from '../../runtime/src/core/logger.ts'
import { RedisConnection } from '../../runtime/src/drivers/redis-connection.ts'
import { Tq } from '../../runtime/src/index.ts'
import { makeProject, temporaryFolder } from '../helpers/project.ts'
import { startProxy } from '../helpers/proxy.ts'
import { freePort, type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { waitFor } from '../helpers/wait.ts'
import { ends, inTheMiddle, Ledger, runs, squareApp, startWorker } from './redis-ledger.ts'

describe.skipIf(!requireService('redis'))('Redis in trouble', () => {
  /** Looks at the server as a client that knows nothing of tq. */
  function foreign(server: RedisServer): RedisConnection {
    const made = new RedisConnection(server.url, { clock: systemClock, logger: silentLogger })
    onTestFinished(() => made.close())
    return made
  }

  test('killed and restarted while 5,000 tasks run, it loses none and repeats little', async () => {
    const server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always', '--dir', temporaryFolder())
    const project = makeProject({ 'app.js': squareApp('', 10) })
    const ledger = await Ledger.open(server.url)
    await ledger.send(5000)
    const worker = startWorker(project, server.url, 'first', 50)
    await inTheMiddle(worker, 1000)

    await server.kill()
    await server.restart()

    expect(new Set(runs(worker)).size).toBeLessThan(5000)
    await ledger.allDone()
    await ledger.settled([worker])
    // What was claimed when it fell is taken over, and what had been settled stays so.
    expect(runs(worker).length - 5000).toBeLessThan(50)
    await ends(worker)
  }, 120_000)

  test('stopped for 10 s it is waited for, and the worker goes on', async () => {
    const server = await startRedis()
    const project = makeProject({ 'app.js': squareApp() })
    const ledger = await Ledger.open(server.url)
    await ledger.send(1500)
    const worker = startWorker(project, server.url)
    await inTheMiddle(worker, 300)

    server.pause()
    const stoppedAt = systemClock.monotonic()
    await waitFor(() => systemClock.monotonic() - stoppedAt > 10_000, { what: '10 s', timeoutMs: 60_000 })
    server.resume()

    await ledger.allDone()
    await ledger.settled([worker])
    await ends(worker)
  }, 120_000)

  test('connections cut at random bytes lose nothing of what was sent and nothing of what was claimed', async () => {
    const server = await startRedis()
    const proxy = await startProxy(server.port)
    const url = `redis://127.0.0.1:${proxy.port}/0`
    const project = makeProject({ 'app.js': squareApp() })
    const ledger = await Ledger.open(server.url)
    const client = new Tq('client', { brokerUrl: url, logger: silentLogger })
    onTestFinished(() => client.close())
    await ledger.send(1500)
    const worker = startWorker(project, url)
    await inTheMiddle(worker, 200)

    proxy.cutAtRandom(60_000, 7)
    for (let round = 0; round < 10; round++) await ledger.send(50, client)
    await waitFor(async () => proxy.cuts >= 15 || (await ledger.done()) === 2000, { what: 'cuts', timeoutMs: 60_000 })
    proxy.heal()

    expect(proxy.cuts).toBeGreaterThan(10)
    await ledger.allDone()
    await ledger.settled([worker])
    await ends(worker)
  }, 120_000)

  test('out of memory it takes no new tasks and says so, and the worker empties its queue', async () => {
    const server = await startRedis()
    const project = makeProject({ 'app.js': squareApp() })
    const ledger = await Ledger.open(server.url)
    await ledger.send(500)
    const admin = foreign(server)
    const [, used] = /used_memory:(\d+)/.exec(String(await admin.call('INFO', 'memory'))) ?? []
    await admin.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await admin.call('CONFIG', 'SET', 'maxmemory', Math.floor(Number(used) / 2))

    await expect(ledger.app.sendTask('square', [1])).rejects.toThrow(/OOM.*memory is full.*maxmemory/)
    const worker = startWorker(project, server.url)

    await ledger.allDone()
    await ledger.settled([worker])
    await admin.call('CONFIG', 'SET', 'maxmemory', 0)
    await ledger.send(10)
    await ledger.allDone()
    await ends(worker)
  }, 120_000)

  test('turned into a read-only replica it is waited for until it is a primary again', async () => {
    const server = await startRedis()
    const project = makeProject({ 'app.js': squareApp() })
    const ledger = await Ledger.open(server.url)
    await ledger.send(1000)
    const worker = startWorker(project, server.url)
    await inTheMiddle(worker, 200)

    const admin = foreign(server)
    await admin.call('REPLICAOF', '127.0.0.1', await freePort())
    await expect(ledger.app.sendTask('square', [1])).rejects.toThrow(/READONLY.*name its primary/)
    await waitFor(() => worker.stderr.includes('READONLY'), { what: 'what the worker says' })
    await admin.call('REPLICAOF', 'NO', 'ONE')

    await ledger.allDone()
    await ledger.settled([worker])
    await ends(worker)
  }, 120_000)

  test('a queue deleted under the worker is gone with what it held, and serves what comes after', async () => {
    const server = await startRedis()
    const project = makeProject({ 'app.js': squareApp('', 20) })
    const ledger = await Ledger.open(server.url)
    await ledger.send(1000)
    const worker = startWorker(project, server.url)
    await inTheMiddle(worker, 100)

    await foreign(server).call('DEL', 'celery', '_kombu.binding.celery')
    await ledger.send(50)

    // What the worker held when the queue went has its result, as has all that came later.
    await waitFor(() => runs(worker).includes(1049), { what: 'the last run' })
    await waitFor(async () => (await ledger.done()) === new Set(runs(worker)).size, { what: 'the results' })
    const metas = await (await ledger.app.connections.backend()).fetch(ledger.ids)
    expect(ledger.ids.filter((_, n) => (metas[n]?.state === 'SUCCESS') !== runs(worker).includes(n))).toEqual([])
    expect(metas.slice(1000).every((meta) => meta?.state === 'SUCCESS')).toBe(true)
    expect(await foreign(server).call('EXISTS', 'celery', 'unacked', 'unacked_index')).toBe(0)
    await ends(worker)
  }, 120_000)

  test('a worker stopped for longer than its lease gives way, and its late results change nothing', async () => {
    const server = await startRedis()
    const options = 'brokerTransportOptions: { visibilityTimeout: 1 }'
    const project = makeProject({ 'app.js': squareApp(options, 60) })
    const ledger = await Ledger.open(server.url)
    await ledger.send(300)
    const stopped = startWorker(project, server.url, 'stopped')
    await inTheMiddle(stopped, 60)
    stopped.kill('SIGSTOP')
    const before = runs(stopped)

    const other = startWorker(project, server.url, 'other')
    await ledger.allDone()
    stopped.kill('SIGCONT')

    await waitFor(() => stopped.stderr.includes('was handed to another worker'), { what: 'what the worker says' })
    await ledger.settled([stopped, other])
    expect(runs(other).filter((n) => before.includes(n)).length).toBeGreaterThan(0)
    await ends(stopped)
    await ends(other)
  }, 120_000)
})
