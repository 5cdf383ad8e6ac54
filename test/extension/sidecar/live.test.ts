import { existsSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runBin, spawnBin } from '../../helpers/process.ts'
import { makeProject } from '../../helpers/project.ts'
import { type RedisServer, requireService, startRedis } from '../../helpers/services.ts'
import { waitFor } from '../../helpers/wait.ts'
import { copyShop, json, protocol, startSidecar } from './sidecar.ts'

const password = 'open-sesame/42'
const isWithRedis = requireService('redis')
let redis: RedisServer

beforeAll(async () => {
  if (isWithRedis) redis = await startRedis('--requirepass', password)
})
afterAll(() => redis?.stop())

function url(): string {
  return redis.url.replace('//', `//:${encodeURIComponent(password)}@`)
}

test('looking at a project makes nothing in it; a worker of somebody else is seen when it comes and when it goes', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const [target] = await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'live')
  expect(target).toMatchObject({ broker: 'embedded', embedded: true, main: 'shop', file: shop.path('src/app.ts') })
  expect(existsSync(shop.path('.tq'))).toBe(false)

  const worker = spawnBin('tq', ['worker', '-n', 'w1@here'], { cwd: shop.folder })

  const seen = await sidecar.next(protocol.liveChanged, ({ workers }) =>
    workers.some(({ registered }) => registered !== undefined),
  )
  expect(seen.workers).toMatchObject([
    {
      hostname: 'w1@here',
      state: 'live',
      queues: ['celery'],
      slots: 100,
      registered: expect.arrayContaining(['math.add']),
    },
  ])
  expect(seen.workers[0]?.own).toBeUndefined()
  await runBin('tq', ['call', 'math.add', '20', '3'], { cwd: shop.folder })
  const { outcomes } = await sidecar.next(protocol.outcomes)
  expect(outcomes).toMatchObject([
    {
      target: target?.id,
      task: 'math.add',
      state: 'SUCCESS',
      text: '23',
      args: '(20, 3)',
      worker: 'w1@here',
      retries: 0,
    },
  ])
  sidecar.tell(protocol.watchLive, { visible: true })
  await sidecar.next(protocol.liveChanged, ({ queues }) =>
    queues.some(({ name, consumers }) => name === 'celery' && consumers === 1),
  )
  await worker.stop()
  await sidecar.next(protocol.liveChanged, ({ workers }) => workers[0]?.state === 'offline')
})

test('a database that is deleted is not made again by looking', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({ paths: [shop.folder] })
  const { target, worker = '' } = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })
  await sidecar.connection.sendRequest(protocol.stopWorker, { target, hostname: worker })
  await sidecar.next(protocol.liveChanged, ({ workers }) => workers[0]?.state === 'offline')

  rmSync(shop.path('.tq'), { recursive: true })

  await waitFor(() => sidecar.of(protocol.liveChanged).at(-1)?.workers.length === 0, { what: 'an empty list' })
  expect(existsSync(shop.path('.tq'))).toBe(false)
  expect(await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(2), json(3)] })).toMatchObject({
    state: 'SUCCESS',
    text: '5',
  })
})

test('outcomes of the past are not told again', async () => {
  const shop = copyShop()
  const worker = spawnBin('tq', ['worker', '-n', 'w1@here'], { cwd: shop.folder })
  await worker.waitForLine('w1@here')
  await runBin('tq', ['call', 'math.add', '1', '1'], { cwd: shop.folder })
  const sidecar = await startSidecar({ paths: [shop.folder] })
  await sidecar.next(protocol.liveChanged, ({ workers }) => workers.length === 1)

  await runBin('tq', ['call', 'math.mul', '2', '3'], { cwd: shop.folder })

  const { outcomes } = await sidecar.next(protocol.outcomes)
  expect(outcomes.map(({ task }) => task)).toEqual(['math.mul'])
})

test.runIf(isWithRedis)('two apps of a folder have a broker each, and a password is never shown', async () => {
  const project = makeProject({
    'package.json': '{ "type": "module", "tq": { "app": "two.ts" } }',
    'one.ts': `import { Tq } from 'tq-runtime'
export const one = new Tq('one')
export const here = one.task('here', () => 'embedded')`,
    'two.ts': `import { Tq } from 'tq-runtime'
export const two = new Tq('two', { brokerUrl: ${JSON.stringify(url())}, include: ['./two-tasks.ts'] })`,
    'two-tasks.ts': `import { two } from './two.ts'
export const leak = two.task('leak', () => two.settings.brokerUrl)
export const fail = two.task('fail', () => { throw new Error('cannot reach ' + two.settings.brokerUrl) })
console.log('broker', two.settings.brokerUrl)`,
  })
  const sidecar = await startSidecar({ paths: [project.folder] })
  const targets = await sidecar.next(
    protocol.targetsChanged,
    (list) => list.length === 2 && list.every(({ state }) => state === 'live'),
  )

  expect(targets).toMatchObject([
    { main: 'two', embedded: false, broker: redis.url.replace('//', '//:***@') },
    { main: 'one', embedded: true, broker: 'embedded' },
  ])
  const [two, one] = targets.map(({ id }) => id)
  const { hostname } = await sidecar.connection.sendRequest(protocol.startWorker, { target: two ?? '' })
  const folder = project.folder
  expect(await sidecar.run({ folder, target: two, task: 'leak', args: [] })).toMatchObject({
    state: 'SUCCESS',
    worker: hostname,
  })
  const failed = await sidecar.run({ folder, target: two, task: 'fail', args: [] })
  expect(failed).toMatchObject({ state: 'FAILURE', text: expect.stringContaining('cannot reach redis://:***@') })
  await sidecar.connection
    .sendRequest(protocol.fullText, { id: failed.id ?? '', target: two ?? '' })
    .then(({ text }) => expect(text).not.toContain('sesame'))
  expect(await sidecar.run({ folder, target: one, task: 'here', args: [] })).toMatchObject({
    state: 'SUCCESS',
    text: "'embedded'",
  })
  await sidecar.next(protocol.outcomes, ({ outcomes }) => outcomes.some(({ task }) => task === 'fail'))
  const own = sidecar.of(protocol.liveChanged).findLast(({ target }) => target === two)
  expect(own?.workers).toMatchObject([{ hostname, own: true }])
  expect(JSON.stringify(sidecar.told.filter(({ method }) => method !== 'scanned'))).not.toContain('sesame')
  expect(sidecar.process.stderr).not.toContain('sesame')
})

test.runIf(isWithRedis)(
  'a broker that goes away is said to be lost and found again; a worker that was killed grows stale',
  async () => {
    const server = await startRedis()
    const shop = copyShop()
    const sidecar = await startSidecar({ paths: [shop.folder], brokerUrl: server.url })
    await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'live')
    const worker = spawnBin('tq', ['worker', '-n', 'w1@here'], { cwd: shop.folder, env: { TQ_BROKER_URL: server.url } })
    await sidecar.next(protocol.liveChanged, ({ workers }) => workers[0]?.registered !== undefined)

    await worker.stop(0)
    await sidecar.next(protocol.liveChanged, ({ workers }) => workers[0]?.state === 'stale')
    await server.kill()
    const [lost] = await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'lost')
    expect(lost?.reason).toMatch(/\w/)
    await server.restart()

    await waitFor(() => sidecar.of(protocol.targetsChanged).at(-1)?.[0]?.state === 'live', {
      what: 'the broker',
      timeoutMs: 30_000,
    })
    await sidecar.connection.sendRequest(protocol.startWorker, { target: lost?.id ?? '' })
    expect(await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })).toMatchObject({
      text: '2',
    })
  },
)

test.runIf(isWithRedis)('a broker that cannot be reached is lost with its reason, and a run says so', async () => {
  const shop = copyShop()
  const sidecar = await startSidecar({
    paths: [shop.folder],
    brokerUrl: `redis://:${encodeURIComponent(password)}@127.0.0.1:1/0`,
  })

  const [target] = await sidecar.next(protocol.targetsChanged, ([one]) => one?.state === 'lost')
  const end = await sidecar.run({ folder: shop.folder, task: 'math.add', args: [json(1), json(1)] })

  expect(target?.reason).toContain('127.0.0.1:1')
  expect(end).toMatchObject({ state: 'ERROR', text: expect.stringContaining('127.0.0.1:1') })
  expect(JSON.stringify(sidecar.told)).not.toContain('sesame')
})
