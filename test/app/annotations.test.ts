import { expect, test } from 'vitest'
import { bench } from '../helpers/app.ts'

test.each([
  ['its name', { 'mail.send': { rateLimit: '1/s' } }],
  ['a glob', { 'mail.*': { rateLimit: '1/s' } }],
  ['*', { '*': { rateLimit: '1/s' } }],
  ['a list', [{ 'math.add': { rateLimit: '2/s' } }, { '*': { rateLimit: '1/s' } }]],
  [
    'an object that is asked',
    { annotate: ({ name }: { name: string }) => ({ rateLimit: name === 'mail.send' ? '1/s' : '2/s' }) },
  ],
])('an annotation by %s changes an option of a task', (_by, taskAnnotations) => {
  const { app } = bench({ taskAnnotations })

  const send = app.task('mail.send', { rateLimit: '9/s', queue: 'mail' }, () => 1)

  expect(send.definition.options).toMatchObject({ rateLimit: '1/s', queue: 'mail' })
})

test('the more exact annotation wins, whatever the order', () => {
  const { app } = bench({
    taskAnnotations: {
      'mail.send': { priority: 4 },
      'mail.s*': { priority: 3, maxRetries: 3 },
      'mail.*': { priority: 2, maxRetries: 2, timeLimit: 2 },
      '*': { priority: 1, maxRetries: 1, timeLimit: 1, softTimeLimit: 1 },
    },
  })

  const send = app.task('mail.send', () => 1)

  expect(send.definition.options).toMatchObject({ priority: 4, maxRetries: 3, timeLimit: 2, softTimeLimit: 1 })
})

test('of several annotations the later wins', () => {
  const { app } = bench({
    taskAnnotations: [{ '*': { priority: 1 } }, { annotate: () => ({ priority: 2 }) }, { '*': { maxRetries: 9 } }],
  })

  const send = app.task('mail.send', () => 1)

  expect(send.definition.options).toMatchObject({ priority: 2, maxRetries: 9 })
})

test('annotations that come after the definition hold as well', () => {
  const { app } = bench()
  const send = app.task('mail.send', { priority: 1 }, () => 1)
  const before = send.definition.options.priority

  app.configure({ taskAnnotations: { 'mail.*': { priority: 5 } } })

  expect([before, send.definition.options.priority]).toEqual([1, 5])
})

test('a worker goes by the annotations', async () => {
  const { app, worker, ready } = bench({
    taskAnnotations: { '*': { ignoreResult: true, storeErrorsEvenIfIgnored: true } },
  })
  const failed: unknown[] = []
  app.configure({ taskAnnotations: { '*': { onFailure: (_self, error) => failed.push(String(error)) } } })
  const fail = app.task('t.fail', () => {
    throw new Error('boom')
  })
  await worker()

  await ready(await fail.delay())

  expect(failed).toEqual(['Error: boom'])
})

test('annotations of a wrong kind are refused', () => {
  // @ts-expect-error a text is none
  const make = () => bench({ taskAnnotations: 'mail.*' })

  expect(make).toThrow('taskAnnotations')
})
