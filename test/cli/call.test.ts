import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { makeProject } from '../helpers/project.ts'
import { groupMembers } from '../helpers/process-group.ts'
import { waitFor } from '../helpers/wait.ts'
import { shop } from './shop.ts'

describe('with a worker', () => {
  test('only the value goes to stdout', async () => {
    const { tq, worker } = shop()
    await worker()

    const { code, stdout, stderr } = await tq(['call', 'math.add', '2', '2'])

    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '4\n', stderr: '' })
  })

  test('a failed task is exit 3 with the error on stderr', async () => {
    const { tq, worker } = shop()
    await worker()

    const { code, stdout, stderr } = await tq(['call', 'orders.charge', 'a1', '-5'])

    expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: '', stderr: 'RangeError: cannot charge -5 cents\n' })
  })

  test('--no-wait prints the id, and tq result the value of it', async () => {
    const { tq, worker } = shop()
    const first = await tq(['call', 'math.add', '2', '3', '--no-wait'])
    const id = first.stdout.trim()

    const early = await tq(['result', id])
    await worker()
    const waited = await tq(['result', id, '--wait'])
    const plain = await tq(['result', id])
    const json = await tq(['result', id, '--json'])

    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(early).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining(`Nothing is stored for ${id}`) })
    expect(waited).toMatchObject({ code: 0, stdout: '5\n' })
    expect(plain).toMatchObject({ code: 0, stdout: '5\n' })
    expect(JSON.parse(json.stdout)).toMatchObject({ id, state: 'SUCCESS', result: 5 })
  })

  test('tq result of a failed task is exit 3, its traceback is had with --traceback', async () => {
    const { tq, worker } = shop()
    await worker()
    await tq(['call', 'orders.charge', 'a1', '0', '--task-id', 'charge-1'])

    const result = await tq(['result', 'charge-1'])
    const traceback = await tq(['result', 'charge-1', '--traceback'])
    const json = await tq(['result', 'charge-1', '--json'])

    expect(result).toMatchObject({ code: 3, stdout: '', stderr: 'RangeError: cannot charge 0 cents\n' })
    expect(traceback).toMatchObject({ code: 0, stdout: expect.stringContaining('tasks/orders.ts:') })
    expect(json.code).toBe(3)
    expect(JSON.parse(json.stdout)).toMatchObject({ id: 'charge-1', state: 'FAILURE' })
  })

  test('tq result of an id that nobody knows is exit 4', async () => {
    const { tq } = shop()

    const { code, stdout } = await tq(['result', 'no-such-id'])

    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
  })

  test('--timeout gives up with exit 4 and the task goes on', async () => {
    const { tq, worker } = shop()
    await worker()

    const late = await tq(['call', 'math.add', '1', '1', '--countdown', '600', '--timeout', '0.2'])

    expect(late).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('not ready within 0.2 s') })
  })

  test('--json prints the record and nothing else, of a failure too', async () => {
    const { tq, worker } = shop()
    await worker()

    const success = await tq(['call', 'math.add', '2', '2', '--json'])
    const failure = await tq(['call', 'orders.charge', 'a1', '0', '--json'])

    expect(success).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(success.stdout)).toMatchObject({ state: 'SUCCESS', result: 4 })
    expect(failure.code).toBe(3)
    expect(JSON.parse(failure.stdout)).toMatchObject({ state: 'FAILURE', error: { type: 'RangeError' } })
  })

  test('Ctrl-C stops the waiting with exit 130 and says that the task goes on', async () => {
    const { tq, worker, spawn } = shop()
    await worker()
    const events = spawn(['events', '--dump'])
    await events.waitForLine('Listening')
    const call = spawn(['call', 'reports.slow', '600', '--task-id', 'long'])
    await events.waitForLine('task-started uuid=long')

    call.kill('SIGINT')
    const exit = await call.exit
    const queues = await tq(['queues', '--json'])

    expect({ exit, stdout: call.stdout, stderr: call.stderr }).toEqual({
      exit: { code: 130, signal: null },
      stdout: '',
      stderr: 'Not waiting any longer; task long goes on.\n',
    })
    expect(JSON.parse(queues.stdout)).toMatchObject({ queues: [{ name: 'celery', held: 1 }] })
  })

  test('a task that had expired is exit 3', async () => {
    const { tq, worker } = shop()
    const { stdout } = await tq(['call', 'math.add', '1', '1', '--expires', '0', '--no-wait'])
    await worker()

    const result = await tq(['result', stdout.trim(), '--wait'])

    expect(result).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('expired') })
  })
})

describe('arguments', () => {
  const echo = `import { Tq } from 'tq-runtime'
export const app = new Tq('echo')
export const args = app.task('echo', (...args: unknown[]) => args)
export const named = app.task('named', { params: ['x', 'y'] }, (x: number, y: number) => x * 10 + y)
export const text = app.task('text', (what: string) => what)
`
  const project = (): ReturnType<typeof shop> => shop({}, makeProject({ 'app.ts': echo }).folder)

  test('words are JSON where they parse, else text', async () => {
    const { tq } = project()

    const { stdout } = await tq(['call', 'echo', '--eager', '2', 'two', '[1]', 'null', '"2"', 'a b'])

    expect(JSON.parse(stdout)).toEqual([2, 'two', [1], null, '2', 'a b'])
  })

  test('a list comes by -a, from standard input by -a -', async () => {
    const { tq } = project()

    const given = await tq(['call', 'echo', '--eager', '-a', '[1, {"a": 2}]'])
    const long = 'x'.repeat(300_000) // longer than a pipe holds
    const piped = await tq(['call', 'echo', '--eager', '-a', '-'], { input: `[3, "${long}"]\n` })

    expect(JSON.parse(given.stdout)).toEqual([1, { a: 2 }])
    expect(JSON.parse(piped.stdout)).toEqual([3, long])
  })

  test('keywords come by -k', async () => {
    const { tq } = project()

    const { code, stdout } = await tq(['call', 'named', '--eager', '-k', '{"y": 1, "x": 2}'])

    expect({ code, stdout }).toEqual({ code: 0, stdout: '21\n' })
  })

  test.each([
    [['echo', '-a', '{"not": "a list"}'], 'Expected --args to be a JSON list'],
    [['echo', '-a', '[1,'], '--args is not JSON'],
    [['echo', '1', '-a', '[2]'], 'not both'],
    [['named', '-k', '[1]'], 'Expected --kwargs to be a JSON object'],
    [['echoo', '1'], "There is no task 'echoo' here. Did you mean 'echo'?"],
  ])('tq call %j is a usage error', async (args, reason) => {
    const { tq } = project()

    const { code, stdout, stderr } = await tq(['call', '--eager', ...args])

    expect(stderr).toContain(reason)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  test('arguments that do not fit are told without a stack, and nothing is sent', async () => {
    const { tq } = project()

    const { code, stdout, stderr } = await tq(['call', 'text'])
    const queues = await tq(['queues', '--json'])

    expect(stderr).toMatch(/^Expected 1 argument \(what: string\), got 0: text\(what: string\)\..*\n$/)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(queues.stdout)).toMatchObject({ queues: [{ name: 'celery', ready: 0 }] })
  })

  test('what a terminal would obey is shown instead', async () => {
    const { tq } = project()

    const { stdout } = await tq(['call', 'text', '--eager', '\u001b]0;owned\u0007\u009b31mred\u202e'])

    expect(stdout).toBe('\\u001b]0;owned\\u0007\\u009b31mred\\u202e\n')
  })
})

describe('without a worker, on the embedded broker', () => {
  test('one is started for the call, runs the task in a process of its own and is gone afterwards', async () => {
    const { db, spawn } = shop()

    const call = spawn(['call', 'math.add', '2', '2'])
    const { code } = await call.exit

    expect({ code, stdout: call.stdout }).toEqual({ code: 0, stdout: '4\n' })
    const [, hostname] = /^No worker was running: started (tq-\d+@\S+) for this call/.exec(call.stderr) ?? []
    const stored = new DatabaseSync(db, { readOnly: true })
    const results = stored.prepare('select meta from result').all()
    const events = stored.prepare("select key, body from fanout where topic = 'celeryev'").all()
    stored.close()
    expect(hostname).toBeDefined()
    const workerPid = Number(/^tq-(\d+)@/.exec(hostname ?? '')?.[1])
    expect(workerPid).not.toBe(call.pid)
    expect(results.map(({ meta }): unknown => JSON.parse(String(meta)))).toMatchObject([
      { status: 'SUCCESS', result: 4 },
    ])
    const succeeded = events.find(({ key }) => key === 'task.succeeded')
    const { body } = JSON.parse(String(succeeded?.['body'])) as { body: string }
    expect(JSON.parse(body)).toMatchObject({ type: 'task-succeeded', pid: workerPid, hostname })
    await waitFor(() => groupMembers(call.pid).length === 0, { what: 'the end of the worker' })
  })

  test('the worker runs tasks of a queue that the call names', async () => {
    const { tq } = shop()

    const { code, stdout } = await tq(['call', 'math.add', '2', '2', '-q', 'other'])

    expect({ code, stdout }).toEqual({ code: 0, stdout: '4\n' })
  })
})
