import { expect, onTestFinished, test } from 'vitest'
import { deferred } from '../../runtime/src/core/lifecycle.ts'
import { orAborted } from '../../runtime/src/core/or-aborted.ts'

test('gives what the promise gives, and no longer listens', async () => {
  const { signal, removed } = watched()

  expect(await orAborted(Promise.resolve(1), signal)).toBe(1)
  await expect(orAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')

  await expect.poll(removed).toBe(2)
})

test('rejects with the reason of a signal that comes first', async () => {
  const stop = new AbortController()
  const waiting = orAborted(deferred<void>().promise, stop.signal)

  stop.abort(new Error('enough'))

  await expect(waiting).rejects.toThrow('enough')
})

test('a promise that fails when nobody waits any more is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  onTestFinished(() => void process.off('unhandledRejection', onUnhandled))
  const late = deferred<void>()

  await expect(orAborted(late.promise, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  late.reject(new Error('late'))
  await new Promise(setImmediate)
  await new Promise(setImmediate)

  expect(unhandled).toEqual([])
})

function watched(): { readonly signal: AbortSignal; removed(): number } {
  const { signal } = new AbortController()
  let removals = 0
  const { removeEventListener } = signal
  signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
    removals++
    removeEventListener.apply(signal, given)
  }
  return { signal, removed: () => removals }
}
