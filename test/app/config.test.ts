import { expect, test, vi } from 'vitest'
import { maskSecrets } from '../../runtime/src/core/secrets.ts'
import { memoryApp } from '../../runtime/src/testing.ts'
import { makeProject } from '../helpers/project.ts'

const settingError = (message: string): unknown =>
  expect.objectContaining({ code: 'TQ_SETTING', message: expect.stringContaining(message) })

test('keys of Celery and of tq are understood in an object', () => {
  const app = memoryApp().configFromObject({ task_acks_late: true, TASK_DEFAULT_QUEUE: 'dull', resultExpires: 60 })

  expect(app.settings).toMatchObject({ taskAcksLate: true, taskDefaultQueue: 'dull', resultExpires: 60 })
})

test('a namespace takes its own keys and leaves the others', () => {
  const source = { CELERY_TASK_ACKS_LATE: true, CELERY_taskDefaultQueue: 'dull', DEBUG: true, SECRET_KEY: 'x' }

  const app = memoryApp().configFromObject(source, { namespace: 'CELERY' })

  expect(app.settings).toMatchObject({ taskAcksLate: true, taskDefaultQueue: 'dull' })
})

test('a key that is no setting is refused with what was probably meant, and changes nothing', () => {
  const app = memoryApp()

  expect(() => app.configFromObject({ task_acks_late: true, taskAckLate: true })).toThrowError(
    settingError("Did you mean 'taskAcksLate'?"),
  )
  expect(app.settings.taskAcksLate).toBe(false)
})

test.each([
  ['config.json', '{ "task_acks_late": true }'],
  ['config.ts', 'const late: boolean = true\nexport default { taskAcksLate: late }'],
  ['config.mjs', 'export const taskAcksLate = true'],
  ['config.cjs', 'module.exports = { taskAcksLate: true }'],
])('%s holds settings', (file, text) => {
  const project = makeProject({ [file]: text })

  const app = memoryApp().configFromFile(project.path(file))

  expect(app.settings.taskAcksLate).toBe(true)
  expect(app.describeSettings().find(({ name }) => name === 'taskAcksLate')?.origin).toBe(project.path(file))
})

test.each([
  ['missing.json', '{}', 'other.json', 'ENOENT'],
  ['broken.json', '{', 'broken.json', 'JSON'],
  ['text.json', '"late"', 'text.json', 'to hold an object of settings'],
])('a file that cannot be read, %s, is named', (written, text, asked, message) => {
  const project = makeProject({ [written]: text })

  expect(() => memoryApp().configFromFile(project.path(asked))).toThrowError(
    expect.objectContaining({ code: 'TQ_LOAD', message: expect.stringContaining(message) }),
  )
})

test('environment variables are settings where that is asked for', () => {
  vi.stubEnv('SHOP_TASK_ACKS_LATE', 'yes')
  vi.stubEnv('SHOP_RESULT_EXPIRES', '60')
  vi.stubEnv('SHOP_INCLUDE', 'a.ts, b.ts')
  vi.stubEnv('SHOP_TASK_ROUTES', '{"mail.*": "mail"}')
  vi.stubEnv('SHOP_HOME', '/nowhere')

  const app = memoryApp().configFromEnvironment('SHOP')

  vi.unstubAllEnvs()
  expect(app.settings).toMatchObject({
    taskAcksLate: true,
    resultExpires: 60,
    include: ['a.ts', 'b.ts'],
    taskRoutes: { 'mail.*': 'mail' },
  })
  const origin = app.describeSettings().find(({ name }) => name === 'resultExpires')?.origin
  expect(origin).toBe('environment (SHOP_RESULT_EXPIRES)')
})

test('a variable of the wrong kind is refused', () => {
  vi.stubEnv('SHOP_TASK_ACKS_LATE', 'perhaps')

  expect(() => memoryApp().configFromEnvironment('SHOP')).toThrowError(settingError("got 'perhaps'"))
  vi.unstubAllEnvs()
})

test('each setting tells its value, its default and where it was set', () => {
  const app = memoryApp('tests', { taskAcksLate: true, resultExpires: 5 }).configure({ resultExpires: 60 })

  const described = new Map(app.describeSettings().map((one) => [one.name, one]))

  expect(described.get('taskAcksLate')).toMatchObject({ value: true, default: false, origin: 'options of new Tq' })
  expect(described.get('resultExpires')).toMatchObject({
    celery: 'result_expires',
    value: 60,
    default: 86_400,
    origin: 'configure()',
  })
  expect(described.get('brokerUrl')).toMatchObject({ value: 'memory://', origin: 'options of new Tq' })
  expect(described.get('taskPublishRetry')).toMatchObject({ value: true, origin: 'default' })
})

test('a route that makes no sense leaves the settings as they were', () => {
  const app = memoryApp()

  expect(() => app.configure({ taskQueues: ['a', 'a'], taskAcksLate: true })).toThrowError(settingError('twice'))

  expect(app.settings).toMatchObject({ taskAcksLate: false, taskQueues: undefined })
})

test.each([
  ['brokerUrl', 'redis://u:hunter2@host/0', 'redis://u:***@host/0'],
  ['securityKeyPassword', 'hunter2', '********'],
  ['taskDefaultRoutingKey', 'celery', 'celery'],
  [
    'brokerTransportOptions',
    { globalKeyprefix: 'p', password: 'hunter2' },
    { globalKeyprefix: 'p', password: '********' },
  ],
  ['taskRoutes', [[/mail/, 'mail']], [['/mail/', 'mail']]],
  ['resultExpires', 60, 60],
  ['timezone', undefined, undefined],
])('%s is shown without secrets', (name, value, shown) => {
  expect(maskSecrets(name, value)).toEqual(shown)
})
