import { afterEach, describe, expect, test } from 'vitest'
import type { ViewName } from '../../../tui/src/state.ts'
import { clean, own } from '../../../tui/src/ui/text.ts'
import { ConsoleOnScreen, looks } from './console-on-screen.ts'
import { type FixtureOptions, fixtureStore, nowMs, sent, taskId } from './fixture.ts'

describe('the console on a screen', () => {
  let shown: ConsoleOnScreen | undefined

  afterEach(async () => {
    await shown?.close()
  })

  function console_(options: FixtureOptions = {}, look = looks['colour']): ConsoleOnScreen {
    shown = new ConsoleOnScreen(fixtureStore(options), look)
    return shown
  }

  const sizes: readonly (readonly [number, number])[] = [
    [200, 60],
    [120, 30],
    [80, 24],
    [60, 15],
    [40, 10],
    [20, 5],
  ]

  test.each(sizes.flatMap(([columns, rows]) => Object.keys(looks).map((look) => [columns, rows, look] as const)))(
    'tasks at %ix%i in %s',
    async (columns, rows, look) => {
      const one = console_({ columns, rows }, looks[look])

      expect(await one.golden({ styles: columns === 80 || columns === 120 })).toMatchSnapshot()
    },
  )

  test.each(
    (['running', 'workers', 'queues', 'scheduled', 'failed'] satisfies ViewName[]).flatMap((view) => [
      [view, 80, 24] as const,
      [view, 120, 30] as const,
      [view, 40, 10] as const,
    ]),
  )('%s at %ix%i', async (view, columns, rows) => {
    const one = console_({ columns, rows })
    one.store.dispatch({ on: 'view', view })

    expect(await one.golden()).toMatchSnapshot()
  })

  test('the detail instead of the list at 80x24, scrolled and wrapped', async () => {
    const one = console_()

    await one.type('6')
    await one.type('\r')
    expect(await one.golden()).toMatchSnapshot()
    await one.type('t')
    expect(one.text()).toMatch(/^Error: SMTP 421\n {4}at send \(src\/mail\.ts:42:11\)$/mu)
  })

  test('help, made from the table of keys', async () => {
    const one = console_({ columns: 80, rows: 60 })

    await one.type('?')

    expect(await one.golden()).toMatchSnapshot()
  })

  test('the command log', async () => {
    const one = console_()
    one.store.dispatch({
      on: 'log',
      entry: { id: 1, atMs: nowMs, command: own`tq control revoke x`, answer: own`sent for 1 task` },
    })
    one.store.dispatch({
      on: 'log',
      entry: { id: 2, atMs: nowMs, command: own`tq call y`, answer: own`no broker`, failed: true },
    })

    await one.type(':log\r')

    expect(await one.golden()).toMatchSnapshot()
  })

  test('a lost broker: a banner with the countdown, old workers grey, nothing blank', async () => {
    const one = console_()
    const connection = {
      state: 'lost' as const,
      broker: own`redis://:***@localhost`,
      sinceMs: nowMs - 12_000,
      reason: clean('connect ECONNREFUSED \u001b[31m'),
      retryAtMs: nowMs + 4000,
    }
    one.store.dispatch({ on: 'connection', connection })
    one.store.dispatch({ on: 'tick', nowMs: nowMs + 1000 })

    await one.type('3')

    expect(await one.golden({ styles: true })).toMatchSnapshot()
  })

  test('nothing to show says why and what to do', async () => {
    const one = console_({ isEmpty: true })

    expect(await one.golden()).toMatchSnapshot()
  })

  test('no foreign byte reaches the terminal', async () => {
    const one = console_({ columns: 200, rows: 60 })
    await one.type('/evil')
    await one.type('\r\r')

    expect(one.text()).toContain('\\e[2J\\e[8mhidden\\u202e 日本語日本語')
    expect(one.bytes).not.toMatch(/\u001b\[8m|\u202e|\u001b\[31m/u)
  })

  test('a result of megabytes is cut and costs no more than any other', async () => {
    const one = console_()
    const events = [sent(taskId(30), 'big', 0, `('${'日本'.repeat(5_000_000)}',)`)]

    one.store.dispatch({ on: 'events', events, nowMs, dropped: 0 })
    await one.type('\r')

    expect(one.text()).toContain('big')
    expect(one.store.get().cluster.tasks.get(taskId(30))?.args.length).toBeLessThanOrEqual(2048)
  })

  test('a resize to any size and back leaves no debris', async () => {
    const one = console_({ columns: 120, rows: 30 })
    const before = await one.golden()

    for (const [columns, rows] of [...sizes, [40, 10], [199, 59]] as const) await one.resize(columns, rows)
    await one.resize(120, 30)

    expect(await one.golden()).toBe(before)
  })

  test('without colours nothing but bold, dim and inverse is sent', async () => {
    const one = console_({ columns: 120, rows: 30 }, looks['no colour'])
    await one.type('6')
    await one.type('3')

    const codes = new Set(Array.from(one.bytes.matchAll(/\u001b\[([\d;]*)m/gu), ([, code]) => code))
    expect([...codes].sort((a = '', b = '') => Number(a) - Number(b))).toEqual(
      ['0', '1', '2', '22'].filter((code) => codes.has(code)),
    )
  })

  test('in ASCII nothing of ours is beyond ASCII', async () => {
    const one = console_({ columns: 120, rows: 30 }, looks['ascii'])
    for (const keys of ['3', '4', '6', '\r', '?']) {
      await one.type(keys)
      expect(one.text()).toMatch(/^[\n -~]*$/u)
    }
  })

  test('one batch of a thousand events is one frame', async () => {
    const one = console_()
    await one.drawn()
    const before = one.frames

    const events = Array.from({ length: 1000 }, (_, n) => sent(taskId(1000 + n), 'math.add', 0))
    one.store.dispatch({ on: 'events', events, nowMs, dropped: 0 })
    await one.drawn()

    expect(one.frames - before).toBe(1)
  })

  test('leaving restores the cursor and the screen that was there before', async () => {
    const one = console_()
    await one.type('q')
    await one.close()

    expect(one.exitCode).toBe(0)
    expect(one.bytes).toContain('\u001b[?1049h')
    expect(one.bytes.lastIndexOf('\u001b[?1049l')).toBeGreaterThan(one.bytes.lastIndexOf('\u001b[?1049h'))
    expect(one.bytes.lastIndexOf('\u001b[?25h')).toBeGreaterThan(one.bytes.lastIndexOf('\u001b[?25l'))
    expect(one.text()).toBe('')
  })
})
