import { describe, expect, test } from 'vitest'
import { Results } from '../../extension/src/results.ts'
import { readTraceback } from '../../extension/src/traceback.ts'
import { folder, target } from './models.ts'

const run = { runId: 'r1', folder, definition: 'a', target: target.id, task: 'math.add', args: '(2, 2)', atMs: 0 }
const outcome = { target: target.id, task: 'math.add', id: 'x', state: 'SUCCESS', args: '', text: '9', retries: 0 }

function update(state: string, text = '', runId = 'r1', atMs = 10) {
  return { runId, target: target.id, task: 'math.add', id: `id-${runId}`, state, text, atMs }
}

describe('the latest result of a task', () => {
  test('is the run from here, from its start to its end', () => {
    const results = new Results()
    const seen: string[] = []
    results.onChanged(({ state }) => seen.push(state))

    results.started(run)
    results.updated(update('STARTED'))
    results.updated(update('SUCCESS', '4'))

    expect(seen).toEqual(['STARTING', 'STARTED', 'SUCCESS'])
    expect(results.latest(folder, 'math.add')).toMatchObject({ text: '4', args: '(2, 2)', definition: 'a' })
    expect(results.running()).toEqual([])
  })

  test('of two runs is the later one, whichever ends last', () => {
    const results = new Results()

    results.started(run)
    results.started({ ...run, runId: 'r2' })
    results.updated(update('SUCCESS', 'old'))

    expect(results.latest(folder, 'math.add')).toMatchObject({ runId: 'r2', state: 'STARTING' })
  })

  test("is others' while nobody waits for one from here, and again ten seconds after that", () => {
    const results = new Results()

    const shown = (): string | undefined => results.latest(folder, 'math.add')?.text
    results.seen(folder, { ...outcome, atMs: 5 })
    const first = shown()
    results.started(run)
    results.seen(folder, { ...outcome, atMs: 20 })
    const during = shown()
    results.updated(update('SUCCESS', '4'))
    results.seen(folder, { ...outcome, atMs: 9_000 })
    const soon = shown()
    results.seen(folder, { ...outcome, atMs: 10_010 })

    expect([first, during, soon, shown()]).toEqual(['9', '', '4', '9'])
  })

  test('is not told a second time by the event of the same task', () => {
    const results = new Results()
    results.started(run)
    results.updated(update('SUCCESS', '4'))

    const own = results.seen(folder, { ...outcome, id: 'id-r1', atMs: 60_000 })
    const other = results.seen(folder, { ...outcome, id: 'other', atMs: 20 })

    expect([own, other]).toEqual([false, true])
    expect(results.latest(folder, 'math.add')?.text).toBe('4')
  })

  test('is an error when the sidecar is gone before the end', () => {
    const results = new Results()
    results.started(run)

    results.lost('the background process is not running', 30)

    expect(results.latest(folder, 'math.add')).toMatchObject({ state: 'ERROR', atMs: 30 })
    expect(results.running()).toEqual([])
  })

  test('is gone when it is cleared', () => {
    const results = new Results()
    results.seen(folder, { ...outcome, atMs: 5 })

    results.clearAll(6)

    expect(results.latest(folder, 'math.add')).toBeUndefined()
    expect(results.newest()).toBeUndefined()
  })
})

describe('a result that was cleared', () => {
  test('does not come back with what is told of it later', () => {
    const results = new Results()
    results.started(run)
    results.updated(update('SUCCESS', '4', 'r1', 10))
    results.clearAll(12)

    results.seen(folder, { ...outcome, id: 'id-r1', atMs: 10 })
    results.seen(folder, { ...outcome, id: 'somebody', atMs: 11 })

    expect(results.latest(folder, 'math.add')).toBeUndefined()
  })

  test('does not come back with the end of a run that went on', () => {
    const results = new Results()
    results.started(run)
    results.updated(update('STARTED'))
    results.clearAll(12)

    const told = results.updated(update('SUCCESS', '4', 'r1', 20))

    expect(told).toMatchObject({ text: '4' })
    expect(results.latest(folder, 'math.add')).toBeUndefined()
    expect(results.running()).toEqual([])
  })

  test('makes place for the next one', () => {
    const results = new Results()
    results.started(run)
    results.clearAll(12)

    results.seen(folder, { ...outcome, atMs: 13 })
    const seen = results.latest(folder, 'math.add')?.text
    results.started({ ...run, runId: 'r2', atMs: 14 })
    results.updated(update('SUCCESS', '5', 'r2', 15))

    expect([seen, results.latest(folder, 'math.add')?.text]).toEqual(['9', '5'])
  })
})

describe('a traceback', () => {
  test("is read into own frames and the number of libraries' ones", () => {
    const text = [
      'Error: odd input',
      '    at flaky (/w/shop/src/orders.ts:25:68)',
      '    at file:///w/shop/src/with%20space.ts:3:1',
      '    at async Promise.all (index 0)',
      '    at call (file:///w/shop/node_modules/tq-runtime/dist/run.js:75:27)',
      '    at AsyncLocalStorage.run (node:internal/async_local_storage:65:14)',
      '    at other (/w/shopping/a.ts:1:1)',
    ].join('\n')

    const { own, libraries } = readTraceback(text, ['/w/shop'])

    expect(own.map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual([
      '/w/shop/src/orders.ts:25:68',
      '/w/shop/src/with space.ts:3:1',
    ])
    expect(libraries).toBe(4)
  })

  test('of Python is read too', () => {
    const text = 'Traceback (most recent call last):\n  File "/w/py/tasks.py", line 7, in add\n    return x + y'

    expect(readTraceback(text, ['/w/py']).own).toMatchObject([{ file: '/w/py/tasks.py', line: 7, column: 1 }])
  })
})
