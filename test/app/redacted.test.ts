import { expect, test } from 'vitest'
import { bench } from '../helpers/app.ts'

test.each(['map', 'starmap', 'chunks'] as const)('what a task redacts is hidden in its %s, too', async (form) => {
  const { app, worker, pass, rest, events, logged } = bench({ taskRedact: ['pin'] })
  const login = app.task('t.login', { redact: ['password'] }, (user: string | object, password = '') => [
    typeof user === 'string' ? user : 'object',
    password.length,
  ])
  // Of two shapes, which the types of a task with one optional parameter do not take as one list.
  const calls = [['ann', 'hunter2'] as [string, string], [{ pin: 'hunter3' }] as [object]] as never
  const forms = {
    map: () => login.map([{ pin: 'hunter3' }, 'ann']),
    starmap: () => login.starmap(calls),
    chunks: () => login.chunks(calls, 1),
  }
  const signature = forms[form]()

  const result: { get(): Promise<unknown> } = await signature.delay()
  const [raw] = await (await app.connections.transport()).peek('celery', { limit: 1, state: 'ready' })
  await worker()
  const given = await pass(result.get())
  await rest()

  expect(JSON.stringify([String(signature), raw?.headers, events, logged])).not.toMatch(/hunter[23]/)
  expect(String(signature)).toContain('***')
  expect(raw?.headers['kwargsrepr']).toContain('***')
  expect(JSON.stringify(given)).toContain('ann')
  expect(events.filter(({ type }) => type === 'task-received').length).toBeGreaterThan(0)
})
