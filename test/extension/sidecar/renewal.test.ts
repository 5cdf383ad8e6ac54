import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop, json, processIds, protocol, startSidecar, type TestSidecar } from './sidecar.ts'

const version = (text: string): string => `import { app } from '../app.ts'
export const version = app.task('version', (): string => '${text}')`

test('an edited body and a new task are run by the worker that takes the place of the one with the old code', async () => {
  const shop = copyShop()
  shop.write('src/tasks/version.ts', version('old'))
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const { folder } = shop
  const first = await sidecar.run({ folder, task: 'version', args: [] })

  shop.write('src/tasks/version.ts', version('new'))
  shop.write('src/tasks/late.ts', version('late').replaceAll('version', 'late'))
  changed(sidecar, 'changed', shop.path('src/tasks/version.ts'))
  changed(sidecar, 'created', shop.path('src/tasks/late.ts'))
  const edited = await sidecar.run({ folder, task: 'version', args: [] })
  const late = await sidecar.run({ folder, task: 'late', args: [] })

  expect(first).toMatchObject({ state: 'SUCCESS', text: "'old'" })
  expect(edited).toMatchObject({ state: 'SUCCESS', text: "'new'" })
  expect(late).toMatchObject({ state: 'SUCCESS', text: "'late'", worker: edited.worker })
  expect(processIds(sidecar).workers).toHaveLength(2)
  await sidecar.next(protocol.logged, ({ text }) => text.startsWith(`Worker ${first.worker} is replaced: its code has`))
  await sidecar.next(
    protocol.logged,
    ({ text }) => text.startsWith(`Worker ${first.worker} (pid`) && /ended/.test(text),
  )
})

test('a worker that a person started is replaced without a run, and has the new task', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const [target] = await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'live')
  const { hostname } = await sidecar.connection.sendRequest(protocol.startWorker, { target: target?.id ?? '' })

  shop.write('src/tasks/late.ts', version('late').replaceAll('version', 'late'))
  changed(sidecar, 'created', shop.path('src/tasks/late.ts'))

  await sidecar.next(protocol.liveChanged, ({ workers }) => {
    const [one, ...others] = workers.filter(({ state }) => state === 'live')
    return others.length === 0 && one?.hostname !== hostname && one?.registered?.includes('late') === true
  })
  expect(processIds(sidecar).workers).toHaveLength(2)
})

test('of two workers only the one that a person started is replaced', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const { target } = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })
  await sidecar.connection.sendRequest(protocol.startWorker, { target })

  shop.write('src/tasks/version.ts', version('new'))
  changed(sidecar, 'created', shop.path('src/tasks/version.ts'))

  await waitFor(() => processIds(sidecar).workers.length === 3, { what: 'the new worker', timeoutMs: 60_000 })
  await waitFor(
    () => {
      const workers = sidecar.of(protocol.liveChanged).at(-1)?.workers ?? []
      return workers.length === 1 && workers[0]?.registered?.includes('version') === true
    },
    { what: 'the new worker alone', timeoutMs: 60_000 },
  )
})

test('what an old worker runs comes to its end there, and the next run does not wait for it', async () => {
  const shop = copyShop()
  shop.write(
    'src/tasks/until.ts',
    `import { existsSync } from 'node:fs'
import { app } from '../app.ts'
export const until = app.task('until', { bind: true }, async (self, file: string): Promise<string> => {
  while (!existsSync(file)) await self.sleep(20) // until the test makes the file
  return 'ended'
})`,
  )
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const { folder } = shop
  const long = sidecar.run({ runId: 'long', folder, task: 'until', args: [json(shop.path('go'))] })
  await sidecar.next(protocol.runUpdated, ({ runId, state }) => runId === 'long' && state === 'STARTED')

  shop.write('src/tasks/version.ts', version('new'))
  changed(sidecar, 'created', shop.path('src/tasks/version.ts'))
  const short = await sidecar.run({ folder, task: 'version', args: [] })
  shop.write('go', '')

  expect(short).toMatchObject({ state: 'SUCCESS', text: "'new'" })
  const { worker, ...rest } = await long
  expect(rest).toMatchObject({ state: 'SUCCESS', text: "'ended'" })
  expect(worker).not.toBe(short.worker)
})

test('a test, a removed file that is told twice and a file older than the worker replace nobody twice', async () => {
  const shop = copyShop()
  shop.write('src/tasks/version.ts', version('old'))
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const { folder } = shop
  const first = await sidecar.run({ folder, task: 'math.add', args: [json(1), json(1)] })

  shop.write('src/math.test.ts', '')
  changed(sidecar, 'created', shop.path('src/math.test.ts'))
  changed(sidecar, 'changed', shop.path('src/tasks/math.ts'))
  const second = await sidecar.run({ folder, task: 'math.add', args: [json(1), json(1)] })
  rmSync(shop.path('src/tasks/version.ts'))
  changed(sidecar, 'deleted', shop.path('src/tasks/version.ts'))
  const third = await sidecar.run({ folder, task: 'math.add', args: [json(1), json(1)] })

  expect(second.worker).toBe(first.worker)
  expect(third.worker).not.toBe(first.worker)
})

test('a worker of a person whose new code cannot be loaded is there again once the code is mended', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const [target] = await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'live')
  const { hostname } = await sidecar.connection.sendRequest(protocol.startWorker, { target: target?.id ?? '' })
  const good = `import { Tq } from 'tq-runtime'\nexport const app = new Tq('shop', { include: ['./tasks/**/*.ts'] })`

  shop.write('src/app.ts', `${good}\nthrow new Error('half done')`)
  changed(sidecar, 'changed', shop.path('src/app.ts'))
  await sidecar.next(protocol.logged, ({ level, text }) => level === 'error' && text.includes('tried again'))
  const kept = sidecar.of(protocol.liveChanged).at(-1)?.workers
  shop.write('src/app.ts', good)
  changed(sidecar, 'changed', shop.path('src/app.ts'))

  expect(kept).toMatchObject([{ hostname, state: 'live' }])
  await waitFor(
    () => {
      const workers = sidecar.of(protocol.liveChanged).at(-1)?.workers ?? []
      const [one, ...others] = workers.filter(({ state }) => state === 'live')
      return others.length === 0 && one !== undefined && one.hostname !== hostname
    },
    { what: 'the new worker alone', timeoutMs: 60_000 },
  )
})

function changed(sidecar: TestSidecar, kind: 'created' | 'changed' | 'deleted', file: string): void {
  sidecar.tell(protocol.filesChanged, { events: [{ file, kind }] })
}
