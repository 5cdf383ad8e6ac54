import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { chain, chord, group, silentLogger, Tq } from '../../runtime/src/index.ts'
import { sharedRabbitmq } from '../helpers/rabbitmq.ts'
import { requireService } from '../helpers/services.ts'

// Servers and workers start in their own time.
vi.setConfig({ testTimeout: 300_000 })

const timeout = 240

/** Results go to the sender's own queue and nowhere else: there is no place to count a header in. */
async function overRpc() {
  const vhost = (await sharedRabbitmq()).vhost()
  onTestFinished(() => vhost.drop())
  const app = new Tq('rpc', { brokerUrl: vhost.url, resultBackend: 'rpc://', logger: silentLogger })
  onTestFinished(() => app.close())
  await app.startWorker({ hostname: 'w1@test' })
  return {
    app,
    add: app.task('add', (x: number, y: number): number => x + y),
    sum: app.task('sum', (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0)),
    fail: app.task('fail', (): number => {
      throw new RangeError('no')
    }),
  }
}

describe.skipIf(!requireService('rabbitmq'))('canvases whose results come by rpc', () => {
  test('a chain gives the results of all its steps to its sender', async () => {
    const { add } = await overRpc()

    const result = await chain(add.s(1, 1), add.s(2), add.s(3)).delay()

    expect(await result.get({ timeout })).toBe(7)
    expect(await result.parent?.get({ timeout })).toBe(4)
  })

  test('a step that fails ends those after it', async () => {
    const { add, fail } = await overRpc()

    const result = await chain(add.s(1, 1), fail.si(), add.s(3)).delay()

    await expect(result.get({ timeout })).rejects.toMatchObject({ type: 'RangeError' })
  })

  test('a group gives its results in order, at the end of a chain too', async () => {
    const { add } = await overRpc()

    const plain = await group(add.s(1, 1), chain(add.s(2, 2), add.s(3)), add.s(4, 4)).delay()
    const last = await chain(add.s(1, 1), group(add.s(1), add.s(2))).delay()

    expect(await plain.get({ timeout })).toEqual([2, 7, 8])
    expect(await last.get({ timeout })).toEqual([3, 4])
  })

  test('a chord, a group before a task and a chord in a later step are refused where they are sent', async () => {
    const { add, sum } = await overRpc()
    const header = [add.s(1, 1), add.s(2, 2)] as const

    for (const one of [
      chord(header, sum.s()),
      group(...header).pipe(sum.s()),
      chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()),
    ]) {
      await expect(one.delay()).rejects.toThrow(
        "A chord needs a result backend that can count its header; 'rpc' cannot.",
      )
    }
  })

  test('a part of a chord of somebody else gives its result all the same, and the log says what is wrong', async () => {
    const { app, add } = await overRpc()
    const errors: string[] = []
    app.logger.error = (text) => void errors.push(text)
    const body = app.signature('sum').set({ taskId: 'body' }).data
    const part = add.s(1, 1).set({ groupId: 'theirs', groupIndex: 0, chord: body })

    const result = await part.delay()

    expect(await result.get({ timeout })).toBe(2)
    expect(errors).toEqual([expect.stringContaining("cannot count: the chord's body will not run")])
  })
})
