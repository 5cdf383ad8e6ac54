import { expect, onTestFinished, test } from 'vitest'
import { drain, memoryApp, passUntil, sentMessages, startWorker, VirtualClock } from '../../runtime/src/testing.ts'

function app(options: Parameters<typeof memoryApp>[1] = {}) {
  const made = memoryApp('tests', options)
  const { clock } = made
  onTestFinished(() => (clock instanceof VirtualClock ? passUntil(clock, made.close()) : made.close()))
  return made
}

test('sentMessages tells what waits, with all that a test wants to know', async () => {
  const clock = new VirtualClock()
  const one = app({ clock, taskSerializer: 'msgpack', acceptContent: ['msgpack'], taskCompression: 'gzip' })
  const mail = one.task('t.mail', { queue: 'mail' }, (to: string, when: Date) => `${to} ${when.getTime()}`)
  const when = new Date(0)

  await mail.delay('ada', when)
  const late = await mail.applyAsync(['bob', when], {
    countdown: 60,
    expires: 120,
    priority: 5,
    headers: { tenant: 7 },
  })

  const sent = await sentMessages(one)
  expect(sent.map(({ args, queue }) => [args, queue])).toEqual([
    [['ada', when], 'mail'],
    [['bob', when], 'mail'],
  ])
  expect(sent[1]).toMatchObject({
    id: late.id,
    task: 't.mail',
    eta: new Date(clock.now() + 60_000),
    expires: new Date(clock.now() + 120_000),
    priority: 5,
    headers: { tenant: 7 },
  })
})

test('an eager app sends nothing', async () => {
  const one = app({ taskAlwaysEager: true })
  const add = one.task('t.add', (x: number, y: number) => x + y)

  await add.delay(1, 2)

  expect(await sentMessages(one)).toEqual([])
})

test('drain runs what waits, and what that sends, and then nobody works any more', async () => {
  const one = app()
  const ran: number[] = []
  const count = one.task('t.count', async (n: number): Promise<void> => {
    ran.push(n)
    if (n > 0) await count.delay(n - 1)
  })
  await count.delay(3)

  await drain(one)
  await count.delay(9)

  expect(ran).toEqual([3, 2, 1, 0])
  expect(await sentMessages(one)).toHaveLength(1)
})

test('drain empties every queue that something was sent to', async () => {
  const one = app()
  const ran: string[] = []
  const far = one.task('t.far', () => void ran.push('far'))
  const near = one.task('t.near', async () => {
    ran.push('near')
    await far.applyAsync([], { queue: 'third' })
  })
  await near.applyAsync([], { queue: 'other' })

  await drain(one)

  expect(ran).toEqual(['near', 'far'])
  expect(await sentMessages(one)).toEqual([])
})

test('on a virtual clock drain lets the time of ETAs and retries pass', async () => {
  const clock = new VirtualClock()
  const one = app({ clock })
  const begin = clock.now()
  const flaky = one.task('t.flaky', { bind: true, maxRetries: 2 }, (self) =>
    self.retries < 2 ? self.retry({ countdown: 3600 }) : 'done',
  )
  const result = await flaky.applyAsync([], { countdown: 60 })

  await drain(one)

  expect(await result.state()).toBe('SUCCESS')
  expect(clock.now() - begin).toBeGreaterThanOrEqual(7_260_000)
})

test('elsewhere drain leaves what is not due', async () => {
  const one = app()
  const later = one.task('t.later', () => 1)
  const result = await later.applyAsync([], { countdown: 3600 })

  await drain(one)

  expect((await sentMessages(one)).map(({ id }) => id)).toEqual([result.id])
})

test('a worker for the length of a block ends with it', async () => {
  const one = app()
  const add = one.task('t.add', (x: number, y: number) => x + y)
  let worker: Awaited<ReturnType<typeof startWorker>>['worker'] | undefined

  {
    await using running = await startWorker(one, { hostname: 'w@test' })
    worker = running.worker
    expect(await (await add.delay(1, 2)).get({ timeout: 30 })).toBe(3)
  }

  expect([worker.hostname, worker.state]).toEqual(['w@test', 'stopped'])
})
