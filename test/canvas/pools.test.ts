import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { chain, chord, silentLogger, Tq } from '../../runtime/src/index.ts'
import { spawnBin } from '../helpers/process.ts'
import { temporaryFolder } from '../helpers/project.ts'
import { requireService, startRedis } from '../helpers/services.ts'

// Servers and workers start in their own time.
vi.setConfig({ testTimeout: 300_000 })

const appFile = fileURLToPath(new URL('fixtures/app.ts', import.meta.url))
const timeout = 240

/** A worker with children of its own on that broker, and the same tasks for whoever sends. */
async function withPool(pool: 'prefork' | 'threads', brokerUrl: string) {
  const worker = spawnBin('tq', ['worker', '-A', appFile, '-P', pool, '-c', '2', '-n', `${pool}@test`, '-l', 'info'], {
    env: { TQ_BROKER_URL: brokerUrl },
    cleanEnv: true,
  })
  await worker.waitForLine(`${pool}@test ready.`, 240_000)
  const app = new Tq('client', { brokerUrl, logger: silentLogger })
  onTestFinished(() => app.close())
  const external = <F extends (...args: never[]) => unknown>(name: string) => app.external<F>(name)
  return {
    where: external<() => string>('t.where'),
    list: external<(...xs: unknown[]) => unknown[]>('t.list'),
    replacedBy: (kind: keyof typeof names) => external<(...xs: unknown[]) => unknown>(names[kind]),
    growing: external<() => number>('t.growing'),
    worker,
  }
}

const names = { task: 't.toTask', chain: 't.toChain', group: 't.toGroup', chord: 't.toChord' } as const

describe('a child of a pool replaces its task by whatever it likes, and adds parts to its chord', () => {
  test('a thread, on SQLite', async () => {
    await changesCanvases('threads', `sqlite://${join(temporaryFolder(), 'tq.db')}`)
  })

  test.skipIf(!requireService('redis'))('a process, on Redis', async () => {
    await changesCanvases('prefork', (await startRedis()).url)
  })
})

async function changesCanvases(pool: 'prefork' | 'threads', brokerUrl: string): Promise<void> {
  const { where, list, replacedBy, growing, worker } = await withPool(pool, brokerUrl)

  const place = await (await where.delay()).get({ timeout })
  const single = await chain(replacedBy('task').s(2), list.s()).delay()
  const parts = [replacedBy('chain').s(), replacedBy('group').s(), replacedBy('chord').s()]
  const header = await chord(parts, list.s()).delay()
  const grown = await chord([growing.s(), replacedBy('task').s(6)], list.s()).delay()

  expect(place).not.toBe(`${worker.pid}/0`)
  expect(await single.get({ timeout })).toEqual([3])
  expect(await header.get({ timeout })).toEqual([[3, [2, 4], 6]])
  const [values] = (await grown.get({ timeout })) as [number[]]
  expect(values.toSorted((a, b) => a - b)).toEqual([0, 3, 7, 17])
  worker.kill('SIGTERM')
  expect((await worker.exit).code).toBe(0)
}
