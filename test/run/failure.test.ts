import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { failureOf } from '../../runtime/src/run/failure.ts'

test.each([
  ['of another realm', runInNewContext("new RangeError('elsewhere')"), 'RangeError', ['elsewhere']],
  ['that is frozen and its own cause', frozenCircle(), 'TypeError', ['cold']],
  ['whose message is no text', Object.assign(new Error(), { message: { code: 7 } }), 'Error', ['{"code":7}']],
  ['whose properties throw', hostile(), 'Error', ['Error']],
  ['that is a circle', circle(), 'Error', ['<ref *1> { self: [Circular *1] }']],
  ['that is a big integer', 10n, 'Error', ['10']],
  ['that is a symbol', Symbol('odd'), 'Error', ['Symbol(odd)']],
  ['that is null', null, 'Error', ['null']],
])('something thrown %s is told', (_, thrown, type, message) => {
  const failure = failureOf(thrown, 'tests')

  expect(failure.stored).toMatchObject({ type, message })
  expect(failure.traceback).toContain(message[0])
})

test('a message is stored up to 64 KB, with its length', () => {
  const whole = failureOf(new Error('x'.repeat(65_536)), 'tests')
  const cut = failureOf(new Error('x'.repeat(10_000_000)), 'tests')
  const text = failureOf('y'.repeat(70_000), 'tests')

  expect(whole.stored.message[0]).toHaveLength(65_536)
  expect(cut.stored.message).toEqual([`${'x'.repeat(65_536)}… (10000000 characters)`])
  expect(text.stored.message).toEqual([`${'y'.repeat(65_536)}… (70000 characters)`])
  expect(cut.text.length + cut.traceback.length).toBeLessThan(160_000)
})

function frozenCircle(): Error {
  const error = new TypeError('cold')
  error.cause = error
  return Object.freeze(error)
}

function circle(): unknown {
  const made: { self?: unknown } = {}
  made.self = made
  return made
}

function hostile(): Error {
  const error = new Error('hidden')
  for (const name of ['message', 'stack', 'cause', 'name', 'constructor']) {
    Object.defineProperty(error, name, {
      get: () => {
        throw new Error('do not look')
      },
    })
  }
  return error
}
