import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RunningProcess, spawnBin } from '../../helpers/process.ts'
import { type RedisServer, requireService, startRedis } from '../../helpers/services.ts'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop } from '../../helpers/workbench-shop.ts'
import { type Workbench, pictureOnFailure, startWorkbench } from '../../helpers/workbench.ts'

const password = 'open-sesame-4711'
const needed = [requireService('workbench'), requireService('redis')]

describe.skipIf(needed.includes(false))('a broker with a password', { timeout: 90_000 }, () => {
  const shop = copyShop()
  let redis: RedisServer
  let worker: RunningProcess
  let bench: Workbench

  beforeAll(async () => {
    redis = await startRedis('--requirepass', password)
    const env = { TQ_BROKER_URL: `redis://:${password}@127.0.0.1:${redis.port}/0` }
    worker = spawnBin('tq', ['worker', '-n', 'w1@redis'], { cwd: shop.folder, cleanEnv: true, env })
    await worker.waitForLine(/ at once$/)
    bench = await startWorkbench({ env })
    await bench.open(shop.folder)
  }, 120_000)
  beforeEach(() => pictureOnFailure(() => bench))
  afterAll(async () => {
    await bench?.stop()
    await worker?.stop()
    await redis?.stop()
    shop.remove()
  })

  test('works, and its password is nowhere on the screen and in no log', async () => {
    await bench.openContainer('tq')
    await bench.row('Workers', 'w1@redis').waitFor()
    await bench.openFile('math.ts')
    await bench.clickLens('export const add', 'Run')
    await bench.prompt.answer(/1\/2/, '2')
    await bench.prompt.answer(/2\/2/, '2')
    await waitFor(async () => /=> 4/.test(await bench.lineText('export const add')), {
      what: 'the result',
      timeoutMs: 30_000,
    })

    const seen = [await bench.visibleText()]
    await bench.command('tq: Show Log')
    await bench.page.locator('.panel .output-view').first().waitFor()
    seen.push(await bench.visibleText())
    await bench.command('tq: Show Status')
    seen.push(await bench.visibleText())
    await bench.screenshot('password-1')
    await bench.page.keyboard.press('Escape')

    expect(seen.join('\n')).toContain(`127.0.0.1:${redis.port}`)
    expect(seen.join('\n')).not.toContain(password)
    expect(logs(bench.logsFolder)).not.toContain(password)
  })

  test('a broker that goes away is told, and the password still is not', async () => {
    await redis.kill()

    await waitFor(async () => /lost/i.test((await bench.statusBar()).join('\n')), {
      what: 'the status of a lost broker',
      timeoutMs: 30_000,
    })
    await bench.screenshot('password-2-lost')

    expect(await bench.visibleText()).not.toContain(password)
    expect(logs(bench.logsFolder)).not.toContain(password)
  })
})

function logs(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.some(({ name }) => /tq/i.test(name))).toBe(true)
  return files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8')).join('\n')
}
