import { expect, test } from 'vitest'
import { makeProject } from '../helpers/project.ts'
import { shop } from './shop.ts'

test('tq tasks is a table with the count beside it', async () => {
  const { code, stdout, stderr } = await shop().tq(['tasks'])

  const lines = stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(14)
  expect(lines).toContainEqual(
    expect.stringMatching(/^math\.add\(x: number, y: number\): number {2,}src\/tasks\/math\.ts:4 {2,}celery$/),
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '14 tasks from 5 files\n' })
})

test('tq tasks --json is one document and nothing else', async () => {
  const { stdout, stderr } = await shop().tq(['tasks', '--json'])

  const { tasks, failures } = JSON.parse(stdout) as { tasks: { name: string }[]; failures: unknown[] }
  expect(tasks).toHaveLength(14)
  expect(tasks).toContainEqual(
    expect.objectContaining({ name: 'mail.send', line: 10, queue: 'celery', params: ['mail'] }),
  )
  expect(failures).toEqual([])
  expect(stderr).toBe('')
})

test('tq queues counts what waits, and tq purge deletes it only when told so', async () => {
  const { tq } = shop()
  await tq(['call', 'math.add', '1', '1', '--no-wait'])
  await tq(['call', 'math.add', '1', '1', '--no-wait', '--countdown', '600'])
  await tq(['call', 'math.add', '1', '1', '--no-wait', '-q', 'other'])

  const before = await tq(['queues'])
  const refused = await tq(['purge'])
  const between = await tq(['queues', '--json'])
  const purged = await tq(['purge', '--force'])
  const after = await tq(['queues', '--json'])

  expect(before.stdout).toMatch(/^QUEUE +READY +HELD +PARKED +WORKERS\ncelery +1 +0 +1 +0\nother +1 +0 +0 +0\n$/)
  expect(refused).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/Delete 2 messages of 'celery'.*\n.*--force/),
  })
  expect(JSON.parse(between.stdout)).toMatchObject({
    queues: [
      { name: 'celery', ready: 1, parked: 1 },
      { name: 'other', ready: 1 },
    ],
  })
  expect(purged).toMatchObject({ code: 0, stdout: "Deleted 2 messages of 'celery'.\n" })
  expect(JSON.parse(after.stdout)).toMatchObject({
    queues: [
      { name: 'celery', ready: 0, parked: 0 },
      { name: 'other', ready: 1 },
    ],
  })
})

test('tq status names the workers that answer', async () => {
  const { tq, worker } = shop()
  await worker()

  const text = await tq(['status'])
  const json = await tq(['status', '--json'])

  expect(text).toMatchObject({ code: 0, stdout: 'w1@test  OK\n', stderr: '1 node online.\n' })
  expect(json.stderr).toBe('')
  expect(JSON.parse(json.stdout)).toEqual({ broker: 'embedded', workers: [{ name: 'w1@test', status: 'online' }] })
})

test('tq status without a worker is exit 5 and says what to start', async () => {
  const { tq } = shop()

  const text = await tq(['status', '--timeout', '0.1'])
  const json = await tq(['status', '--timeout', '0.1', '--json'])

  expect(text).toMatchObject({
    code: 5,
    stdout: '',
    stderr: expect.stringMatching(/^No worker answered within 0\.1 s on embedded; .*Start one: tq worker\n$/),
  })
  expect(json.code).toBe(5)
  expect(JSON.parse(json.stdout)).toEqual({ broker: 'embedded', workers: [] })
})

test('tq events prints what happens as lines, with --json as JSON, until interrupted', async () => {
  const { tq, worker, spawn } = shop()
  const [dump, json] = [spawn(['events', '--dump']), spawn(['events', '--json'])]
  await Promise.all([dump.waitForLine('Listening for events on embedded'), json.waitForLine('Listening')])
  await worker()

  await tq(['call', 'math.add', '2', '40', '--task-id', 'the-id'])

  const line = await dump.waitForLine(/task-succeeded .*uuid=the-id/)
  expect(line).toMatch(/^\d{4}-\d\d-\d\dT\S+ w1@test task-succeeded uuid=the-id .*result=42 .*\[pid \d+, clock \d+\]$/)
  await json.waitForLine(/"task-succeeded"/)
  const events = json.stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { type: string; uuid?: string })
  expect(
    events
      .filter(({ uuid }) => uuid === 'the-id')
      .map(({ type }) => type)
      .sort(),
  ).toEqual(['task-received', 'task-sent', 'task-started', 'task-succeeded'])
  expect(events).toContainEqual(expect.objectContaining({ type: 'worker-online', hostname: 'w1@test' }))
  dump.kill('SIGINT')
  json.kill('SIGTERM')
  expect([(await dump.exit).code, (await json.exit).code]).toEqual([0, 0])
})

test('tq events ends quietly when nobody reads it any longer', async () => {
  const { tq, spawn } = shop()
  const json = spawn(['events', '--json'])
  await json.waitForLine('Listening')

  json.child.stdout?.destroy()
  await tq(['call', 'math.add', '2', '40'])
  const exit = await json.exit

  expect({ exit, stderr: json.stderr }).toEqual({
    exit: { code: 0, signal: null },
    stderr: 'Listening for events on embedded; Ctrl-C ends.\n',
  })
})

test('what a terminal would obey is shown instead of sent there, in names too', async () => {
  const { tq, spawn } = shop()
  const dump = spawn(['events', '--dump'])
  await dump.waitForLine('Listening')
  const worker = spawn(['worker', '-l', 'debug', '-n', 'w1\u001b[2J@test'])
  await worker.waitForLine(/ at once$/)

  await tq(['call', 'reports.daily', '\u001b[2J\u009b31m', '--task-id', 'the\u001b[2J'])
  await dump.waitForLine('task-succeeded')
  const status = await tq(['status'])

  expect(dump.stdout).toContain(String.raw`w1\u001b[2J@test task-succeeded uuid=the\u001b[2J`)
  expect(status.stdout).toBe(`${String.raw`w1\u001b[2J@test`}  OK\n`)
  expect(dump.stdout + worker.stderr).not.toMatch(/[\u001b\u009b]/)
})

test('tq report says what a bug report needs, without passwords', async () => {
  const project = makeProject({
    'app.ts': `import { Tq } from 'tq-runtime'
export const app = new Tq('secretive', { brokerUrl: 'redis://user:hunter2@127.0.0.1:1/0', resultBackend: 'redis://:hunter2@127.0.0.1:1/1' })
`,
  })
  const { tq } = shop({}, project.folder)

  const text = await tq(['report'])
  const json = await tq(['report', '--json'])

  expect(text.stdout).toContain('redis://user:***@127.0.0.1:1/0')
  expect(`${text.stdout}${text.stderr}${json.stdout}${json.stderr}`).not.toContain('hunter2')
  expect(JSON.parse(json.stdout)).toMatchObject({
    app: 'secretive (app.ts)',
    node: process.version,
    settings: { brokerUrl: 'redis://user:***@127.0.0.1:1/0' },
  })
  expect([text.code, json.code]).toEqual([0, 0])
})
