import { expect, test } from 'vitest'
import { createMemoryServer, memoryApp, passUntil, VirtualClock } from '../../runtime/src/testing.ts'

test('an app for tests has a broker and results of its own, in memory', async () => {
  const [app, other] = [memoryApp(), memoryApp()]
  const add = app.task('t.add', (x: number, y: number) => x + y)
  await app.startWorker()

  const result = await add.delay(2, 2)

  expect(await result.get()).toBe(4)
  expect(await other.result(result.id).state()).toBe('PENDING')
  expect([app.main, app.brokerName()]).toEqual(['tests', 'memory://'])
  await app.close()
  await other.close()
})

test('apps on one server share it', async () => {
  const memory = await createMemoryServer()
  const [sender, worker] = [memoryApp('sender', { memory }), memoryApp('worker', { memory })]
  worker.task('t.add', (x: number, y: number) => x + y)
  await worker.startWorker()

  const result = await sender.sendTask('t.add', [2, 2])

  expect(await result.get()).toBe(4)
  await sender.close()
  await worker.close()
})

test('on a virtual clock an hour passes at once', async () => {
  const clock = new VirtualClock()
  const app = memoryApp('tests', { clock })
  const add = app.task('t.add', (x: number, y: number) => x + y)
  const begin = clock.now()
  await app.startWorker()

  const result = await add.applyAsync([2, 2], { countdown: 3600 })

  expect(await passUntil(clock, result.get())).toBe(4)
  expect(clock.now()).toBe(begin + 3_600_000)
  await passUntil(clock, app.close())
})

test('passUntil gives what the promise gives, its error too, and does not wait for ever', async () => {
  const clock = new VirtualClock()

  expect(
    await passUntil(
      clock,
      clock.sleep(10).then(() => 'slept'),
    ),
  ).toBe('slept')
  await expect(passUntil(clock, Promise.reject(new Error('boom')))).rejects.toThrow('boom')
  await expect(passUntil(clock, new Promise(() => {}))).rejects.toThrow('still pending after 10 virtual ms')
})
