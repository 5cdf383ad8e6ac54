import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SqliteBackend } from '../runtime/src/backends/sqlite.ts'
import { systemClock } from '../runtime/src/core/clock.ts'
import { silentLogger } from '../runtime/src/core/logger.ts'
import { openSqliteStore } from '../runtime/src/drivers/sqlite-store.ts'
import type { WorkerEvent } from '../runtime/src/events/event.ts'
import { SqliteTransport } from '../runtime/src/transports/sqlite.ts'
import { decodeEvents, eventExchange } from '../runtime/src/wire/event-dict.ts'
import { spawnProcess } from './helpers/process.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tq-first-minute-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('npm start runs a piped call on a worker of its own, through the file', async () => {
  const path = join(folder, 'tq.db')

  const start = spawnProcess('npm', ['start', '--silent'], { cwd: root, cleanEnv: true, env: { TQ_DB: path } })
  start.write('add.delay(2, 2)\n')
  start.child.stdin?.end()
  const { code } = await start.exit

  expect(start.stdout).toBe('4\n')
  expect(code).toBe(0)

  const events = await eventsIn(path)
  const sent = events.find((event) => event.type === 'task-sent')
  const received = events.find((event) => event.type === 'task-received')
  const succeeded = events.find((event) => event.type === 'task-succeeded')
  expect(sent).toMatchObject({ name: 'math.add', args: '(2, 2)', queue: 'celery' })
  expect(received).toMatchObject({ name: 'math.add', args: '(2, 2)' })
  expect(succeeded).toMatchObject({ result: '4', uuid: sent?.type === 'task-sent' ? sent.uuid : '' })
  expect(succeeded?.pid).toBe(received?.pid)
  expect(succeeded?.pid).not.toBe(sent?.pid)
  expect(await resultIn(path, succeeded?.type === 'task-succeeded' ? succeeded.uuid : '')).toMatchObject({
    state: 'SUCCESS',
    result: 4,
    name: 'math.add',
    worker: succeeded?.hostname,
  })
})

async function eventsIn(path: string): Promise<readonly WorkerEvent[]> {
  const store = await openSqliteStore(path, { clock: systemClock, logger: silentLogger })
  const transport = new SqliteTransport(store, { clock: systemClock, logger: silentLogger })
  await transport.connect()
  try {
    return (await transport.history(eventExchange, 1000)).flatMap((message) => decodeEvents(message))
  } finally {
    await transport.close()
    await store.close()
  }
}

async function resultIn(path: string, id: string): Promise<unknown> {
  const store = await openSqliteStore(path, { clock: systemClock, logger: silentLogger })
  const backend = new SqliteBackend(store, { clock: systemClock, logger: silentLogger })
  await backend.connect()
  try {
    return (await backend.fetch([id]))[0]
  } finally {
    await backend.close()
    await store.close()
  }
}
