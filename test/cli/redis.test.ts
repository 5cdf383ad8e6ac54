import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeProject } from '../helpers/project.ts'
import { freePort, type RedisServer, requireService, startRedis } from '../helpers/services.ts'
import { shop } from './shop.ts'

describe.skipIf(!requireService('redis'))('over Redis', () => {
  let redis: RedisServer

  beforeAll(async () => {
    redis = await startRedis()
  })

  beforeEach(async () => {
    const { tq } = shop({ TQ_BROKER_URL: redis.url })
    await tq(['purge', '--force'])
  })

  afterAll(async () => {
    await redis?.stop()
  })

  test('a call is run by the worker', async () => {
    const { tq, worker } = shop({ TQ_BROKER_URL: redis.url })
    await worker()

    const { code, stdout, stderr } = await tq(['call', 'math.add', '2', '2'])

    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '4\n', stderr: '' })
  })

  test('without a worker nothing is started: exit 4 names the cause, and the task stays', async () => {
    const { tq } = shop({ TQ_BROKER_URL: redis.url })

    const { code, stdout, stderr } = await tq(['call', 'math.add', '2', '2'])
    const queues = await tq(['queues', '--json'])

    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain(`No worker answers on ${redis.url}`)
    expect(stderr).toContain('tq worker')
    expect(JSON.parse(queues.stdout)).toMatchObject({
      queues: expect.arrayContaining([expect.objectContaining({ name: 'celery', ready: 1 })]),
    })
  })

  test('tq status tells a missing worker from a missing broker', async () => {
    const { tq } = shop({ TQ_BROKER_URL: redis.url })

    const { code, stderr } = await tq(['status', '--timeout', '0.2'])

    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: expect.stringContaining(`on ${redis.url}; the broker itself is fine`),
    })
  })

  test('a second worker of one name is warned of', async () => {
    const { worker, spawn } = shop({ TQ_BROKER_URL: redis.url })
    await worker()

    const second = spawn(['worker', '-n', 'w1@test'])

    expect(await second.waitForLine(/WARN/)).toContain('Another worker is called w1@test')
  })
})

test.skipIf(!requireService('redis'))('a password is used and nowhere shown', async () => {
  const { port } = await startRedis('--requirepass', 'hunter2')
  const { tq, worker } = shop({ TQ_BROKER_URL: `redis://:hunter2@127.0.0.1:${port}/0` })

  const { stdout, stderr } = await worker('-l', 'debug')
  const call = await tq(['call', 'math.add', '2', '2'])
  const status = await tq(['status', '--json'])
  const report = await tq(['report'])
  const refused = await tq(['status', '-b', `redis://:letmein@127.0.0.1:${port}/0`])

  expect(call.stdout).toBe('4\n')
  expect(JSON.parse(status.stdout)).toMatchObject({ broker: `redis://:***@127.0.0.1:${port}/0` })
  expect(refused.code).toBe(1)
  const said = [{ stdout, stderr }, call, status, report, refused].map((one) => one.stdout + one.stderr).join('')
  expect(said).toContain('***')
  expect(said).not.toMatch(/hunter2|letmein/)
})

describe('a broker that cannot be reached', () => {
  test.each([
    ['call', ['call', 'math.add', '2', '2']],
    ['status', ['status']],
    ['queues', ['queues']],
    ['events', ['events', '--dump']],
  ])('ends tq %s with its URL, without the password', async (_name, args) => {
    const port = await freePort()
    const { tq } = shop({ TQ_BROKER_URL: `redis://shop:hunter2@127.0.0.1:${port}/0` })

    const { code, stdout, stderr } = await tq(args)

    expect(stderr).toContain(`redis://shop:***@127.0.0.1:${port}/0`)
    expect(stderr).not.toContain('    at ')
    expect(`${stdout}${stderr}`).not.toContain('hunter2')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  test('says what to try', async () => {
    const port = await freePort()
    const { tq } = shop()

    const { stderr } = await tq(['status', '-b', `redis://127.0.0.1:${port}/0`])

    expect(stderr).toMatch(/Is (the server|it) running|start|TQ_BROKER_URL/i)
  })

  test('a URL of no known scheme is told with those that are', async () => {
    const { tq } = shop()

    const { code, stderr } = await tq(['status', '-b', 'kafka://user:hunter2@host'])

    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/sqlite:, redis:.*kafka:/) })
    expect(stderr).not.toContain('hunter2')
  })
})

test('without an app, a broker named on the command line is enough', async () => {
  const { folder } = makeProject({ 'empty.txt': '' })
  const { tq } = shop({}, folder)

  const { code, stdout } = await tq(['status', '--json', '-b', `sqlite:${folder}/tq.db`, '--timeout', '0.1'])

  expect({ code, document: JSON.parse(stdout) }).toEqual({
    code: 5,
    document: { broker: `sqlite:${folder}/tq.db`, workers: [] },
  })
})
