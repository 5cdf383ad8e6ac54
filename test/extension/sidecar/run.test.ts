import { existsSync, readFileSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { requireService, startRedis } from '../../helpers/services.ts'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop, json, processIds, protocol, startSidecar } from './sidecar.ts'

const mark = `writeFileSync(new URL('../loaded', import.meta.url), '')`

test('a task runs with nothing running before, on a worker of the project that stays for the next one', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const first = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(2), json(2)] })
  const second = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(20), json(3)] })

  expect(first).toMatchObject({ state: 'SUCCESS', text: '4', detail: '4', task: 'math.add', retries: 0 })
  expect(first.runtimeMs).toBeGreaterThanOrEqual(0)
  expect(second).toMatchObject({ state: 'SUCCESS', text: '23', worker: first.worker })
  expect(sidecar.updates('run-1').map(({ state }) => state)).toEqual(
    expect.arrayContaining(['STARTING', 'PENDING', 'SUCCESS']),
  )
  const db = new DatabaseSync(shop.path('.tq/tq.db'), { readOnly: true })
  expect(db.prepare('select meta from result where id = ?').get(first.id ?? '')).toMatchObject({
    meta: expect.stringContaining('"result":4'),
  })
  db.close()
  const { runs, workers } = processIds(sidecar)
  expect(workers).toHaveLength(1)
  expect(new Set([...runs, ...workers, sidecar.process.pid]).size).toBe(4)
  expect(first.worker).toContain(String(workers[0]))
})

test('the next run is sent by a process that was started ahead and has loaded none of the user’s code', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })
  const { text: ready } = await sidecar.next(protocol.logged, ({ text }) => text.startsWith('Ready for the next run'))

  shop.write('src/tasks/late.ts', `import { app } from '../app.ts'\nexport const late = app.task('late', () => 'late')`)
  sidecar.tell(protocol.filesChanged, { events: [{ file: shop.path('src/tasks/late.ts'), kind: 'created' }] })
  const late = await sidecar.run({ folder: shop.folder, task: 'late', args: [] })

  expect(late).toMatchObject({ state: 'SUCCESS', text: "'late'" })
  expect(ready).toContain(` ${processIds(sidecar).runs[1]}.`)
})

test('a process is ready when a person has typed the arguments, and has run nothing', async () => {
  const shop = copyShop()
  shop.write(
    'src/app.ts',
    `import { writeFileSync } from 'node:fs'\n${mark}\n${readFileSync(shop.path('src/app.ts'), 'utf8')}`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'live')
  rmSync(shop.path('loaded'), { force: true })

  sidecar.tell(protocol.aboutToRun, { folder: shop.folder })
  const { text: ready } = await sidecar.next(protocol.logged, ({ text }) => text.startsWith('Ready for the next run'))
  const isLoaded = existsSync(shop.path('loaded'))
  const end = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })

  expect(isLoaded).toBe(false)
  expect(end).toMatchObject({ state: 'SUCCESS', text: '2' })
  expect(ready).toContain(` ${processIds(sidecar).runs[0]}.`)
})

test('progress is told while the task runs', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/steps.ts',
    `import { existsSync } from 'node:fs'
import { app } from '../app.ts'
export const steps = app.task('steps', { bind: true }, async (self, until: string) => {
  await self.updateState({ state: 'PROGRESS', meta: { done: 1, total: 2 } })
  while (!existsSync(until)) await self.sleep(20)
  return 'all of it'
})`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const ended = sidecar.run({ folder: shop.folder, task: 'steps', args: [json(shop.path('go'))] })

  const progress = await sidecar.next(protocol.runUpdated, ({ state }) => state === 'PROGRESS')
  shop.write('go', '')

  expect(progress).toMatchObject({ text: '{ done: 1, total: 2 }', detail: '{ done: 1, total: 2 }' })
  expect(await ended).toMatchObject({ state: 'SUCCESS', text: "'all of it'" })
})

test('retries are told as they come, until the run is cancelled', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.connection.sendRequest(protocol.run, {
    runId: 'flaky',
    folder: shop.folder,
    task: 'orders.flaky',
    args: [json(3)],
  })

  await sidecar.next(protocol.runUpdated, (update) => update.state === 'STARTED' && update.retries === 1)
  await sidecar.connection.sendRequest(protocol.cancelRun, { runId: 'flaky' })

  expect(sidecar.updates('flaky').find(({ state }) => state === 'RETRY')).toMatchObject({
    text: 'Error: odd input',
    detail: expect.stringContaining('tasks/orders.ts'),
    retries: 0,
  })
  expect(sidecar.updates('flaky').at(-1)).toMatchObject({ state: 'REVOKED', text: 'cancelled' })
})

test('a failure brings its error and its traceback', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'orders.charge', args: [json('a1'), json(-1)] })

  expect(end).toMatchObject({ state: 'FAILURE', text: 'RangeError: cannot charge -1 cents' })
  expect(end.detail).toMatch(/src\/tasks\/orders\.ts:\d+:\d+/)
})

test('a worker that dies is followed by another one, and that is said', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/deadly.ts',
    `import { existsSync, writeFileSync } from 'node:fs'
import { app } from '../app.ts'
export const deadly = app.task('deadly', (mark: string): string => {
  if (existsSync(mark)) return 'alive'
  writeFileSync(mark, '')
  process.kill(process.pid, 'SIGKILL')
  return 'never'
})`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'deadly', args: [json(shop.path('mark'))] })

  expect(end).toMatchObject({ state: 'SUCCESS', text: "'alive'" })
  expect(processIds(sidecar).workers).toHaveLength(2)
  expect(sidecar.updates('run-1').map(({ notice }) => notice)).toContainEqual(
    expect.stringMatching(/^Worker tq-\d+@\S+ has ended.* Another one is started\.$/),
  )
})

test('arguments keep their kinds, whatever is in them', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/echo.ts',
    `import { app } from '../app.ts'
export const kinds = app.task('kinds', (when: Date, big: bigint, left = 'kept'): unknown[] => [when, typeof big, left])
export const echo = app.task('echo', (text: string): string => text)`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const wild = '\u001b[31mred\u202egnorw 漢字 👩‍👩‍👧 \u0000'

  const kinds = await sidecar.run({
    folder: shop.folder,
    task: 'kinds',
    args: [
      { kind: 'date', iso: '2026-01-31T00:00:00Z' },
      { kind: 'bigint', digits: '9007199254740993' },
      { kind: 'undefined' },
    ],
  })
  const echo = await sidecar.run({ folder: shop.folder, task: 'echo', args: [json(wild)] })

  expect(kinds).toMatchObject({ state: 'SUCCESS', text: "[ 2026-01-31T00:00:00.000Z, 'bigint', 'kept' ]" })
  expect(echo.text).toBe("'\\x1B[31mred\\u202egnorw 漢字 👩‍👩‍👧 \\x00'")
  const { outcomes } = await sidecar.next(protocol.outcomes, (told) =>
    told.outcomes.some(({ task }) => task === 'echo'),
  )
  expect(JSON.stringify(outcomes)).not.toMatch(/\u001b|\u202e/)
})

test('a large result is shown by its beginning and read in full up to a limit', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/large.ts',
    `import { app } from '../app.ts'
export const large = app.task('large', () => Array.from({ length: 1_000_000 }, (_, i) => \`row \${i}\`))`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })

  const end = await sidecar.run({ folder: shop.folder, task: 'large', args: [] })
  const full = await sidecar.connection.sendRequest(protocol.fullText, { id: end.id ?? '', target: end.target })

  expect(end.state).toBe('SUCCESS')
  expect(end.text).toMatch(/^\[ 'row 0', 'row 1', .*…$/)
  expect(end.text).toHaveLength(200)
  expect(end.detail).toHaveLength(20_000)
  expect(full.text).toHaveLength(2_000_000)
  expect(full.cutFrom).toBeGreaterThan(10_000_000)
})

test.runIf(requireService('redis'))(
  'a run on a server without a worker says which queue waits and what to start',
  async () => {
    const shop = copyShop()
    const { url } = await startRedis()
    const sidecar = await startSidecar({ paths: [shop.folder], brokerUrl: url })

    await sidecar.connection.sendRequest(protocol.run, {
      runId: 'waits',
      folder: shop.folder,
      task: 'math.add',
      args: [json(1), json(2)],
    })

    const update = await sidecar.next(protocol.runUpdated, ({ notice }) => notice !== undefined)
    expect(update).toMatchObject({
      state: 'PENDING',
      notice: `No worker consumes queue 'celery' on ${url}. Start one: tq worker -Q celery`,
    })
    expect(processIds(sidecar).workers).toEqual([])
    const { target } = update
    const { hostname } = await sidecar.connection.sendRequest(protocol.startWorker, { target })
    expect(await sidecar.next(protocol.runUpdated, ({ state }) => state === 'SUCCESS')).toMatchObject({
      text: '3',
    })
    expect(await sidecar.connection.sendRequest(protocol.inspectWorker, { target, hostname })).toMatchObject({
      lines: expect.arrayContaining(['queues     celery']),
    })
    await sidecar.connection.sendRequest(protocol.stopWorker, { target, hostname })
    await sidecar.next(protocol.liveChanged, ({ workers }) =>
      workers.some((one) => one.hostname === hostname && one.state === 'offline'),
    )
  },
)

test('a task of an unknown name, wrong arguments and values that cannot be sent are refused before they are sent', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const { folder } = shop

  const [unknown, few, date] = await Promise.all([
    sidecar.run({ runId: 'unknown', folder, task: 'math.ad', args: [] }),
    sidecar.run({ runId: 'few', folder, task: 'math.add', args: [json(1)] }),
    sidecar.run({ runId: 'date', folder, task: 'mail.digest', args: [json('a@b.c'), { kind: 'date', iso: 'soon' }] }),
  ])

  expect(unknown).toMatchObject({ state: 'ERROR', text: expect.stringContaining("Did you mean 'math.add'?") })
  expect(few).toMatchObject({ state: 'ERROR', text: expect.stringMatching(/^Expected 2 arguments .*got 1/) })
  expect(date).toMatchObject({ state: 'ERROR', text: "'soon' is not a date." })
  expect(few.id).toBeUndefined()
})

test('a run that is cancelled before it is sent ends its process', async () => {
  const shop = copyShop()
  shop.write('src/tasks/math.ts', `await new Promise((resolve) => setTimeout(resolve, 60_000))`)
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.connection.sendRequest(protocol.run, { runId: 'slow', folder: shop.folder, task: 'math.add', args: [] })
  const [child = 0] = await waitFor(() => processIds(sidecar).runs.length > 0 && processIds(sidecar).runs, {
    what: 'a run',
  })

  await sidecar.connection.sendRequest(protocol.cancelRun, { runId: 'slow' })

  expect(sidecar.updates('slow').at(-1)).toMatchObject({ state: 'REVOKED', text: 'cancelled before it was sent' })
  await waitFor(() => !isRunning(child), { what: 'the end of the run child' })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
