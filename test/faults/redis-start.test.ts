import { describe, expect, test } from 'vitest'
import { makeProject } from '../helpers/project.ts'
import { freePort, requireService, startRedis } from '../helpers/services.ts'
import { ends, Ledger, squareApp, startWorker } from './redis-ledger.ts'

describe.skipIf(!requireService('redis'))('a worker without its Redis', () => {
  test('that is started first waits for it, and shows no password', async () => {
    const port = await freePort()
    const url = `redis://:hunter2@127.0.0.1:${port}/0`
    const worker = startWorker(makeProject({ 'app.js': squareApp() }), url)
    const said = await worker.waitForLine('Trying again in 2 s (1 of 100)')

    await startRedis('--port', String(port), '--requirepass', 'hunter2')

    await worker.waitForLine(/ at once$/)
    const ledger = await Ledger.open(url)
    await ledger.send(5)
    await ledger.allDone()
    await ends(worker)
    expect(said).toMatch(/ECONNREFUSED.*Is it running/)
    expect(worker.stdout + worker.stderr).not.toContain('hunter2')
  }, 120_000)

  test('ends at once where it is not to wait', async () => {
    const url = `redis://shop:hunter2@127.0.0.1:${await freePort()}/0`
    const worker = startWorker(makeProject({ 'app.js': squareApp('brokerConnectionRetryOnStartup: false') }), url)

    expect((await worker.exit).code).toBe(1)

    expect(worker.stderr).toContain(url.replace('hunter2', '***'))
    expect(worker.stdout + worker.stderr).not.toMatch(/hunter2|    at |Trying again/)
  })

  test('ends when it is lost where brokerConnectionRetry is off', async () => {
    const server = await startRedis()
    const worker = startWorker(makeProject({ 'app.js': squareApp('brokerConnectionRetry: false') }), server.url)
    await worker.waitForLine(/ at once$/)

    await server.kill()

    expect((await worker.exit).code).toBe(1)
    expect(worker.stderr).toContain('brokerConnectionRetry is off')
  })
})
