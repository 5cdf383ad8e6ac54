import { describe, expect, test } from 'vitest'
import { edit, type EditorAction, type EditorState, newEditor } from '../../../tui/src/repl/editor.ts'

/** Applies actions; a string is typed character by character, `\n` as Enter inside a block. */
function after(start: EditorState, ...steps: readonly (string | EditorAction)[]): EditorState {
  return steps.reduce<EditorState>((state, step) => {
    if (typeof step === 'object') return edit(state, step)
    if (step.startsWith('>')) return edit(state, simple(step.slice(1)))
    return Array.from(step).reduce(
      (s, letter) => edit(s, letter === '\n' ? { do: 'newline' } : { do: 'insert', text: letter }),
      state,
    )
  }, start)
}

function simple(name: string): EditorAction {
  // Names in this file only
  return { do: name } as EditorAction
}

/** The text with a bar where the cursor is. */
function shown({ text, cursor }: EditorState): string {
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`
}

describe('the editor', () => {
  test.each([
    [['abc', '>left', 'X'], 'abX|c'],
    [['abc', '>left', '>backspace'], 'a|c'],
    [['abc', '>lineStart', '>delete'], '|bc'],
    [['foo.bar baz', '>wordLeft', '>wordLeft'], 'foo.|bar baz'],
    [['foo bar', '>lineStart', '>wordRight'], 'foo| bar'],
    [['foo bar', '>killWordLeft'], 'foo |'],
    [['foo bar', '>killWordLeft', '>lineStart', '>yank'], 'bar|foo '],
    [['foo bar', '>wordLeft', '>killToEnd'], 'foo |'],
    [['foo bar', '>wordLeft', '>killToStart'], '|bar'],
    [['a', '>left', '>left', '>left'], '|a'],
    [['a', '>right', '>right'], 'a|'],
    [['x', '>clear'], '|'],
  ])('%j gives %s', (steps, expected) => {
    expect(shown(after(newEditor(), ...steps))).toBe(expected)
  })

  test.each(['👨‍👩‍👧', '☁️', 'é', '각', '🇫🇷'])('moves over %s and deletes it as one', (grapheme) => {
    const state = after(newEditor(), { do: 'insert', text: `a${grapheme}b` }, '>left')

    expect(shown(after(state, '>left'))).toBe(`a|${grapheme}b`)
    expect(shown(after(state, '>backspace'))).toBe('a|b')
    expect(shown(after(state, '>left', '>delete'))).toBe('a|b')
  })

  test('indents a new line inside a bracket and takes the indent back when it closes', () => {
    expect(shown(after(newEditor(), 'const f = () => {\nreturn 1\n}'))).toBe('const f = () => {\n  return 1\n}|')
  })

  test('indents once for several brackets of one line', () => {
    expect(shown(after(newEditor(), 'foo(bar({\n'))).toBe('foo(bar({\n  |')
  })

  test('a backspace in the indent removes a step of it', () => {
    expect(shown(after(newEditor(), 'f(() => {\n', '>backspace'))).toBe('f(() => {\n|')
  })

  test('a paste is one insertion, with its own indents and newlines', () => {
    const state = after(newEditor(), { do: 'insert', text: 'if (x) {\r\n      y\r\n}' })

    expect(shown(state)).toBe('if (x) {\n      y\n}|')
  })

  test('up and down keep their column over a short line', () => {
    const state = after(newEditor(), { do: 'insert', text: 'abcdef\nx\nabcdef' }, '>left')

    expect(shown(after(state, '>up'))).toBe('abcdef\nx|\nabcdef')
    expect(shown(after(state, '>up', '>up'))).toBe('abcde|f\nx\nabcdef')
    expect(shown(after(state, '>up', '>up', '>down', '>down'))).toBe('abcdef\nx\nabcde|f')
  })

  describe('with a history', () => {
    const history = ['first', 'const f = () => {\n  1\n}', 'last']

    test('up gives a block back as a whole, and down the draft', () => {
      const state = after(newEditor(history), 'draft')

      expect(after(state, '>up').text).toBe('last')
      expect(after(state, '>up', '>up').text).toBe(history[1])
      expect(shown(after(state, '>up', '>up', '>down', '>down'))).toBe('draft|')
      expect(after(state, '>up', '>next').text).toBe('draft')
    })

    test('up moves inside the block before it leaves it', () => {
      const state = after(newEditor(history), '>up', '>up', '>up', '>up', '>up')

      expect(state.text).toBe('first')
    })

    test('a submitted input becomes the newest entry, once', () => {
      const state = after(newEditor(history), 'new', { do: 'submitted', remember: true }, 'new', {
        do: 'submitted',
        remember: true,
      })

      expect(state.history).toEqual([...history, 'new'])
      expect(state.text).toBe('')
    })

    test('an input that is not to be remembered leaves no trace', () => {
      expect(after(newEditor(history), ' secret', { do: 'submitted', remember: false }).history).toEqual(history)
    })

    test('a search finds the newest match first, then older ones, and stays on the last', () => {
      const searching = after(newEditor(history), '>searchOlder', { do: 'searchType', text: 'st' })

      expect(searching.search?.found).toBe(2)
      expect(after(searching, '>searchOlder').search?.found).toBe(1)
      expect(after(searching, '>searchOlder', '>searchOlder').search?.found).toBe(0)
      expect(after(searching, '>searchOlder', '>searchOlder', '>searchOlder').search?.found).toBe(0)
      expect(after(searching, '>searchOlder', '>searchTake').text).toBe(history[1])
    })

    test('a search that is given up leaves the text as it was', () => {
      expect(after(newEditor(history), 'mine', '>searchOlder', '>searchCancel')).toMatchObject({
        text: 'mine',
        search: undefined,
      })
    })
  })
})
