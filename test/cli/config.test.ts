import { expect, test } from 'vitest'
import { makeProject } from '../helpers/project.ts'
import { shop } from './shop.ts'

const project = () =>
  makeProject({
    'app.ts': `import { Tq } from 'tq-runtime'
export const app = new Tq('settled', {
  brokerUrl: 'redis://user:hunter2@127.0.0.1:1/0',
  taskQueues: ['celery', { name: 'images', maxPriority: 5 }],
  taskRoutes: [[/^image/, 'images'], (name) => undefined],
})
app.configure({ taskAcksLate: true }).configFromFile('settings.json')
`,
    'settings.json': '{ "result_expires": 60 }',
  })

test('tq config shows what is set, and with --show-origin where', async () => {
  const { tq } = shop({ TQ_RESULT_BACKEND: 'redis://:hunter2@127.0.0.1:1/1' }, project().folder)

  const { code, stdout, stderr } = await tq(['config', '--show-origin'])

  expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual(
    expect.arrayContaining([
      ['brokerUrl', 'redis://user:***@127.0.0.1:1/0', 'options of new Tq (app.ts)'],
      ['resultBackend', 'redis://:***@127.0.0.1:1/1', 'environment (TQ_RESULT_BACKEND)'],
      ['taskAcksLate', 'true', 'configure() (app.ts)'],
      ['resultExpires', '60', 'settings.json (app.ts)'],
      ['taskQueues', '["celery",{"name":"images","maxPriority":5}]', 'options of new Tq (app.ts)'],
    ]),
  )
  expect(stdout).toContain('[["/^image/","images"],"[function without a name]"]')
  expect(stderr).toMatch(/^6 of \d+ settings are set; --all shows the others\.\n$/)
  expect({ code, secrets: `${stdout}${stderr}`.includes('hunter2') }).toEqual({ code: 0, secrets: false })
})

test('tq config --json --all has every setting', async () => {
  const { tq } = shop({}, project().folder)

  const { code, stdout } = await tq(['config', '--json', '--all'])

  const settings = JSON.parse(stdout) as readonly object[]
  expect(code).toBe(0)
  expect(settings).toContainEqual(
    expect.objectContaining({ name: 'taskPublishRetry', celery: 'task_publish_retry', value: true, origin: 'default' }),
  )
  expect(settings).toContainEqual(
    expect.objectContaining({ name: 'resultExpires', value: 60, default: 86_400, origin: 'settings.json' }),
  )
  expect(stdout).not.toContain('hunter2')
})

test('tq report tells the settings that are set, and the queues', async () => {
  const { tq } = shop({}, project().folder)

  const { code, stdout } = await tq(['report', '--json'])

  expect(JSON.parse(stdout)).toMatchObject({
    queues: ['celery', 'images'],
    settings: { taskAcksLate: true, brokerUrl: 'redis://user:***@127.0.0.1:1/0' },
  })
  expect(code).toBe(0)
})

test('a worker takes the queues of -Q without those of -X', async () => {
  const { worker } = shop()

  const started = await worker('-Q', 'one,two,three', '-X', 'two')

  expect(started.stderr).toMatch(/ {2}queues +one, three\n/)
})

test('a queue that may not be created is refused with what was probably meant', async () => {
  const { folder } = makeProject({
    'app.ts': `import { Tq } from 'tq-runtime'
export const app = new Tq('strict', { taskQueues: ['emails', 'celery'], taskCreateMissingQueues: false })
app.task('mail.send', () => 1)
`,
  })
  const { tq } = shop({}, folder)

  const called = await tq(['call', 'mail.send', '-q', 'emials', '--no-wait'])
  const worker = await tq(['worker', '-Q', 'emials'])

  for (const { code, stderr } of [called, worker]) {
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("Did you mean 'emails'?") })
  }
})
