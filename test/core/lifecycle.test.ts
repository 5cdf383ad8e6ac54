import { expect, test } from 'vitest'
import { deferred, type Service, ServiceStack } from '../../runtime/src/core/lifecycle.ts'

function service(name: string, said: string[], failing?: 'start' | 'stop'): Service {
  return {
    start: async () => {
      said.push(`start ${name}`)
      if (failing === 'start') throw new Error(`${name} does not start`)
    },
    stop: async (deadlineMs) => {
      said.push(`stop ${name} by ${deadlineMs}`)
      if (failing === 'stop') throw new Error(`${name} does not stop`)
    },
  }
}

function stackOf(...services: readonly Service[]): ServiceStack {
  const stack = new ServiceStack()
  for (const one of services) stack.add(one)
  return stack
}

test('services start in order and stop in reverse', async () => {
  const said: string[] = []
  const stack = stackOf(service('a', said), service('b', said))

  await stack.start()
  await stack.stop(500)

  expect(said).toEqual(['start a', 'start b', 'stop b by 500', 'stop a by 500'])
})

test('a start that fails stops what was started already', async () => {
  const said: string[] = []
  const stack = stackOf(service('a', said), service('b', said, 'start'), service('c', said))

  await expect(stack.start()).rejects.toThrow('b does not start')

  expect(said).toEqual(['start a', 'start b', 'stop a by 0'])
})

test('a stop that fails does not keep the others from stopping', async () => {
  const said: string[] = []
  const stack = stackOf(service('a', said), service('b', said, 'stop'), service('c', said, 'stop'))
  await stack.start()

  await expect(stack.stop(0)).rejects.toThrow('c does not stop')

  expect(said.slice(3)).toEqual(['stop c by 0', 'stop b by 0', 'stop a by 0'])
})

test('a second stop does nothing', async () => {
  const said: string[] = []
  const stack = stackOf(service('a', said))
  await stack.start()

  await stack.stop(0)
  await stack.stop(0)

  expect(said).toEqual(['start a', 'stop a by 0'])
})

test('a deferred is settled from outside', async () => {
  const kept = deferred<number>()
  const broken = deferred<number>()

  kept.resolve(4)
  broken.reject(new Error('boom'))

  await expect(kept.promise).resolves.toBe(4)
  await expect(broken.promise).rejects.toThrow('boom')
})
