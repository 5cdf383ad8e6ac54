import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import type { CallOptions, SettingsInput } from '../../runtime/src/index.ts'
import { bench } from '../helpers/app.ts'

/** A port of this machine on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'object' && address ? address.port : 1
}

/** A call to a broker that is not there: its error, what was logged, and how long it tried. */
async function sendNowhere(settings: SettingsInput, options: CallOptions = {}) {
  const port = await closedPort()
  const url = `redis://shop:hunter2@127.0.0.1:${port}/0`
  const { app, clock, logged } = bench({ broker: url, backend: 'memory://', ...settings })
  // Pauses are virtual, the refused connections are not: each pause is let pass as soon as it is asked for.
  let settled = false
  const sent = app.sendTask('t.add', [1], {}, options).then(
    () => undefined,
    (error: unknown) => error,
  )
  void sent.finally(() => {
    settled = true
  })
  while (!settled) {
    const next = clock.untilNext
    await clock.advance(next !== undefined && next <= 1000 ? next : 0)
  }
  return { error: await sent, logged, port }
}

test('a broker that is not there is tried four times, then the task is not sent', async () => {
  const { error, logged, port } = await sendNowhere({})

  expect(error).toMatchObject({ code: 'TQ_OPERATIONAL', cause: { code: 'TQ_CONNECTION' } })
  const message = error instanceof Error ? error.message : ''
  expect(message).toContain(`redis://shop:***@127.0.0.1:${port}/0 after 4 tries; the task was not sent`)
  expect(`${message}${logged.join()}`).not.toContain('hunter2')
  expect(logged.filter((line) => line.startsWith('WARN Cannot reach the broker'))).toHaveLength(3)
})

test('the pauses grow by their step up to their maximum', async () => {
  const taskPublishRetryPolicy = { maxRetries: 4, intervalStart: 0.1, intervalStep: 0.2, intervalMax: 0.4 }

  const { logged } = await sendNowhere({ taskPublishRetryPolicy })

  expect(logged.flatMap((line) => /again in (\d+) ms/.exec(line)?.[1] ?? [])).toEqual(['100', '300', '400', '400'])
})

test.each([
  ['retry: false at the call', {}, { retry: false }, 1],
  ['the setting taskPublishRetry: false', { taskPublishRetry: false }, {}, 1],
  ['a policy at the call', {}, { retryPolicy: { maxRetries: 1, intervalStart: 0 } }, 2],
] as const)('with %s there is no more than that', async (_, settings, options, tries) => {
  const { error } = await sendNowhere(settings, options)

  expect(error).toHaveProperty('message', expect.stringContaining(`after ${tries} ${tries === 1 ? 'try' : 'tries'};`))
})

test('a URL of an unknown kind is told at the first use, without its password', async () => {
  const { app } = bench({ broker: 'amqq://u:hunter2@host' })

  await expect(app.sendTask('t.add')).rejects.toMatchObject({
    code: 'TQ_SETTING',
    message: expect.stringMatching(/got 'amqq:\/\/u:\*\*\*@host'$/),
  })
})
