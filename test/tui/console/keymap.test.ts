import { describe, expect, test } from 'vitest'
import { bindingOf, conflictsOf, defaultKeymap, keyName } from '../../../tui/src/keymap.ts'

const plain = { ctrl: false, meta: false, shift: false }

describe('the key table', () => {
  test('has no conflicts', () => {
    expect(conflictsOf(defaultKeymap)).toEqual([])
  })

  test('names a conflict', () => {
    const [first] = defaultKeymap
    if (first === undefined) throw new Error('no bindings')

    expect(conflictsOf([...defaultKeymap, { ...first, intent: 'quit', keys: ['j'] }])).toEqual([
      'Key j is bound to down and to quit.',
    ])
  })

  test('what changes the world is a capital or + -', () => {
    const keys = defaultKeymap.filter(({ changes }) => changes === true).flatMap((one) => one.keys)

    expect(keys.length).toBeGreaterThan(4)
    for (const key of keys) expect(key).toMatch(/^[A-Z+-]$/u)
  })

  test('a key means something else in another place', () => {
    const capitalK = { input: 'K', ...plain }

    expect(bindingOf(capitalK, 'task')?.intent).toBe('terminate')
    expect(bindingOf(capitalK, 'anywhere')).toBeUndefined()
    expect(bindingOf({ input: 'S', ...plain }, 'worker')?.intent).toBe('shutdown')
    expect(bindingOf({ input: 'S', ...plain }, 'task')).toBeUndefined()
  })

  test.each([
    [{ input: 'd', ...plain, ctrl: true }, 'ctrl-d'],
    [{ input: ' ', ...plain }, 'space'],
    [{ input: '', name: 'tab' as const, ...plain, shift: true }, 'shift-tab'],
    [{ input: '', name: 'pageDown' as const, ...plain }, 'pageDown'],
  ])('names %j', (press, name) => {
    expect(keyName(press)).toBe(name)
  })
})
