import { describe, expect, test } from 'vitest'
import { ConsoleController } from '../../../tui/src/controller.ts'
import { Narrator } from '../../../tui/src/narrator.ts'
import type { KeyName } from '../../../tui/src/repl/keys.ts'
import type { Store } from '../../../tui/src/store.ts'
import { clean, own } from '../../../tui/src/ui/text.ts'
import { fakePorts } from './console-on-screen.ts'
import { beat, failed, type FixtureOptions, fixtureStore, hostile, nowMs, received, taskId } from './fixture.ts'

interface Read {
  readonly store: Store
  readonly narrator: Narrator
  /** Lines that a key makes. */
  press(key: string): readonly string[]
}

function read(options: FixtureOptions = {}): Read {
  const store = fixtureStore(options)
  const { ports } = fakePorts(store)
  const controller = new ConsoleController(store, ports)
  const narrator = new Narrator(store, () => controller.place(), true)
  const names: Readonly<Record<string, KeyName>> = { '\r': 'enter', '\u001b': 'escape' }
  return {
    store,
    narrator,
    press: (key) => {
      const name = names[key]
      controller.key({ input: name === undefined ? key : '', name, ctrl: false, meta: false, shift: false })
      return narrator.afterKey()
    },
  }
}

describe('the console for a screen reader', () => {
  test('greets with the numbers of the views', () => {
    expect(read().narrator.greeting()).toEqual([
      'tq console. 1 Tasks, 2 Running, 3 Workers, 4 Queues, 5 Scheduled, 6 Failed, ? help, q quit.',
    ])
  })

  test('a view is its name, the number of its rows and the row under the cursor in words', () => {
    const { press } = read()

    expect(press('6')).toEqual([
      'Failed: 1 row.',
      "1: FAIL mail.send 00000002, ({'to': 'a@b.c', 'subject': 'hi'},), Error('SMTP 421'), on w1@box, 1m ago",
    ])
    expect(press('3')).toEqual(['Workers: 2 rows.', '1: w1@box, online, 1 of 4 busy, 1234 done'])
    expect(press('j')).toEqual(['2: w2@box, not heard of any more, 3 busy, 1234 done'])
  })

  test('the detail is told line by line, without styles or drawing', () => {
    const { press } = read()
    press('6')

    const lines = press('\r')

    expect(lines[0]).toBe('x FAIL mail.send')
    expect(lines).toContain('    at send (src/mail.ts:42:11)')
    for (const line of lines) expect(line).toMatch(/^[ -~]*$/u)
  })

  test('a menu is numbered, and what it does is told', () => {
    const { press } = read()

    expect(press('c')).toEqual(['Columns of tasks', ...numbered])
    expect(press('4')).toEqual(['4 [ ] QUEUE'])
  })

  test('a question names its answers', () => {
    const { press } = read()

    expect(press('X')).toEqual(['Revoke mail.digest 00000007? y or n'])
  })

  test('new failures are announced, of many only their number', () => {
    const { store, narrator } = read()
    const events = [1, 2, 3, 4, 5].flatMap((n) => [received(taskId(20 + n), 'mail.send', 9), failed(taskId(20 + n), 5)])

    store.dispatch({ on: 'events', events, nowMs, dropped: 0 })

    expect(narrator.afterWhile()).toEqual([
      "failed: mail.send 00000021: Error('SMTP 421')",
      "failed: mail.send 00000022: Error('SMTP 421')",
      "failed: mail.send 00000023: Error('SMTP 421')",
      'and 2 more failures',
    ])
    expect(narrator.afterWhile()).toEqual([])
  })

  test('workers that come and go and a lost broker are announced, answers once', () => {
    const { store, narrator } = read()
    const { connection } = store.get()

    store.dispatch({ on: 'events', events: [beat('w3@box', 0)], nowMs, dropped: 0 })
    store.dispatch({
      on: 'connection',
      connection: { ...connection, state: 'lost', reason: clean('refused \u001b[31m') },
    })
    store.dispatch({ on: 'log', entry: { id: 9, atMs: nowMs, command: own`tq x`, answer: own`done` } })

    expect(narrator.afterWhile()).toEqual(['broker lost: refused \\e[31m', 'tq x: done', 'worker w3@box: online'])
    expect(narrator.afterWhile()).toEqual([])
  })

  test('hostile text is told with its escapes', () => {
    const { press } = read()

    const [line = ''] = press('j')

    expect(line).toContain('\\e[2J')
    expect(line).not.toContain(hostile.slice(0, 4))
  })
})

const numbered = ['ID', 'ARGS', 'WORKER', 'QUEUE', 'TRY', 'RUNTIME', 'AGE'].map((name, i) => `${i + 1} [x] ${name}`)
