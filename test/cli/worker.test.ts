import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { gated, printed } from './gated.ts'
import { shop } from './shop.ts'

test('the banner says who, where and what', async () => {
  const { db, worker } = shop()

  const { stderr, pid } = await worker('-c', '7')

  expect(stderr).toMatch(new RegExp(`^tq \\d+\\.\\d+\\.\\d+ · w1@test · pid ${pid}$`, 'm'))
  expect(stderr).toMatch(/^ {2}app +shop \(src\/app\.ts\), 14 tasks from 5 files$/m)
  expect(stderr).toMatch(/^ {2}queues +celery$/m)
  expect(stderr).toMatch(/^ {2}pool +async, 7 at once$/m)
  expect(stderr).toContain(db)
})

test('a worker is called celery@host unless -n says otherwise', async () => {
  const { spawn } = shop()

  const worker = spawn(['worker'])

  expect(await worker.waitForLine(/ ready\.$/)).toContain(`celery@${hostname()} ready.`)
})

test('-l silent says nothing but the banner', async () => {
  const { spawn, tq } = shop()
  const worker = spawn(['worker', '-n', 'w1@test', '-l', 'silent'])
  await worker.waitForLine(/at once$/)

  await tq(['call', 'orders.charge', 'a', '0'])

  expect(worker.stderr.trimEnd().split('\n')).toHaveLength(6)
})

test('-Q takes the named queues and leaves the others', async () => {
  const { tq, worker } = shop()
  await tq(['call', 'math.add', '1', '1', '--no-wait'])
  const { stderr } = await worker('-Q', 'a,b')

  const answer = await tq(['call', 'math.add', '20', '1', '-q', 'b'])
  const queues = await tq(['queues', '--json'])

  expect(stderr).toMatch(/^ {2}queues +a, b$/m)
  expect(answer.stdout).toBe('21\n')
  expect(JSON.parse(queues.stdout)).toMatchObject({
    queues: expect.arrayContaining([expect.objectContaining({ name: 'celery', ready: 1 })]),
  })
})

test('without -Q the queues of the tasks are consumed too', async () => {
  const { tq, worker } = shop({}, gated().folder)
  const { stderr } = await worker()

  const { stdout } = await tq(['call', 'elsewhere'])

  expect(stderr).toMatch(/^ {2}queues +celery, slow$/m)
  expect(stdout).toBe('there\n')
})

test('-c limits what runs at once', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker('-c', '1')
  await tq(['call', 'wait', 'first', '--no-wait'])
  await tq(['call', 'wait', 'second', '--no-wait', '--task-id', 'second'])
  await w1.waitForLine('running first')

  const { stdout } = await tq(['queues', '--json'])
  const before = printed(w1)
  project.write('go', '')
  await tq(['result', 'second', '--wait'])

  expect(JSON.parse(stdout)).toMatchObject({ queues: [{ name: 'celery' }, { name: 'slow' }] })
  expect(before).toEqual(['running first'])
  expect(printed(w1)).toEqual(['running first', 'through first', 'running second', 'through second'])
})

test('SIGTERM lets the running task end, takes nothing new and exits 0', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker('-c', '1')
  await tq(['call', 'wait', 'first', '--no-wait', '--task-id', 'first'])
  await tq(['call', 'wait', 'second', '--no-wait', '--task-id', 'second'])
  await w1.waitForLine('running first')

  w1.kill('SIGTERM')
  await tq(['call', 'wait', 'third', '--no-wait']) // a whole process later it still waits for the first
  const states = await tq(['queues', '--json'])
  project.write('go', '')
  const exit = await w1.exit

  expect(exit).toEqual({ code: 0, signal: null })
  expect(printed(w1)).toEqual(['running first', 'through first'])
  expect(JSON.parse(states.stdout)).toMatchObject({ queues: [{ name: 'celery', held: 1, ready: 2 }, {}] })
  expect((await tq(['result', 'first'])).stdout).toBe('first\n')
  expect((await tq(['result', 'second'])).code).toBe(4)
})

test('the second SIGINT gives back what runs and ends at once', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker()
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await w1.waitForLine('running it')

  w1.kill('SIGINT')
  await w1.waitForLine('w1@test: finishing what runs; once more to stop at once.')
  w1.kill('SIGINT')
  const exit = await w1.exit
  const { stdout } = await tq(['queues', '--json'])

  expect(exit.signal).toBeNull()
  expect(printed(w1)).toEqual(['running it'])
  expect(JSON.parse(stdout)).toMatchObject({ queues: [{ name: 'celery', held: 0, ready: 1 }, {}] })
})

test('what a killed worker held goes to another one, under the same node name too', async () => {
  const project = gated()
  const { tq, worker } = shop({}, project.folder)
  const w1 = await worker()
  await tq(['call', 'wait', 'it', '--no-wait', '--task-id', 'it'])
  await w1.waitForLine('running it')

  w1.kill('SIGKILL')
  await w1.exit
  project.write('go', '')
  await worker()
  const { stdout } = await tq(['result', 'it', '--wait'])

  expect(stdout).toBe('it\n')
})

test('a second worker of the same name is refused and told who has it', async () => {
  const { tq, worker } = shop()
  const w1 = await worker()

  const second = await tq(['worker', '-n', 'w1@test'])

  expect(second).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^[^\n]*w1@test[^\n]*\n$/) })
  expect(second.stderr).toContain(String(w1.pid))
})

test('SIGQUIT gives back what runs and stores nothing about it', async () => {
  const { tq, worker } = shop()
  const w1 = await worker('-E', '-l', 'debug')
  await tq(['call', 'reports.slow', '600', '--no-wait', '--task-id', 'it'])
  await w1.waitForLine(/reports\.slow\[it\] received/)

  w1.kill('SIGQUIT')
  const exit = await w1.exit
  const result = await tq(['result', 'it'])
  const queues = await tq(['queues', '--json'])

  expect(exit).toEqual({ code: 0, signal: null })
  expect(result.code).toBe(4)
  expect(JSON.parse(queues.stdout)).toMatchObject({ queues: [{ name: 'celery', held: 0, ready: 1 }] })
})
