import { describe, expect, test } from 'vitest'
import { freePort, requireService, startRedis } from '../helpers/services.ts'
import { onRedis } from './fault-broker.ts'
import { Ledger } from './ledger.ts'
import { squareProject, startWorker } from './square-worker.ts'

/** A worker starts in a second; a busy machine takes its time. */
const patienceMs = 60_000

const at = (url: string): { brokerUrl: string; resultUrl: string } => ({ brokerUrl: url, resultUrl: url })

describe.skipIf(!requireService('redis'))('a worker without its Redis', () => {
  test('that is started first waits for it, and shows no password', async () => {
    const port = await freePort()
    const url = `redis://:hunter2@127.0.0.1:${port}/0`
    const worker = startWorker(squareProject(), at(url))
    const said = await worker.waitForLine('Trying again in 2 s (1 of 100)', patienceMs)

    const server = await startRedis('--port', String(port), '--requirepass', 'hunter2')

    await worker.waitForLine(/ at once$/, patienceMs)
    const ledger = await Ledger.open(onRedis({ ...server, port, url }))
    await ledger.send(5)
    await ledger.allDone([worker])
    await ledger.closed([worker])
    expect(said).toMatch(/ECONNREFUSED.*Is it running/)
    expect(worker.stdout + worker.stderr).not.toContain('hunter2')
  }, 120_000)

  test('ends at once where it is not to wait', async () => {
    const url = `redis://shop:hunter2@127.0.0.1:${await freePort()}/0`
    const worker = startWorker(squareProject('brokerConnectionRetryOnStartup: false'), at(url))

    expect((await worker.exit).code).toBe(1)

    expect(worker.stderr).toContain(url.replace('hunter2', '***'))
    expect(worker.stdout + worker.stderr).not.toMatch(/hunter2|    at |Trying again/)
  }, 120_000)

  test('ends when it is lost where brokerConnectionRetry is off', async () => {
    const server = await startRedis()
    const worker = startWorker(squareProject('brokerConnectionRetry: false'), at(server.url))
    await worker.waitForLine(/ at once$/, patienceMs)

    await server.kill()

    expect((await worker.exit).code).toBe(1)
    expect(worker.stderr).toContain('brokerConnectionRetry is off')
  }, 120_000)
})
