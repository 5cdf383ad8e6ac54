import { scan } from './scan.ts'

/** The line editor as data. Every change is a pure step, so several keys of one chunk never see a stale state. */
export interface EditorState {
  readonly text: string
  /** Offset in `text`, always on a grapheme boundary. */
  readonly cursor: number
  /** Column that up and down aim for, over short lines in between. */
  readonly goal?: number | undefined
  readonly killed: string
  /** Oldest first. */
  readonly history: readonly string[]
  /** Entry that is shown; `history.length` is the draft. */
  readonly at: number
  /** What was being written when the history was entered. */
  readonly draft: string
  readonly search?: Search | undefined
}

export interface Search {
  readonly query: string
  /** Entry that matches; undefined when none does. */
  readonly found?: number | undefined
}

export type EditorAction =
  | { readonly do: 'insert'; readonly text: string }
  | { readonly do: 'newline' | 'backspace' | 'delete' | 'left' | 'right' | 'wordLeft' | 'wordRight' }
  | { readonly do: 'lineStart' | 'lineEnd' | 'textStart' | 'textEnd' | 'up' | 'down' | 'previous' | 'next' }
  | { readonly do: 'killToEnd' | 'killToStart' | 'killWordLeft' | 'killWordRight' | 'yank' | 'clear' }
  | { readonly do: 'replace'; readonly from: number; readonly text: string }
  | { readonly do: 'submitted'; readonly remember: boolean }
  | { readonly do: 'history'; readonly entries: readonly string[] }
  | { readonly do: 'searchOlder' | 'searchTake' | 'searchCancel' | 'searchBackspace' }
  | { readonly do: 'searchType'; readonly text: string }

export const historyLimit = 2_000

export function newEditor(history: readonly string[] = []): EditorState {
  return { text: '', cursor: 0, killed: '', history, at: history.length, draft: '' }
}

/** The next state. Unknown situations (left at the start, next at the draft) give the state itself. */
export function edit(state: EditorState, action: EditorAction): EditorState {
  switch (action.do) {
    case 'insert':
      return splice(state, state.cursor, state.cursor, action.text)
    case 'newline':
      return splice(state, state.cursor, state.cursor, `\n${indentAt(state)}`)
    case 'replace':
      return splice(state, action.from, state.cursor, action.text)
    case 'backspace':
      return splice(state, backspaceFrom(state), state.cursor, '')
    case 'delete':
      return splice(state, state.cursor, graphemeEnd(state.text, state.cursor), '')
    case 'left':
      return moved(state, graphemeStart(state.text, state.cursor))
    case 'right':
      return moved(state, graphemeEnd(state.text, state.cursor))
    case 'wordLeft':
      return moved(state, wordStart(state.text, state.cursor))
    case 'wordRight':
      return moved(state, wordEnd(state.text, state.cursor))
    case 'lineStart':
      return moved(state, lineStart(state.text, state.cursor))
    case 'lineEnd':
      return moved(state, lineEnd(state.text, state.cursor))
    case 'textStart':
      return moved(state, 0)
    case 'textEnd':
      return moved(state, state.text.length)
    case 'up':
      return byLine(state, -1) ?? edit(state, { do: 'previous' })
    case 'down':
      return byLine(state, 1) ?? edit(state, { do: 'next' })
    case 'previous':
      return recall(state, state.at - 1)
    case 'next':
      return recall(state, state.at + 1)
    case 'killToEnd': {
      const end = lineEnd(state.text, state.cursor)
      return kill(state, state.cursor, end === state.cursor ? Math.min(end + 1, state.text.length) : end)
    }
    case 'killToStart':
      return kill(state, lineStart(state.text, state.cursor), state.cursor)
    case 'killWordLeft':
      return kill(state, wordStart(state.text, state.cursor), state.cursor)
    case 'killWordRight':
      return kill(state, state.cursor, wordEnd(state.text, state.cursor))
    case 'yank':
      return splice(state, state.cursor, state.cursor, state.killed)
    case 'clear':
      return { ...state, text: '', cursor: 0, goal: undefined, at: state.history.length, draft: '', search: undefined }
    case 'submitted':
      return submitted(state, action.remember)
    case 'history':
      return { ...state, history: action.entries, at: action.entries.length }
    case 'searchOlder':
      return searched(state, state.search?.query ?? '', (state.search?.found ?? state.history.length) - 1)
    case 'searchType':
      return searched(state, (state.search?.query ?? '') + action.text, state.search?.found ?? state.history.length - 1)
    case 'searchBackspace':
      return searched(state, (state.search?.query ?? '').slice(0, -1), state.history.length - 1)
    case 'searchCancel':
      return { ...state, search: undefined }
    case 'searchTake': {
      const found = state.search?.found
      const kept = { ...state, search: undefined }
      return found === undefined ? kept : recall(kept, found)
    }
  }
}

/** Line and column of the cursor, both from 0; the column counts code units. */
export function cursorPlace(state: EditorState): { readonly line: number; readonly column: number } {
  const before = state.text.slice(0, state.cursor)
  return { line: before.split('\n').length - 1, column: state.cursor - lineStart(state.text, state.cursor) }
}

function splice(state: EditorState, from: number, to: number, text: string): EditorState {
  if (from === to && text === '') return state
  const typed = text.replaceAll(/\r\n?/gu, '\n')
  let next = state.text.slice(0, from) + typed + state.text.slice(to)
  let cursor = from + typed.length
  // A closing bracket as the first thing of a line steps back to where its block began.
  const start = lineStart(state.text, from)
  const indent = state.text.slice(start, from)
  if (/^[)\]}][^\n]*$/u.test(typed) && /^ {2,}$/u.test(indent)) {
    next = next.slice(0, start) + next.slice(start + indentWidth)
    cursor -= indentWidth
  }
  return { ...state, text: next, cursor, goal: undefined }
}

function moved(state: EditorState, cursor: number): EditorState {
  return { ...state, cursor, goal: undefined }
}

function kill(state: EditorState, from: number, to: number): EditorState {
  return from === to ? state : { ...splice(state, from, to, ''), cursor: from, killed: state.text.slice(from, to) }
}

/** To the line above or below, or undefined at the first or last one. */
function byLine(state: EditorState, step: -1 | 1): EditorState | undefined {
  const { text, cursor } = state
  const start = lineStart(text, cursor)
  const goal = state.goal ?? cursor - start
  if (step === -1 ? start === 0 : lineEnd(text, cursor) === text.length) return undefined
  const target = step === -1 ? lineStart(text, start - 1) : lineEnd(text, cursor) + 1
  const wanted = Math.min(target + goal, lineEnd(text, target))
  // Not into the middle of a character of two code units.
  const landed =
    graphemeEnd(text, graphemeStart(text, wanted)) === wanted || wanted === target
      ? wanted
      : graphemeStart(text, wanted)
  return { ...state, cursor: landed, goal }
}

function recall(state: EditorState, at: number): EditorState {
  if (at < 0 || at > state.history.length || at === state.at) return state
  const draft = state.at === state.history.length ? state.text : state.draft
  const text = at === state.history.length ? draft : (state.history[at] ?? '')
  return { ...state, text, cursor: text.length, at, draft, goal: undefined }
}

function submitted(state: EditorState, remember: boolean): EditorState {
  const entry = state.text
  const repeated = state.history.at(-1) === entry
  const history = remember && !repeated ? [...state.history, entry].slice(-historyLimit) : state.history
  return { ...newEditor(history), killed: state.killed }
}

function searched(state: EditorState, query: string, from: number): EditorState {
  const found = state.history.slice(0, from + 1).findLastIndex((entry) => entry.includes(query))
  // Nothing older: stay on the last match.
  const kept = found === -1 && query === state.search?.query ? state.search.found : undefined
  return { ...state, search: { query, found: found === -1 ? kept : found } }
}

const indentWidth = 2

/** Two spaces for each bracket that is open before the cursor, but one step for brackets opened on the same line. */
function indentAt(state: EditorState): string {
  const before = state.text.slice(0, state.cursor)
  const line = before.slice(lineStart(before, before.length))
  const present = /^ */u.exec(line)?.[0].length ?? 0
  const outer = scan(before.slice(0, before.length - line.length)).depth
  const inner = scan(before).depth
  return ' '.repeat(Math.max(0, present + Math.sign(inner - outer) * (inner > outer ? indentWidth : 0)))
}

/** Inside the indent of a line a backspace removes one step of it. */
function backspaceFrom(state: EditorState): number {
  const start = lineStart(state.text, state.cursor)
  const before = state.text.slice(start, state.cursor)
  const step = before.length % indentWidth === 0 ? indentWidth : 1
  return /^ {2,}$/u.test(before) ? state.cursor - step : graphemeStart(state.text, state.cursor)
}

function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}

function graphemeStart(text: string, at: number): number {
  const start = text[at - 1] === '\n' ? at - 1 : lineStart(text, at)
  let last = start
  for (const { index } of graphemes().segment(text.slice(start, at))) last = start + index
  return Math.max(0, last)
}

function graphemeEnd(text: string, at: number): number {
  const [first] = graphemes().segment(text.slice(at, at + 64))
  return at + (first?.segment.length ?? 0)
}

function graphemes(): Intl.Segmenter {
  return new Intl.Segmenter(undefined, { granularity: 'grapheme' })
}

function wordStart(text: string, at: number): number {
  return (
    at - (/[\p{ID_Continue}$]+[^\p{ID_Continue}$]*$|[^\p{ID_Continue}$]+$/u.exec(text.slice(0, at))?.[0].length ?? 0)
  )
}

function wordEnd(text: string, at: number): number {
  return at + (/^[^\p{ID_Continue}$]*[\p{ID_Continue}$]+|^[^\p{ID_Continue}$]+/u.exec(text.slice(at))?.[0].length ?? 0)
}
