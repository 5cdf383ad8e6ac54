import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { temporaryFolder } from '../helpers/project.ts'
import { shop } from './shop.ts'

// Each test starts several processes, one after the other.
vi.setConfig({ testTimeout: 40_000 })

test('a backup of a file in use is one private file, and what waited runs from it', async () => {
  const { tq, spawn } = shop()
  const events = spawn(['events']) // so that all is not in the one file yet
  await events.waitForLine('Listening')
  const [first, second] = [
    await tq(['call', 'math.add', '1', '2', '--no-wait']),
    await tq(['call', 'math.add', '3', '4', '--no-wait']),
  ]
  const target = join(temporaryFolder(), 'saved.db')

  const run = await tq(['backup', target])
  await tq(['purge', '--force'])

  expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining(`${target}: ${statSync(target).size} bytes`) })
  expect(readdirSync(dirname(target))).toEqual(['saved.db'])
  expect(statSync(target).mode & 0o777).toBe(0o600)
  const restored = shop({ TQ_DB: target })
  await restored.worker()
  for (const [{ stdout: id }, value] of [
    [first, '3\n'],
    [second, '7\n'],
  ] as const) {
    expect((await restored.tq(['result', id.trim(), '--wait', '-t', '10'])).stdout).toBe(value)
  }
})

test('a backup overwrites nothing', async () => {
  const { tq } = shop()
  await tq(['queues'])
  const target = join(temporaryFolder(), 'mine.txt')
  writeFileSync(target, 'mine')

  const { code, stderr } = await tq(['backup', target])

  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`${target} exists already`) })
  expect(statSync(target).size).toBe(4)
})

test('without a database there is nothing to back up, and none is made', async () => {
  const { db, tq } = shop()
  const target = join(temporaryFolder(), 'saved.db')

  const { code, stderr } = await tq(['backup', target])

  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`no database at ${db}`) })
  expect([existsSync(target), existsSync(db)]).toEqual([false, false])
})

test('a damaged file is not backed up over its name, and leaves no half a copy', async () => {
  const { db, tq } = shop()
  writeFileSync(db, 'not a database, but long enough to look at. '.repeat(100))
  const target = join(temporaryFolder(), 'saved.db')

  const { code, stderr } = await tq(['backup', target])

  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('damaged or not a database') })
  expect(readdirSync(dirname(target))).toEqual([])
})

test('a server is not backed up by tq', async () => {
  const { tq } = shop({ TQ_BROKER_URL: 'redis://:secret@127.0.0.1:1/0' })

  const { code, stderr } = await tq(['backup', 'x.db'])

  expect(code).toBe(2)
  expect(stderr).toMatch(/Nothing to back up: redis:.*is a server/)
  expect(stderr).not.toContain('secret')
})
