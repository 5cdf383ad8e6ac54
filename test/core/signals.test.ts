import { expect, test } from 'vitest'
import { SignalHub } from '../../runtime/src/core/signals.ts'

interface Told {
  readonly done: { readonly sender: string; readonly n: number }
}

function hub() {
  const failures: string[] = []
  const made = new SignalHub<Told>((signal, error) => failures.push(`${signal}: ${String(error)}`))
  return { hub: made, failures, emit: (n: number, sender = 'me') => made.emit('done', () => ({ sender, n })) }
}

test('listeners are called in the order in which they were connected, each after the other has ended', async () => {
  const { hub: signals, emit } = hub()
  const order: string[] = []
  signals.connect('done', async () => {
    order.push('first begins')
    await Promise.resolve()
    order.push('first ends')
  })
  signals.connect('done', () => order.push('second'))

  await emit(1)

  expect(order).toEqual(['first begins', 'first ends', 'second'])
})

test('nothing is awaited, and no event made, where nobody listens', () => {
  const { hub: signals } = hub()
  let made = 0

  const pending = signals.emit('done', () => ({ sender: 'me', n: ++made }))

  expect([pending, made, signals.has('done')]).toEqual([undefined, 0, false])
})

test('nothing is awaited where all listeners have returned', () => {
  const { hub: signals, emit } = hub()
  signals.connect('done', () => 1)

  expect(emit(1)).toBeUndefined()
})

test('what a listener throws or rejects with is reported, and the next one is called', async () => {
  const { hub: signals, failures, emit } = hub()
  const heard: number[] = []
  signals.connect('done', () => {
    throw new Error('at once')
  })
  signals.connect('done', async () => Promise.reject(new Error('later')))
  signals.connect('done', ({ n }) => heard.push(n))

  await emit(7)

  expect(failures).toEqual(['done: Error: at once', 'done: Error: later'])
  expect(heard).toEqual([7])
})

test('a listener that goes while it is told hears this event still, and no other', async () => {
  const { hub: signals, emit } = hub()
  const heard: number[] = []
  const stop = signals.connect('done', ({ n }) => {
    heard.push(n)
    stop()
  })
  signals.connect('done', ({ n }) => heard.push(n))

  await emit(1)
  await emit(2)

  expect(heard).toEqual([1, 1, 2])
})

test.each([
  ['mail.send', ['mail.send']],
  ['mail.*', ['mail.send', 'mail.check']],
  ['m?th.add', ['math.add']],
  [undefined, ['mail.send', 'mail.check', 'math.add']],
])('a listener of sender %s hears %j', async (sender, expected) => {
  const { hub: signals, emit } = hub()
  const heard: string[] = []
  signals.connect('done', (event) => heard.push(event.sender), { sender })

  for (const from of ['mail.send', 'mail.check', 'math.add']) await emit(1, from)

  expect(heard).toEqual(expected)
})
