import { afterEach, describe, expect, test } from 'vitest'
import { ConsoleOnScreen, looks } from './console-on-screen.ts'
import { beat, type FixtureOptions, fixtureStore, nowMs, sent, taskId } from './fixture.ts'

describe('keys of the console', () => {
  let shown: ConsoleOnScreen | undefined

  afterEach(async () => {
    await shown?.close()
  })

  function console_(options: FixtureOptions = { columns: 120, rows: 30 }): ConsoleOnScreen {
    shown = new ConsoleOnScreen(fixtureStore(options), looks['no colour'])
    return shown
  }

  test('several keys in one chunk are several keys', async () => {
    const one = console_()

    await one.type('jjjk')

    expect(one.text()).toMatch(/^> ⊘ REVOKED reports.slow/mu)
    expect(one.store.cursorIndex()).toBe(2)
  })

  test('the filter narrows while it is typed, Enter keeps it, Esc takes it away', async () => {
    const one = console_()

    await one.type('/state:FAILURE name:mail.*')
    expect(one.text()).toContain('/state:FAILURE name:mail.*')
    expect(one.store.rows().rows).toHaveLength(1)
    await one.type('\r')
    expect(one.text()).toContain('filter: state:FAILURE name:mail.*')
    await one.escape()

    expect(one.store.rows().rows).toHaveLength(7)
  })

  test('the cursor of the terminal stands where the filter is typed', async () => {
    const one = console_({ columns: 80, rows: 24 })

    await one.type('/mail')
    expect(one.screen.cursor()).toEqual({ x: 5, y: 22 })
    await one.type('\u001b[D')

    expect(one.screen.cursor()).toEqual({ x: 4, y: 22 })
  })

  test('Esc while the filter is typed puts back the one before', async () => {
    const one = console_()
    await one.type('/mail\r')

    await one.type('/x')
    await one.escape()

    expect(one.store.get().ui.filter).toBe('mail')
  })

  test('a paste into the filter is text, newlines and all', async () => {
    const one = console_()

    await one.type('/')
    await one.type('\u001b[200~mail\nX\u001b[201~')

    expect(one.store.get().ui.filter).toBe('mail X')
    expect(one.commands).toEqual([])
  })

  test('a paste into the list does nothing', async () => {
    const one = console_()

    await one.type('\u001b[200~XyKy\u001b[201~')

    expect(one.commands).toEqual([])
    expect(one.store.get().ui.question).toBeUndefined()
  })

  test('revoke asks first, and only y does it', async () => {
    const one = console_()
    await one.type('jj')

    await one.type('X')
    expect(one.text()).toContain('Revoke reports.slow 00000005? [y/N]')
    await one.type('n')
    expect(one.commands).toEqual([])
    await one.type('Xy')

    expect(one.commands).toEqual([`revoke ["${taskId(5)}"] {"terminate":false}`])
  })

  test('terminate says what it does', async () => {
    const one = console_()

    await one.type('jjjj')
    await one.type('K')
    expect(one.text()).toContain('Revoke img.resize 00000003 and end it where it runs? [y/N]')
    await one.type('y')

    expect(one.commands).toEqual([`revoke ["${taskId(3)}"] {"terminate":true}`])
  })

  test('a held row is retried at once, a row that may have moved under the cursor is asked about', async () => {
    const one = console_()

    await one.type('R')
    expect(one.text()).toContain('Send mail.digest 00000007 again? [y/N]')
    await one.type('n')
    await one.type('6')
    await one.type('j')
    await one.type('R')

    expect(one.commands).toEqual([`retry ["${taskId(2)}"]`])
  })

  test('marked rows are acted on together, with their count', async () => {
    const one = console_()

    await one.type('   ')
    expect(one.text()).toContain('3 marked')
    await one.type('R')
    expect(one.text()).toContain('Send 3 tasks again? [y/N]')
    await one.type('y')

    expect(one.commands).toEqual([`retry ["${taskId(7)}","${taskId(6)}","${taskId(5)}"]`])
    expect(one.text()).not.toContain('marked')
  })

  test('edit and retry begins with the arguments as JSON', async () => {
    const one = console_()
    await one.type('G')

    await one.type('E')
    expect(one.text()).toContain('math.add args: [2,2]')
    await one.type('\u007f\u007f3]\r')

    expect(one.commands).toEqual([`retry ["${taskId(1)}"] {"args":[2,3],"kwargs":{}}`])
  })

  test('arguments that are no JSON list are refused with the reason', async () => {
    const one = console_()
    await one.type('G')

    await one.type('E\u0015nonsense\r')

    expect(one.commands).toEqual([])
    expect(one.text()).toContain('is not valid JSON')
  })

  test('read-only refuses what changes the world and nothing else', async () => {
    const one = console_({ columns: 120, rows: 30, isReadOnly: true })

    await one.type('jXKRELT')
    await one.type('3S+-AQDLTK')
    expect(one.text()).toContain('refused: the console is read-only')
    await one.type('i')

    expect(one.commands).toEqual(['inspect "w1@box"'])
    expect(one.text()).toContain('read-only')
  })

  test('a worker is inspected and shut down; one that has gone is not asked', async () => {
    const one = console_()
    await one.type('3')

    await one.type('i')
    await one.type('Sy')
    await one.type('ji')

    expect(one.commands).toEqual(['inspect "w1@box"', 'shutdown "w1@box"'])
    expect(one.text()).toContain('not asked: it has gone')
  })

  test('freeze says how much is new', async () => {
    const one = console_()

    await one.type('p')
    one.store.dispatch({
      on: 'events',
      events: [sent(taskId(8), 'late.one', 0), beat('w1@box', 0)],
      nowMs,
      dropped: 0,
    })
    await one.drawn()
    expect(one.text()).toContain('frozen, 1 new')
    expect(one.text()).not.toContain('late.one')
    await one.type('p')

    expect(one.text()).toContain('late.one')
  })

  test('the sort moves from column to column and shows where it is', async () => {
    const one = console_()

    await one.type('s')
    expect(one.text()).toContain('STATE▼')
    await one.type('s')
    expect(one.text()).toContain('NAME▼')
  })

  test('views by number and by name; an unknown command is told', async () => {
    const one = console_()

    await one.type('4')
    expect(one.text()).toContain('[4 Queues]')
    await one.type(':workers\r')
    expect(one.text()).toContain('[3 Workers]')
    await one.type(':nonsense\r')

    expect(one.text()).toContain('There is no such command')
  })

  test('q goes back from the detail and quits from the list, Ctrl-C quits from anywhere', async () => {
    const one = console_({ columns: 80, rows: 24 })

    await one.type('\r')
    await one.type('q')
    expect(one.exitCode).toBeUndefined()
    await one.type('/abc')
    await one.type('\u0003')

    expect(one.exitCode).toBe(0)
  })

  test('copies the id, and the call as code or as a command line', async () => {
    const one = console_()
    await one.type('G')

    await one.type('yY')
    expect(one.text()).toContain('Copy the call as')
    await one.type('1')
    await one.type('Yj\r')

    expect(one.copied).toEqual([
      taskId(1),
      'await app.sendTask(\'math.add\', [2,2], {}, {"queue":"celery"})',
      "tq call math.add --args '[2,2]' --queue celery",
    ])
    expect(one.store.get().ui.menu).toBeUndefined()
  })

  test('arguments that the event has cut are fetched before they are edited or copied', async () => {
    const one = console_()
    const events = [sent(taskId(8), 'long.one', 0, "('xxxxx...")]
    one.store.dispatch({ on: 'events', events, nowMs, dropped: 0 })
    one.storedCall = { args: ['whole'], kwargs: { y: 2 } }

    await one.type('Y')
    expect(one.text()).toContain('["whole"],')
    await one.escape()
    await one.type('E')
    expect(one.text()).toContain('long.one args: ["whole"] {"y":2}')
    await one.type('\r')

    expect(one.commands).toEqual([`retry ["${taskId(8)}"] {"args":["whole"],"kwargs":{"y":2}}`])
  })

  test('o opens the definition from the list, and the line that failed from the detail', async () => {
    const one = console_()
    one.definitions.set('mail.send', [{ file: 'src/mail.ts', line: 3, column: 14 }])
    one.failedLines = [
      { file: 'src/mail.ts', line: 42, column: 11 },
      { file: 'src/smtp.ts', line: 7, column: 1 },
    ]
    await one.type('6')

    await one.type('o')
    await one.type('\ro')
    expect(one.text()).toMatch(/ 1 src\/mail\.ts:42.*\n.* 2 src\/smtp\.ts:7/u)
    await one.type('2')

    expect(one.commands.filter((line) => line.startsWith('edit'))).toEqual([
      'edit {"file":"src/mail.ts","line":3,"column":14}',
      'edit {"file":"src/smtp.ts","line":7,"column":1}',
    ])
  })

  test('o says when the project has no such task', async () => {
    const one = console_()

    await one.type('6jo')

    expect(one.text()).toContain('its definition was not found')
  })

  test('columns are left out and come back while the list is seen', async () => {
    const one = console_({ columns: 140, rows: 30 })

    await one.type('c')
    expect(one.text()).toMatch(/Columns of tasks/u)
    await one.type('4j ')
    expect(one.text()).not.toContain('QUEUE  ')
    expect(one.text()).toContain('[ ] QUEUE')
    await one.type('4')
    await one.escape()

    expect(one.text()).toContain('QUEUE  ')
    expect(one.store.get().ui.hiddenColumns).toEqual(new Set(['TRY']))
  })

  test('a worker is told its queues, limits and size; each is asked for in a line', async () => {
    const one = console_({ columns: 120, rows: 30 })
    await one.type('3')

    await one.type('Qmail\rDmail\rA8 2\rLmath.add 10/m\rTmath.add 5 -\r+-')

    expect(one.commands).toEqual([
      'addQueue "w1@box" "mail"',
      'dropQueue "w1@box" "mail"',
      'autoscale "w1@box" 8 2',
      'rateLimit "math.add" "10/m" "w1@box"',
      'timeLimit "math.add" {"soft":5,"hard":null} "w1@box"',
      'resizePool "w1@box" 1',
      'resizePool "w1@box" -1',
    ])
  })

  test('the limits of a task under the cursor are for every worker', async () => {
    const one = console_()
    await one.type('G')

    await one.type('L10/m\rT1.5\r')

    expect(one.commands).toEqual(['rateLimit "math.add" "10/m"', 'timeLimit "math.add" {"soft":1.5,"hard":null}'])
  })

  test.each([
    ['Lmath.add soon\r', 'expected a rate'],
    ['Lmath.add\r', 'expected task rate'],
    ['Tmath.add x\r', 'expected soft hard'],
    ['A1 2 3\r', 'expected most least'],
  ])('%j on a worker is refused with what is expected', async (keys, answer) => {
    const one = console_()
    await one.type('3')

    await one.type(keys)

    expect(one.commands).toEqual([])
    expect(one.text()).toContain(answer)
  })

  test('a worker is ended at once only when its name is typed', async () => {
    const one = console_()
    await one.type('3')

    await one.type('Kw1\r')
    expect(one.text()).toContain('not done: that is not w1@box')
    await one.type('Kw1@box\r')

    expect(one.commands).toHaveLength(1)
    expect(one.commands[0]).toContain('coldShutdown')
  })

  test('Ctrl-R connects again', async () => {
    const one = console_()

    await one.type('\u0012')

    expect(one.commands).toEqual(['reconnect'])
  })
})
