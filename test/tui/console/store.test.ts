import { describe, expect, test } from 'vitest'
import { reduce } from '../../../tui/src/reduce.ts'
import { idOf } from '../../../tui/src/rows.ts'
import type { ViewName } from '../../../tui/src/state.ts'
import type { Store } from '../../../tui/src/store.ts'
import { beat, fixtureStore, nowMs, sent, succeeded, taskId } from './fixture.ts'

function names(store: Store): readonly string[] {
  return store.rows().rows.map(idOf)
}

function underCursor(store: Store): string | undefined {
  const row = store.rows().rows[store.cursorIndex()]
  return row && idOf(row)
}

function show(store: Store, view: ViewName): void {
  store.dispatch({ on: 'view', view })
}

describe('the store of the console', () => {
  test('lists the newest task first, and each view its own', () => {
    const store = fixtureStore()

    expect(names(store)).toEqual([7, 6, 5, 4, 3, 2, 1].map(taskId))
    show(store, 'running')
    expect(names(store)).toEqual([taskId(3)])
    show(store, 'failed')
    expect(names(store)).toEqual([taskId(2)])
    show(store, 'workers')
    expect(names(store)).toEqual(['w1@box', 'w2@box'])
    show(store, 'queues')
    expect(names(store)).toEqual(['celery', 'mail'])
  })

  test('the cursor follows what is new until it is moved, then it stays with its row', () => {
    const store = fixtureStore()
    const arrive = (n: number): void =>
      store.dispatch({ on: 'events', events: [sent(taskId(n), 'math.add', 0)], nowMs, dropped: 0 })

    arrive(8)
    expect(underCursor(store)).toBe(taskId(8))
    store.dispatch({ on: 'select', id: taskId(6), at: 2 })
    arrive(9)

    expect(underCursor(store)).toBe(taskId(6))
    expect(store.cursorIndex()).toBe(3)
  })

  test('a row that leaves the list leaves the cursor in its place', () => {
    const store = fixtureStore()
    show(store, 'running')
    store.dispatch({ on: 'events', events: [sent(taskId(20), 'x', 0)], nowMs, dropped: 0 })
    store.dispatch({ on: 'select', id: taskId(3), at: 0 })

    store.dispatch({ on: 'events', events: [succeeded(taskId(3), 0)], nowMs, dropped: 0 })

    expect(names(store)).toEqual([])
    expect(store.cursorIndex()).toBe(-1)
  })

  test('the row under the cursor stays on the screen while rows arrive above it', () => {
    const store = fixtureStore({ columns: 80, rows: 14 })
    store.dispatch({ on: 'select', id: taskId(5), at: 2 })

    for (let n = 100; n < 140; n++) {
      store.dispatch({ on: 'events', events: [sent(taskId(n), 'x', 0)], nowMs, dropped: 0 })
    }

    const { top } = store.get().ui.cursors.tasks
    expect(underCursor(store)).toBe(taskId(5))
    expect(store.cursorIndex()).toBeGreaterThanOrEqual(top)
    expect(store.cursorIndex()).toBeLessThan(top + 8)
  })

  test('a frozen list shows what it showed', () => {
    const store = fixtureStore()
    store.dispatch({ on: 'ui', change: { frozen: store.get().cluster } })

    store.dispatch({ on: 'events', events: [sent(taskId(8), 'math.add', 0)], nowMs, dropped: 0 })

    expect(names(store)[0]).toBe(taskId(7))
    store.dispatch({ on: 'ui', change: { frozen: undefined } })
    expect(names(store)[0]).toBe(taskId(8))
  })

  test('a filter narrows live and the sort is stable', () => {
    const store = fixtureStore()

    store.dispatch({ on: 'filter', text: 'name:mail.*' })
    expect(names(store)).toEqual([taskId(7), taskId(2)])
    store.dispatch({ on: 'filter', text: '' })
    store.dispatch({ on: 'ui', change: { sort: 'queue' } })
    expect(names(store).at(-1)).toBe(taskId(2))
  })

  test('keeps 5,000 tasks and says how many are not kept', () => {
    const store = fixtureStore({ isEmpty: true })
    const events = Array.from({ length: 6000 }, (_, n) => sent(taskId(n), 'math.add', 0, 'x'.repeat(10_000)))

    store.dispatch({ on: 'events', events, nowMs, dropped: 0 })

    const { cluster } = store.get()
    expect([cluster.tasks.size, cluster.evicted]).toEqual([5000, 1000])
    expect(cluster.tasks.get(taskId(5999))?.args.length).toBeLessThanOrEqual(2048)
  })

  test('a worker that is long gone is no longer listed', () => {
    const store = fixtureStore()
    show(store, 'workers')

    store.dispatch({ on: 'tick', nowMs: nowMs + 120_000 })
    expect(names(store)).toEqual(['w1@box'])
  })

  test('history gives no rates and no liveliness to the past', () => {
    const store = fixtureStore({ isEmpty: true })

    store.dispatch({ on: 'history', events: [beat('w9@box', 240_000), succeeded(taskId(1), 240_000)], nowMs })

    const { cluster } = store.get()
    expect(cluster.ticks).toEqual([])
    expect(cluster.workers.get('w9@box')?.lastSeenMs).toBe(nowMs - 240_000)
  })

  test('no events make no new state, so nothing is drawn', () => {
    const state = fixtureStore().get()

    expect(reduce(state, { on: 'events', events: [], nowMs, dropped: 0 })).toBe(state)
  })
})
