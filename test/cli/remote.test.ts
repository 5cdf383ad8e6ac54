import { expect, test } from 'vitest'
import { chain, group, Tq } from '../../runtime/src/index.ts'
import { silentLogger } from '../../runtime/src/index.ts'
import { shop } from './shop.ts'

/** A canvas of the shop's tasks, sent by somebody else; one part goes to a queue that nobody consumes. */
async function sent(db: string): Promise<string> {
  const app = new Tq('elsewhere', { broker: `sqlite://${db}`, logger: silentLogger })
  const add = app.external<(x: number, y: number) => number>('math.add')
  const sum = app.external<(xs: readonly number[]) => number>('math.xsum')
  const result = await chain(add.s(1, 1), group(add.s(1), add.s(2).set({ queue: 'nobody' })), sum.s()).delay()
  await app.close()
  return result.id
}

test('tq inspect workflow says what waits where and what to do, as text and as JSON', async () => {
  const { db, tq } = shop()
  const id = await sent(db)

  const text = await tq(['inspect', 'workflow', id, '-t', '0.01'])
  const json = await tq(['inspect', 'workflow', id, '--json', '-t', '0.01'])

  expect(text).toMatchObject({ code: 0, stderr: '' })
  const lines = text.stdout.split('\n')
  expect(lines[0]).toMatch(new RegExp(`^Workflow ${id}: stuck, 0 of 4 tasks ended, sent \\d+ s ago$`))
  expect(lines.map((line) => line.replace(/ {2,}.*$/, '').trim()).slice(2, 7)).toEqual([
    '… math.add',
    expect.stringMatching(/^▸ chord/),
    '',
    '',
    expect.stringMatching(/^· then math\.xsum/),
  ])
  expect(text.stdout).toMatch(/waits in queue 'celery', which no worker consumes\. Start one: tq worker\n$/)
  expect(JSON.parse(json.stdout)).toMatchObject({ id, state: 'stuck', size: 4, ended: 0, unseen: [] })
})

test('tq inspect and tq control ask and tell the workers', async () => {
  const { tq, worker } = shop()
  await worker()

  const queues = await tq(['inspect', 'active_queues', '--json', '-d', 'w1@test', '-t', '60'])
  const limited = await tq(['control', 'rateLimit', 'math.add', '10/m', '-d', 'w1@test', '-t', '60'])
  const revoked = await tq(['control', 'revoke-by-stamped-headers', 'order=17'])

  expect(JSON.parse(queues.stdout)).toMatchObject({ workers: { 'w1@test': [{ name: 'celery' }] } })
  expect(limited).toMatchObject({ code: 0, stdout: 'w1@test\n    new rate limit set successfully\n' })
  expect(revoked).toMatchObject({ code: 0, stdout: 'Told the workers not to run tasks with order=17.\n' })
})

test('what cannot be asked or told is named, with what can', async () => {
  const { tq } = shop()

  expect(await tq(['inspect', 'nonsense'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('active, reserved'),
  })
  expect(await tq(['control', 'nonsense'])).toMatchObject({ code: 2, stderr: expect.stringContaining('revoke') })
  expect(await tq(['inspect', '--list'])).toMatchObject({ code: 0, stdout: expect.stringContaining('workflow') })
})
